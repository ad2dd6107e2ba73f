//! Which listener of a port owns which hosts, for Envoy's own matching.
//!
//! Envoy chooses a virtual host by the narrowest domain, and knows nothing of listeners. So that it cannot choose
//! wider than the filter decides, a listener has no virtual host for hosts that a narrower listener owns.

use std::collections::HashMap;

use ::policy::HostPattern;

use crate::model::{Listener, Port, VirtualHost};

/// The listeners of a port by hostname.
pub(super) struct Hosts<'a> {
    listeners: HashMap<String, &'a Listener>,
    narrower: HashMap<String, Vec<&'a Listener>>,
}

impl<'a> Hosts<'a> {
    pub(super) fn new(port: &'a Port) -> Self {
        let by_hostname = |listener: &'a Listener| (listener.hostname.to_string(), listener);
        let listeners: HashMap<_, _> = port.listeners.iter().map(by_hostname).collect();
        let mut narrower: HashMap<String, Vec<&Listener>> = HashMap::new();
        for listener in &port.listeners {
            for pattern in with_wider(&listener.hostname).skip(1) {
                if listeners.contains_key(&pattern) {
                    narrower.entry(pattern).or_default().push(listener);
                }
            }
        }
        Self {
            listeners,
            narrower,
        }
    }

    /// The virtual hosts of `listener` for hosts that it owns.
    pub(super) fn own(&self, listener: &'a Listener) -> impl Iterator<Item = &'a VirtualHost> {
        listener.virtual_hosts.iter().filter(|virtual_host| {
            let owner =
                with_wider(&virtual_host.domain).find_map(|pattern| self.listeners.get(&pattern));
            owner.is_some_and(|owner| owner.hostname == listener.hostname)
        })
    }

    /// The listeners that own some of the hosts that `listener` would have without them.
    pub(super) fn narrower(&self, listener: &Listener) -> &[&'a Listener] {
        let narrower = self.narrower.get(&listener.hostname.to_string());
        narrower.map_or(&[], Vec::as_slice)
    }
}

/// The pattern and all that contain it, the narrowest first.
fn with_wider(pattern: &HostPattern) -> impl Iterator<Item = String> {
    let own = pattern.to_string();
    let mut rest = match pattern {
        HostPattern::Any => None,
        HostPattern::Exact(name) | HostPattern::Suffix(name) => Some(name.as_str().to_owned()),
    };
    let parents = std::iter::from_fn(move || {
        let (_, parent) = rest.as_deref()?.split_once('.').unwrap_or_default();
        if parent.is_empty() {
            rest = None;
            return Some("*".to_owned());
        }
        let wider = format!("*.{parent}");
        rest = Some(parent.to_owned());
        Some(wider)
    });
    std::iter::once(own).chain(parents)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wider_patterns_end_with_any() {
        for (pattern, wider) in [
            ("*", "*"),
            ("com", "com *"),
            ("*.b.com", "*.b.com *.com *"),
            ("a.b.com", "a.b.com *.b.com *.com *"),
        ] {
            let all: Vec<_> = with_wider(&pattern.parse().unwrap()).collect();
            assert_eq!(all.join(" "), wider);
        }
    }
}
