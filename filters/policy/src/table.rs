//! The listeners that share a port, and which of them owns a host.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::hostname::Hostname;
use crate::pattern::{HostPattern, Name};
use crate::permissions::Permissions;
use crate::tags::Tags;

/// Who takes requests for some hosts: a listener of a `MeshGateway`, or a server of an Istio `Gateway`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// The name in logs and counters, e.g. `edge-gateway/8080/foo.example.com`.
    pub name: Box<str>,
    /// The tags of Dataplane, gateway and listener, merged.
    pub tags: Tags,
    /// Which clients may send what; without them, all.
    pub permissions: Option<Permissions>,
}

/// All listeners of one port, ready for look-up by host.
///
/// The cost of a look-up grows with the labels of the host and not with the number of listeners.
#[derive(Debug, Default)]
pub struct HostTable {
    listeners: Box<[Listener]>,
    // The maps are never written after `new`, and only configuration fills them, so a client cannot make them collide.
    exact: HashMap<Box<str>, usize>,
    suffix: HashMap<Box<str>, usize>,
    any: Option<usize>,
    names: HashMap<Box<str>, usize>,
}

/// Two listeners that take the same hosts: nobody could tell which of them owns a request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("listeners `{first}` and `{second}` both have the hostname `{pattern}`")]
pub struct TwoOwners {
    /// The pattern that both have.
    pub pattern: HostPattern,
    /// The listener that comes first.
    pub first: Box<str>,
    /// The other one.
    pub second: Box<str>,
}

impl HostTable {
    /// A table of `listeners`, each with the hosts that it takes.
    pub fn new(
        listeners: impl IntoIterator<Item = (Listener, Vec<HostPattern>)>,
    ) -> Result<Self, TwoOwners> {
        let mut table = Self::default();
        let mut all: Vec<Listener> = Vec::new();
        for (listener, patterns) in listeners {
            let id = all.len();
            for pattern in patterns {
                if let Some(first) = table.insert(&pattern, id)
                    && first != id
                {
                    let first = all.get(first).map(|l| l.name.clone()).unwrap_or_default();
                    let second = listener.name;
                    return Err(TwoOwners {
                        pattern,
                        first,
                        second,
                    });
                }
            }
            table.names.entry(listener.name.clone()).or_insert(id);
            all.push(listener);
        }
        table.listeners = all.into();
        Ok(table)
    }

    /// Gives `pattern` to the listener `id`, unless it has an owner: that one is returned.
    fn insert(&mut self, pattern: &HostPattern, id: usize) -> Option<usize> {
        let add = |map: &mut HashMap<Box<str>, usize>, name: &Name| match map
            .entry(name.as_str().into())
        {
            Entry::Occupied(owner) => Some(*owner.get()),
            Entry::Vacant(place) => {
                place.insert(id);
                None
            }
        };
        match pattern {
            HostPattern::Any => {
                let owner = self.any;
                self.any = owner.or(Some(id));
                owner
            }
            HostPattern::Exact(name) => add(&mut self.exact, name),
            HostPattern::Suffix(name) => add(&mut self.suffix, name),
        }
    }

    /// The listener that owns `host`: the one with the greatest [`Specificity`](crate::Specificity) of those that
    /// match it.
    pub fn owner(&self, host: Hostname<'_>) -> Option<&Listener> {
        let id = self.exact.get(host.as_str()).or_else(|| {
            host.parents()
                .find_map(|parent| self.suffix.get(parent.as_str()))
        });
        match id {
            Some(&id) => self.listeners.get(id),
            None => self.owner_of_the_rest(),
        }
    }

    /// The listener that owns every host that no other one owns.
    pub fn owner_of_the_rest(&self) -> Option<&Listener> {
        self.listeners.get(self.any?)
    }

    /// The listener with this name; of two with one name, the first.
    pub fn named(&self, name: &str) -> Option<&Listener> {
        self.listeners.get(*self.names.get(name)?)
    }

    /// The place of a listener of this table in [`listeners`](Self::listeners).
    pub fn index_of(&self, listener: &Listener) -> Option<usize> {
        self.listeners.element_offset(listener)
    }

    /// All listeners, in the order of the configuration.
    pub fn listeners(&self) -> &[Listener] {
        &self.listeners
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(listeners: &[&[&str]]) -> Result<HostTable, TwoOwners> {
        HostTable::new(listeners.iter().map(|hostnames| {
            let listener = Listener {
                name: hostnames.join(" ").into(),
                tags: Tags::default(),
                permissions: None,
            };
            let patterns = hostnames.iter().map(|h| h.parse().unwrap()).collect();
            (listener, patterns)
        }))
    }

    fn owner(table: &HostTable, host: &str) -> Option<String> {
        let host = Hostname::from_lower_case(host.as_bytes()).unwrap();
        table.owner(host).map(|l| l.name.to_string())
    }

    #[test]
    fn the_narrowest_listener_owns_a_host() {
        let t = table(&[&["*"], &["*.com"], &["*.b.com"], &["a.b.com"]]).unwrap();
        for (host, name) in [
            ("a.b.com", "a.b.com"),
            ("x.b.com", "*.b.com"),
            ("y.x.b.com", "*.b.com"),
            ("b.com", "*.com"),
            ("com", "*"),
            ("b.org", "*"),
        ] {
            assert_eq!(owner(&t, host).as_deref(), Some(name), "{host}");
        }
    }

    #[test]
    fn nobody_owns_what_nobody_names() {
        let t = table(&[&["a.com", "*.a.com"]]).unwrap();
        assert_eq!(owner(&t, "a.com").as_deref(), Some("a.com *.a.com"));
        assert_eq!(owner(&t, "b.com"), None);
        assert!(t.owner_of_the_rest().is_none());
    }

    #[test]
    fn listeners_have_names_and_places() {
        let t = table(&[&["a.com"], &["b.com"]]).unwrap();
        let b = t.named("b.com").unwrap();
        assert_eq!(t.index_of(b), Some(1));
        assert_eq!(t.index_of(&b.clone()), None);
        assert!(t.named("c.com").is_none());
    }

    #[test]
    fn one_owner_for_each_pattern() {
        for hostname in ["*", "*.a.com", "a.com"] {
            let error = table(&[&[hostname], &["b.com", hostname]]).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!(
                    "listeners `{hostname}` and `b.com {hostname}` both have the hostname `{hostname}`"
                )
            );
        }
        assert!(table(&[&["a.com", "a.com"]]).is_ok());
    }
}
