//! Resources by what others name them by. A mesh has thousands of services, and routes to each: to look at all services
//! for each route would take the square of the time.

use std::collections::{BTreeMap, HashMap};

use crate::resources::Resource;

/// Resources of one kind, in their order.
#[derive(Debug)]
pub(super) struct Index<'a, T> {
    all: Vec<&'a Resource<T>>,
    by_name: HashMap<&'a str, Vec<usize>>,
    by_label: HashMap<(&'a str, &'a str), Vec<usize>>,
}

impl<'a, T> Index<'a, T> {
    pub(super) fn new(all: impl Iterator<Item = &'a Resource<T>>) -> Self {
        let all: Vec<_> = all.collect();
        let mut by_name: HashMap<_, Vec<_>> = HashMap::new();
        let mut by_label: HashMap<_, Vec<_>> = HashMap::new();
        for (place, resource) in all.iter().enumerate() {
            let meta = &resource.meta;
            by_name.entry(meta.name.as_str()).or_default().push(place);
            for (name, value) in &meta.labels {
                let label = (name.as_str(), value.as_str());
                by_label.entry(label).or_default().push(place);
            }
        }
        Self {
            all,
            by_name,
            by_label,
        }
    }

    pub(super) fn all(&self) -> &[&'a Resource<T>] {
        &self.all
    }

    /// Those with a name, of whichever namespace.
    pub(super) fn named(&self, name: &str) -> impl Iterator<Item = &'a Resource<T>> {
        let places = self.by_name.get(name).into_iter().flatten();
        places.filter_map(|place| self.all.get(*place).copied())
    }

    /// Those that have all of these labels.
    pub(super) fn labelled(&self, labels: &BTreeMap<String, String>) -> Vec<&'a Resource<T>> {
        let of_each = labels.iter().map(|(name, value)| {
            let places = self.by_label.get(&(name.as_str(), value.as_str()));
            places.map_or(&[][..], Vec::as_slice)
        });
        let Some(fewest) = of_each.min_by_key(|places| places.len()) else {
            return self.all.clone();
        };
        let some = fewest.iter().filter_map(|place| self.all.get(*place));
        let has_all = |resource: &&&'a Resource<T>| {
            let mut labels = labels.iter();
            labels.all(|(name, value)| resource.meta.labels.get(name) == Some(value))
        };
        some.filter(has_all).copied().collect()
    }
}
