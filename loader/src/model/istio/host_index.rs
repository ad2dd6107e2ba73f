//! Hosts by what they meet: a gateway has thousands of servers, and VirtualServices for each. To compare all with all
//! would take the square of the time.

use std::collections::{BTreeMap, BTreeSet};

/// Hosts as Istio has them, each with a number that says whose it is.
///
/// A wildcard is `*` and any end of a name ([`policy::istio::subset_of`]), so names are kept by their letters from the
/// last to the first: what a wildcard holds begins alike.
#[derive(Debug, Default)]
pub(crate) struct HostIndex {
    names: BTreeMap<String, Vec<usize>>,
    wildcards: BTreeMap<String, Vec<usize>>,
}

impl HostIndex {
    pub(crate) fn add(&mut self, host: &str, whose: usize) {
        let (map, end) = match host.strip_prefix('*') {
            Some(end) => (&mut self.wildcards, end),
            None => (&mut self.names, host),
        };
        map.entry(turned(end)).or_default().push(whose);
    }

    /// Whose hosts hold `host` or are held by it ([`policy::istio::matches`]), in rising order.
    pub(crate) fn meeting(&self, host: &str) -> BTreeSet<usize> {
        self.each_meeting(host).collect()
    }

    /// The same in no order, some of them more than once: for whoever stops at one of them.
    pub(crate) fn each_meeting(&self, host: &str) -> impl Iterator<Item = usize> {
        let (is_wildcard, end) = match host.strip_prefix('*') {
            Some(end) => (true, turned(end)),
            None => (false, turned(host)),
        };
        let ends = end.char_indices().map(|(at, _)| at).chain([end.len()]);
        let wider: Vec<_> = ends
            .filter_map(|at| self.wildcards.get(end.get(..at)?))
            .collect();
        let same = self.names.get(&end).filter(|_| !is_wildcard);
        let narrower = is_wildcard.then(|| {
            let names = beginning(&self.names, &end);
            names.chain(beginning(&self.wildcards, &end))
        });
        let met = wider.into_iter().chain(same).flatten();
        met.chain(narrower.into_iter().flatten()).copied()
    }
}

fn beginning<'m>(
    map: &'m BTreeMap<String, Vec<usize>>,
    start: &str,
) -> impl Iterator<Item = &'m usize> + use<'m> {
    let start = start.to_owned();
    let from = map.range(start.clone()..);
    from.take_while(move |(name, _)| name.starts_with(&start))
        .flat_map(|(_, whose)| whose)
}

fn turned(text: &str) -> String {
    text.chars().rev().collect()
}

#[cfg(test)]
mod tests {
    use policy::istio::matches;

    use super::*;

    #[test]
    fn hosts_meet_as_in_a_comparison_of_all_with_all() {
        let hosts = [
            "", "*", "com", "*com", "*.com", "a.com", "*a.com", "*.a.com", "b.a.com", "ba.com",
            "A.com", "é.com",
        ];
        let mut index = HostIndex::default();
        for (whose, host) in hosts.iter().enumerate() {
            index.add(host, whose);
        }
        for host in hosts.into_iter().chain(["c.a.com", "*.b.a.com", "*ü.com"]) {
            let met = hosts.iter().enumerate();
            let met = met.filter(|(_, other)| matches(host, other));
            let met: BTreeSet<usize> = met.map(|(whose, _)| whose).collect();
            assert_eq!(index.meeting(host), met, "{host}");
        }
    }
}
