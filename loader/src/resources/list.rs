//! Resources of one kind, found by whom they are for and by what they are about.
//!
//! A mesh has thousands of listeners and services, and a policy for each of them: to try each with each would take the
//! square of the time. A search finds all that can be meant and some that are not, so whoever searches still compares.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::ops::Deref;
use std::sync::{LazyLock, OnceLock};

use policy::Tags;

use super::Resource;

/// What is meant by a resource has this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Key<'a> {
    /// Nothing in particular: also what is nothing else is meant.
    Any,
    /// A tag with this value.
    Tag(&'a str, &'a str),
    /// A label with this value.
    Label(&'a str, &'a str),
    /// This kind and name.
    Name(&'a str, &'a str),
}

/// A [`Key`] in a mesh, as it is looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Sought(u64);

/// One for the whole process, so that what is sought is hashed once for all lists.
static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);

impl Key<'_> {
    /// The key of something in `mesh`.
    pub fn sought(self, mesh: &str) -> Sought {
        Sought(HASHER.hash_one((mesh, self)))
    }
}

/// What something in `mesh` with these tags is found by.
pub fn sought(mesh: &str, tags: &Tags) -> Vec<Sought> {
    let tags = tags.iter().map(|(name, value)| Key::Tag(name, value));
    let keys = tags.chain([Key::Any]);
    keys.map(|key| key.sought(mesh)).collect()
}

/// What a resource can be found by.
pub trait Selects {
    /// Whom it is for: of each set, those that have all its keys; anybody of the mesh if the set has none.
    fn whom(&self) -> Vec<Vec<Key<'_>>>;

    /// What of theirs it is about, by its entries. Nothing if it does not say.
    fn what(&self) -> Vec<Vec<Key<'_>>>;

    /// Whether it says anything about those who call whom it is for, and not only about what those call.
    fn is_about_callers(&self) -> bool {
        true
    }
}

/// Resources in the order of the input.
#[derive(Clone, Debug)]
pub struct List<T> {
    all: Vec<Resource<T>>,
    /// Made by the first search.
    index: OnceLock<Index>,
    /// Those that say something about callers, by whom they are for; made by the first search for them.
    callers: OnceLock<Buckets>,
}

#[derive(Clone, Debug)]
struct Index {
    whom: Buckets,
    what: Buckets,
}

impl<T> Default for List<T> {
    fn default() -> Self {
        Self {
            all: Vec::new(),
            index: OnceLock::new(),
            callers: OnceLock::new(),
        }
    }
}

impl<T> Deref for List<T> {
    type Target = [Resource<T>];

    fn deref(&self) -> &Self::Target {
        &self.all
    }
}

impl<'a, T> IntoIterator for &'a List<T> {
    type Item = &'a Resource<T>;
    type IntoIter = std::slice::Iter<'a, Resource<T>>;

    fn into_iter(self) -> Self::IntoIter {
        self.all.iter()
    }
}

impl<T> List<T> {
    /// Adds a resource at the end.
    pub fn push(&mut self, resource: Resource<T>) {
        self.all.push(resource);
        self.index = OnceLock::new();
        self.callers = OnceLock::new();
    }
}

impl<T: Selects> List<T> {
    /// The places of those that can be for whoever has these keys, in order.
    pub fn of(&self, keys: &[Sought]) -> Vec<usize> {
        self.index().whom.places(keys)
    }

    /// Those of them that say something about callers: where each service has a policy for whoever calls it, they are
    /// thousands that say nothing.
    pub fn of_callers(&self, keys: &[Sought]) -> Vec<usize> {
        let callers = self.callers.get_or_init(|| {
            let mut rows = Vec::new();
            for (place, resource) in self.all.iter().enumerate() {
                if resource.spec.is_about_callers() {
                    let mesh = resource.meta.mesh.as_str();
                    let whom = resource.spec.whom().into_iter();
                    rows.extend(whom.map(|keys| Row::new(mesh, (place, 0), &keys, 1)));
                }
            }
            Buckets::new(&rows)
        });
        callers.places(keys)
    }

    /// How many entries those have.
    pub fn entries_of(&self, keys: &[Sought]) -> usize {
        self.index().whom.weight(keys)
    }

    /// The places of those that can be about what has these keys, in order, each with the entry.
    pub fn about(&self, keys: &[Sought]) -> Vec<(usize, usize)> {
        let mut places: Vec<_> = self.index().what.find(keys).collect();
        places.sort_unstable();
        places.dedup();
        places
    }

    /// How many entries those are.
    pub fn entries_about(&self, keys: &[Sought]) -> usize {
        self.index().what.weight(keys)
    }

    fn index(&self) -> &Index {
        self.index.get_or_init(|| {
            let mut whom = Vec::new();
            let mut what = Vec::new();
            for (place, resource) in self.all.iter().enumerate() {
                let mesh = resource.meta.mesh.as_str();
                let entries = resource.spec.what();
                let weight = entries.len().max(1);
                for (entry, keys) in entries.iter().enumerate() {
                    what.push(Row::new(mesh, (place, entry), keys, 1));
                }
                for keys in resource.spec.whom() {
                    whom.push(Row::new(mesh, (place, 0), &keys, weight));
                }
            }
            Index {
                whom: Buckets::new(&whom),
                what: Buckets::new(&what),
            }
        })
    }
}

/// An entry of a resource, with all that it asks for.
struct Row {
    entry: (usize, usize),
    keys: Vec<Sought>,
    weight: usize,
}

impl Row {
    fn new(mesh: &str, entry: (usize, usize), keys: &[Key<'_>], weight: usize) -> Self {
        let any = [Key::Any];
        let keys = if keys.is_empty() { &any } else { keys };
        Self {
            entry,
            keys: keys.iter().map(|key| key.sought(mesh)).collect(),
            weight,
        }
    }
}

/// Entries, each under one of its keys.
#[derive(Clone, Debug, Default)]
struct Buckets(HashMap<Sought, Bucket>);

#[derive(Clone, Debug, Default)]
struct Bucket {
    entries: Vec<(usize, usize)>,
    weight: usize,
}

impl Buckets {
    /// Puts each row under the key that the fewest others have: the tag of one listener, and not that of the gateway.
    fn new(rows: &[Row]) -> Self {
        let mut count: HashMap<Sought, usize> = HashMap::new();
        for key in rows.iter().flat_map(|row| &row.keys) {
            *count.entry(*key).or_default() += 1;
        }
        let mut buckets = Self::default();
        for row in rows {
            let Some(rarest) = row.keys.iter().min_by_key(|key| count.get(key)) else {
                continue;
            };
            let bucket = buckets.0.entry(*rarest).or_default();
            bucket.entries.push(row.entry);
            bucket.weight += row.weight;
        }
        buckets
    }

    fn find(&self, keys: &[Sought]) -> impl Iterator<Item = (usize, usize)> {
        let buckets = keys.iter().filter_map(|key| self.0.get(key));
        buckets.flat_map(|bucket| &bucket.entries).copied()
    }

    fn places(&self, keys: &[Sought]) -> Vec<usize> {
        let mut places: Vec<_> = self.find(keys).map(|(place, _)| place).collect();
        places.sort_unstable();
        places.dedup();
        places
    }

    fn weight(&self, keys: &[Sought]) -> usize {
        let buckets = keys.iter().filter_map(|key| self.0.get(key));
        buckets.map(|bucket| bucket.weight).sum()
    }
}
