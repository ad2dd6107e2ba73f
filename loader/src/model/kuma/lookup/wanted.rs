//! Things that ask for tags or labels, by what they ask for: whoever has some tags meets few of thousands.

use std::collections::HashMap;

/// The value that asks for any value.
const ANY: &str = "*";

/// The places of things in their list, each by the rarest pair that it asks for.
#[derive(Debug, Default)]
pub(in crate::model::kuma) struct Wanted<'a> {
    by_pair: HashMap<(&'a str, &'a str), Vec<usize>>,
    /// Those that ask for no pair.
    open: Vec<usize>,
}

impl<'a> Wanted<'a> {
    /// Of things with their places, each with the pairs of name and value that it asks for. One place may be there
    /// several times, with what it asks for instead.
    pub(in crate::model::kuma) fn new<P>(things: impl Iterator<Item = (usize, P)>) -> Self
    where
        P: Iterator<Item = (&'a str, &'a str)>,
    {
        let exact = |pairs: P| pairs.filter(|(_, value)| *value != ANY).collect();
        let things: Vec<(usize, Vec<_>)> = things.map(|(at, pairs)| (at, exact(pairs))).collect();
        let mut often: HashMap<_, usize> = HashMap::new();
        for pair in things.iter().flat_map(|(_, pairs)| pairs) {
            *often.entry(*pair).or_default() += 1;
        }
        let mut wanted = Self::default();
        for (place, pairs) in things {
            match pairs.into_iter().min_by_key(|pair| often.get(pair)) {
                Some(rarest) => wanted.by_pair.entry(rarest).or_default().push(place),
                None => wanted.open.push(place),
            }
        }
        wanted
    }

    /// The places of those that may ask for what somebody with these pairs has, in their order; all others do not.
    pub(in crate::model::kuma) fn candidates<'b>(
        &self,
        pairs: impl Iterator<Item = (&'b str, &'b str)>,
    ) -> Vec<usize> {
        let lists = pairs.filter_map(|pair| self.by_pair.get(&pair));
        let mut places: Vec<_> = lists.flatten().chain(&self.open).copied().collect();
        places.sort_unstable();
        places.dedup();
        places
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_asked_for_is_found() {
        let things = [
            vec![("kuma.io/service", "edge"), ("host", "a")],
            vec![("kuma.io/service", "edge"), ("host", "b")],
            vec![("kuma.io/service", "edge")],
            vec![("host", "*")],
            vec![],
        ];
        let things = things.iter().map(|pairs| pairs.iter().copied());
        let wanted = Wanted::new(things.enumerate());
        for (pairs, expected) in [
            (
                &[("kuma.io/service", "edge"), ("host", "a")][..],
                &[0, 2, 3, 4][..],
            ),
            (&[("kuma.io/service", "edge"), ("host", "c")], &[2, 3, 4]),
            (&[("host", "b")], &[1, 3, 4]),
            (&[], &[3, 4]),
        ] {
            assert_eq!(
                wanted.candidates(pairs.iter().copied()),
                expected,
                "{pairs:?}"
            );
        }
    }
}
