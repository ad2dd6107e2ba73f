//! The hosts of a server and those of a VirtualService, by what they meet: either may have thousands.

use std::cell::OnceCell;
use std::collections::{BTreeSet, HashSet};

use policy::istio::{ServerHost, matches, subset_of};

use super::host_index::HostIndex;

/// So many pairs are compared one by one.
const FEW: usize = 16;

/// Hosts that are looked up if there are many.
#[derive(Debug, Default)]
pub(super) struct Hosts<T> {
    pub(super) all: Vec<T>,
    by_host: OnceCell<HostIndex>,
}

impl<T> Hosts<T> {
    pub(super) fn new(all: Vec<T>) -> Self {
        let by_host = OnceCell::new();
        Self { all, by_host }
    }

    fn meeting(&self, host: &str, text: impl Fn(&T) -> &str) -> BTreeSet<usize> {
        let index = self.by_host.get_or_init(|| {
            let mut index = HostIndex::default();
            for (place, own) in self.all.iter().enumerate() {
                index.add(text(own), place);
            }
            index
        });
        index.meeting(host)
    }
}

/// The hosts of a server.
pub(super) type ServerHosts<'a> = Hosts<ServerHost<'a>>;

impl ServerHosts<'_> {
    /// The places of each pair that meets, of the hosts that are for a namespace and of `others`, in rising order.
    fn pairs(&self, others: &Hosts<String>, namespace: &str) -> BTreeSet<(usize, usize)> {
        let own = || {
            let own = self.all.iter().enumerate();
            own.filter(|(_, host)| host.admits(namespace))
        };
        if self.all.len().saturating_mul(others.all.len()) <= FEW {
            let pairs = own().flat_map(|(place, host)| {
                let others = others.all.iter().enumerate();
                let met = others.filter(|(_, other)| matches(host.host, other));
                met.map(move |(index, _)| (place, index))
            });
            return pairs.collect();
        }
        if self.all.len() < others.all.len() {
            let pairs = own().flat_map(|(place, host)| {
                let met = others.meeting(host.host, String::as_str).into_iter();
                met.map(move |index| (place, index))
            });
            return pairs.collect();
        }
        let pairs = others.all.iter().enumerate().flat_map(|(index, other)| {
            let met = self.meeting(other, |own| own.host).into_iter();
            met.map(move |place| (place, index))
        });
        let is_admitted =
            |place: usize| self.all.get(place).is_some_and(|own| own.admits(namespace));
        pairs.filter(|(place, _)| is_admitted(*place)).collect()
    }

    /// Whether any of them meets any of `others`.
    pub(super) fn meet(&self, others: &Hosts<String>, namespace: &str) -> bool {
        !self.pairs(others, namespace).is_empty()
    }

    /// What [`policy::istio::intersection`] gives for the hosts that are for a namespace: of each pair the narrower one.
    pub(super) fn common(&self, others: &Hosts<String>, namespace: &str) -> Vec<String> {
        let pairs = self.pairs(others, namespace);
        let mut seen = HashSet::new();
        let narrower = pairs.into_iter().filter_map(|(place, index)| {
            let (server, other) = (self.all.get(place)?.host, others.all.get(index)?.as_str());
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
            // One by one, and looked up from either side.
            for (others, times) in lists.iter().flat_map(|list| [(list, 1), (list, 20)]) {
                for more in [0, 200] {
                    let mut hosts = hosts.clone();
                    hosts.resize(hosts.len() + more, ServerHost::parse("e", "y"));
                    let others = others.repeat(times);
                    let owned = others.iter().map(|&other| other.to_owned());
                    let owned = Hosts::new(owned.collect());
                    let indexed = ServerHosts::new(hosts.clone());
                    for namespace in ["x", "y"] {
                        let expected =
                            intersection(&names_for_namespace(&hosts, namespace), &others);
                        assert_eq!(indexed.common(&owned, namespace), expected);
                        assert_eq!(indexed.meet(&owned, namespace), !expected.is_empty());
                    }
                }
            }
        }
    }
}
