//! The hosts of one server, by what they meet: it may have thousands, and a VirtualService for each.

use std::collections::{BTreeSet, HashSet};

use policy::istio::{ServerHost, subset_of};

use super::host_index::HostIndex;
use super::servers::GatewayServer;

/// The hosts of a server.
pub(super) struct ServerHosts<'a> {
    all: Vec<ServerHost<'a>>,
    by_host: HostIndex,
}

impl<'a> ServerHosts<'a> {
    pub(super) fn new(server: &GatewayServer<'a>) -> Self {
        Self::of(server.hosts())
    }

    fn of(all: Vec<ServerHost<'a>>) -> Self {
        let mut by_host = HostIndex::default();
        for (place, host) in all.iter().enumerate() {
            by_host.add(host.host, place);
        }
        Self { all, by_host }
    }

    /// Each pair that meets, of the hosts that are for a namespace and of `others`.
    fn pairs<'s>(
        &'s self,
        others: &'s [String],
        namespace: &'s str,
    ) -> impl Iterator<Item = (usize, usize, &'s ServerHost<'a>)> + use<'s, 'a> {
        let others = others.iter().enumerate();
        let pairs = others.flat_map(move |(index, other)| {
            let places = self.by_host.meeting(other).into_iter();
            places.filter_map(move |place| Some((place, index, self.all.get(place)?)))
        });
        pairs.filter(move |(.., host)| host.admits(namespace))
    }

    /// Whether any of them meets any of `others`.
    pub(super) fn meet(&self, others: &[String], namespace: &str) -> bool {
        self.pairs(others, namespace).next().is_some()
    }

    /// What [`policy::istio::intersection`] gives for the hosts that are for a namespace: of each pair the narrower one.
    pub(super) fn common(&self, others: &[String], namespace: &str) -> Vec<String> {
        let pairs = self.pairs(others, namespace);
        let pairs: BTreeSet<(usize, usize)> =
            pairs.map(|(place, index, _)| (place, index)).collect();
        let mut seen = HashSet::new();
        let narrower = pairs.into_iter().filter_map(|(place, index)| {
            let (server, other) = (self.all.get(place)?.host, others.get(index)?.as_str());
            let narrower = if subset_of(server, other) {
                server
            } else {
                other
            };
            seen.insert(narrower).then(|| narrower.to_owned())
        });
        narrower.collect()
    }
}

#[cfg(test)]
mod tests {
    use policy::istio::{intersection, names_for_namespace};

    use super::*;

    #[test]
    fn hosts_have_in_common_what_a_comparison_of_all_with_all_finds() {
        let texts = [
            "*", "a.com", "x/*.com", "./b.com", "*/b.com", "*.b.com", "a.com",
        ];
        let lists: [&[&str]; 5] = [
            &["*"],
            &["a.com", "*.com"],
            &["c.b.com", "b.com"],
            &["*b.com"],
            &["d"],
        ];
        for length in 1..=texts.len() {
            let hosts = texts[..length]
                .iter()
                .map(|text| ServerHost::parse(text, "y"));
            let hosts: Vec<_> = hosts.collect();
            let indexed = ServerHosts::of(hosts.clone());
            for (others, namespace) in lists.iter().flat_map(|l| ["x", "y"].map(|n| (l, n))) {
                let owned: Vec<_> = others.iter().map(|&other| other.to_owned()).collect();
                let expected = intersection(&names_for_namespace(&hosts, namespace), others);
                assert_eq!(indexed.common(&owned, namespace), expected);
                assert_eq!(indexed.meet(&owned, namespace), !expected.is_empty());
            }
        }
    }
}
