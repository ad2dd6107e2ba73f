//! Labels by what they say, and selectors by what they ask for: there are thousands of workloads and of what selects
//! them. To ask each about each would take the square of the time.

use std::collections::{BTreeMap, HashMap};

pub(crate) type Labels = BTreeMap<String, String>;

/// Whether `labels` has all of `wanted`; whatever has labels or none has none of them.
pub(crate) fn selects(wanted: &Labels, labels: &Labels) -> bool {
    let mut wanted = wanted.iter();
    wanted.all(|(name, value)| labels.get(name) == Some(value))
}

/// What has labels, each in a namespace, numbered in the order in which they are added.
#[derive(Debug, Default)]
pub(crate) struct LabelIndex<'r> {
    all: Vec<(&'r str, &'r Labels)>,
    by_label: HashMap<(&'r str, &'r str), Vec<usize>>,
    by_namespace: HashMap<&'r str, Vec<usize>>,
}

impl<'r> LabelIndex<'r> {
    pub(crate) fn new(all: impl Iterator<Item = (&'r str, &'r Labels)>) -> Self {
        let mut index = Self::default();
        for (namespace, labels) in all {
            let place = index.all.len();
            index.all.push((namespace, labels));
            index.by_namespace.entry(namespace).or_default().push(place);
            for (name, value) in labels {
                let entry = index.by_label.entry((name, value));
                entry.or_default().push(place);
            }
        }
        index
    }

    /// Those that have all the labels, of one namespace or of all, in rising order: of what is asked for, that which
    /// the fewest have is looked up.
    pub(crate) fn selected<'s>(
        &'s self,
        namespace: Option<&'s str>,
        wanted: &'s Labels,
    ) -> impl Iterator<Item = usize> + use<'s, 'r> {
        let labels = wanted.iter();
        let labels = labels.map(|(name, value)| self.by_label.get(&(name.as_str(), value)));
        let around = namespace.map(|namespace| self.by_namespace.get(namespace));
        let lists = labels
            .chain(around)
            .map(|own| own.map_or(&[][..], Vec::as_slice));
        let fewest = lists.min_by_key(|own| own.len());
        let every = if fewest.is_none() { self.all.len() } else { 0 };
        let places = fewest.into_iter().flatten().copied().chain(0..every);
        places.filter(move |place| {
            self.all.get(*place).is_some_and(|(own, labels)| {
                namespace.is_none_or(|namespace| namespace == *own) && selects(wanted, labels)
            })
        })
    }
}

/// A namespace, a selector, and the numbers of all that have it there.
type Group<'r> = (&'r str, &'r Labels, Vec<usize>);

/// Selectors, each of what is in one namespace, with numbers that rise.
#[derive(Debug, Default)]
pub(crate) struct SelectorIndex<'r> {
    /// Each selector once.
    all: Vec<Group<'r>>,
    /// Each at that of its labels which the fewest others ask for.
    by_label: HashMap<(&'r str, &'r str, &'r str), Vec<usize>>,
    /// Those that ask for no label.
    empty: HashMap<&'r str, usize>,
}

impl<'r> SelectorIndex<'r> {
    /// Where namespaces do not matter, all are in one that has no name.
    pub(crate) fn new(all: impl Iterator<Item = (usize, &'r str, &'r Labels)>) -> Self {
        let mut index = Self::default();
        let mut known: HashMap<(&str, &Labels), usize> = HashMap::new();
        for (number, namespace, selector) in all {
            let group = *known.entry((namespace, selector)).or_insert_with(|| {
                index.all.push((namespace, selector, Vec::new()));
                index.all.len() - 1
            });
            if let Some((.., numbers)) = index.all.get_mut(group) {
                numbers.push(number);
            }
        }
        let keys = |namespace: &'r str, selector: &'r Labels| {
            let labels = selector.iter();
            labels.map(move |(name, value)| (namespace, name.as_str(), value.as_str()))
        };
        let mut counts: HashMap<_, usize> = HashMap::new();
        for (namespace, selector, _) in &index.all {
            for key in keys(namespace, selector) {
                *counts.entry(key).or_default() += 1;
            }
        }
        for (group, (namespace, selector, _)) in index.all.iter().enumerate() {
            match keys(namespace, selector).min_by_key(|key| counts.get(key)) {
                Some(rarest) => index.by_label.entry(rarest).or_default().push(group),
                None => {
                    index.empty.insert(namespace, group);
                }
            }
        }
        index
    }

    /// Those of a namespace that select what has these labels, in no order.
    pub(crate) fn selecting<'s>(
        &'s self,
        namespace: &'s str,
        labels: &'s Labels,
    ) -> impl Iterator<Item = usize> + use<'s, 'r> {
        let groups = self.groups(namespace, labels);
        groups.flat_map(|(.., numbers)| numbers).copied()
    }

    /// The first of those.
    pub(crate) fn first_selecting(&self, namespace: &str, labels: &Labels) -> Option<usize> {
        let groups = self.groups(namespace, labels);
        groups
            .filter_map(|(.., numbers)| numbers.first())
            .min()
            .copied()
    }

    fn groups<'s>(
        &'s self,
        namespace: &'s str,
        labels: &'s Labels,
    ) -> impl Iterator<Item = &'s Group<'r>> + use<'s, 'r> {
        let asked = labels.iter().filter_map(move |(name, value)| {
            self.by_label
                .get(&(namespace, name.as_str(), value.as_str()))
        });
        let empty = self.empty.get(namespace).into_iter();
        let groups = asked.flatten().chain(empty);
        let groups = groups.filter_map(|group| self.all.get(*group));
        groups.filter(|(_, selector, _)| selects(selector, labels))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(text: &str) -> Labels {
        let pairs = text.split(',').filter_map(|pair| pair.split_once('='));
        pairs.map(|(n, v)| (n.to_owned(), v.to_owned())).collect()
    }

    #[test]
    fn what_is_found_is_what_a_comparison_of_all_with_all_finds() {
        let texts = [
            "", "a=1", "a=2", "a=1,b=1", "a=1,b=2", "b=2", "b=2,c=3", "a=1",
        ];
        let all: Vec<_> = ["x", "y"]
            .into_iter()
            .flat_map(|namespace| texts.map(|text| (namespace, labels(text))))
            .collect();
        let by_label = LabelIndex::new(all.iter().map(|(own, labels)| (*own, labels)));
        let numbered = all.iter().enumerate();
        let numbered = numbered.map(|(place, (own, selector))| (place, *own, selector));
        let by_selector = SelectorIndex::new(numbered);
        for (namespace, own) in &all {
            for around in [None, Some(*namespace)] {
                let is_in = |other: &str| around.is_none_or(|around| around == other);
                let found = all.iter().enumerate();
                let found =
                    found.filter(|(_, (other, labels))| is_in(other) && selects(own, labels));
                let found: Vec<_> = found.map(|(place, _)| place).collect();
                let met: Vec<_> = by_label.selected(around, own).collect();
                assert_eq!(met, found, "{around:?} {own:?}");
            }
            let found = all.iter().enumerate();
            let found = found.filter(|(_, (o, selector))| o == namespace && selects(selector, own));
            let found: Vec<_> = found.map(|(place, _)| place).collect();
            let mut met: Vec<_> = by_selector.selecting(namespace, own).collect();
            met.sort_unstable();
            let first = by_selector.first_selecting(namespace, own);
            assert_eq!(first, met.first().copied(), "{namespace} {own:?}");
            assert_eq!(met, found, "{namespace} {own:?}");
        }
    }
}
