//! Which listener of a port owns which hosts, for Envoy's own matching.
//!
//! Envoy chooses a virtual host by the narrowest domain, and knows nothing of listeners. So that it cannot choose
//! wider than the filter decides, a listener has no virtual host for hosts that a narrower listener owns.

use std::collections::{BTreeSet, HashMap, HashSet};

use ::policy::HostPattern;

use crate::model::{Listener, Port, VirtualHost, with_wider};

/// The listeners of a port by hostname.
pub(super) struct Hosts<'a> {
    all: &'a [Listener],
    listeners: HashMap<String, &'a Listener>,
    /// The places of the listeners that take hosts of a hostname, in the order of the port.
    inside: HashMap<String, Vec<usize>>,
    narrower: HashMap<String, Vec<(&'a HostPattern, &'a Listener)>>,
}

impl<'a> Hosts<'a> {
    pub(super) fn new(port: &'a Port) -> Self {
        let hostnames = || {
            let listeners = port.listeners.iter();
            listeners.flat_map(|listener| listener.hostnames().map(move |name| (name, listener)))
        };
        let listeners: HashMap<_, _> = hostnames()
            .map(|(name, listener)| (name.to_string(), listener))
            .collect();
        let mut narrower: HashMap<String, Vec<_>> = HashMap::new();
        let mut inside: HashMap<String, Vec<usize>> = HashMap::new();
        for (place, listener) in port.listeners.iter().enumerate() {
            for hostname in listener.hostnames() {
                for (distance, pattern) in with_wider(hostname).enumerate() {
                    if !listeners.contains_key(&pattern) {
                        continue;
                    }
                    if distance > 0 {
                        let list = narrower.entry(pattern.clone()).or_default();
                        list.push((hostname, listener));
                    }
                    inside.entry(pattern).or_default().push(place);
                }
            }
        }
        Self {
            all: &port.listeners,
            listeners,
            inside,
            narrower,
        }
    }

    /// The virtual hosts of `listener` for hosts that it owns.
    pub(super) fn own(&self, listener: &'a Listener) -> impl Iterator<Item = &'a VirtualHost> {
        listener.virtual_hosts.iter().filter(|virtual_host| {
            let owner =
                with_wider(&virtual_host.domain).find_map(|pattern| self.listeners.get(&pattern));
            owner.is_some_and(|owner| std::ptr::eq(*owner, listener))
        })
    }

    /// The listeners with a hostname that `listener` takes: itself, and those that have some of its hosts.
    pub(super) fn inside(&self, listener: &Listener) -> Vec<&'a Listener> {
        let lists = listener
            .hostnames()
            .filter_map(|hostname| self.inside.get(&hostname.to_string()));
        let places: BTreeSet<usize> = lists.flatten().copied().collect();
        let listeners = places.into_iter();
        listeners.filter_map(|place| self.all.get(place)).collect()
    }

    /// The hostnames of other listeners that `listener` would have without them.
    pub(super) fn narrower(&self, listener: &'a Listener) -> Vec<&'a HostPattern> {
        let mut narrower: Vec<_> = listener
            .hostnames()
            .filter_map(|hostname| self.narrower.get(&hostname.to_string()))
            .flatten()
            .filter(|(_, owner)| !std::ptr::eq(*owner, listener))
            .map(|(hostname, _)| *hostname)
            .collect();
        let mut seen = HashSet::new();
        narrower.retain(|hostname| seen.insert(*hostname));
        narrower
    }
}
