//! The listeners that share a port, and which of them owns a host.

use std::sync::Arc;

use crate::hostname::Hostname;
use crate::index::{self, Index, Twice};
use crate::pattern::HostPattern;
use crate::permissions::Permissions;
use crate::tags::Tags;

/// Who takes requests for some hosts: a listener of a `MeshGateway`, or a server of an Istio `Gateway`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// The name in logs and counters, e.g. `edge-gateway/8080/foo.example.com`.
    pub name: Box<str>,
    /// The tags of Dataplane, gateway and listener, merged and written down: `&name=value&`. Empty without tags.
    pub tags: Arc<str>,
    /// Which clients may send what; without them, all.
    pub permissions: Option<Box<Permissions>>,
}

impl Listener {
    /// A listener with this name and these tags.
    pub fn new(name: &str, tags: &Tags, permissions: Option<Permissions>) -> Self {
        let tags = (!tags.is_empty()).then(|| tags.to_string());
        Self {
            name: name.into(),
            tags: tags.unwrap_or_default().into(),
            permissions: permissions.map(Box::new),
        }
    }
}

/// All listeners of one port, ready for look-up by host.
///
/// The cost of a look-up grows with the length of the host and not with the number of listeners.
#[derive(Debug, Default)]
pub struct HostTable {
    listeners: Box<[Listener]>,
    hosts: Index,
}

/// Takes listeners in, one after the other.
#[derive(Debug, Default)]
pub struct Builder {
    listeners: Vec<Listener>,
    hosts: index::Builder,
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

impl Builder {
    /// Adds a listener with the hosts that it takes.
    pub fn add(&mut self, mut listener: Listener, patterns: &[HostPattern]) {
        // Those of one gateway mostly have the same tags, and these come one after the other.
        if let Some(last) = self.listeners.last()
            && last.tags == listener.tags
        {
            listener.tags = Arc::clone(&last.tags);
        }
        for pattern in patterns {
            self.hosts.add(pattern, self.listeners.len());
        }
        self.listeners.push(listener);
    }

    /// The table, in which each pattern has one owner.
    pub fn finish(self) -> Result<HostTable, TwoOwners> {
        let Self { listeners, hosts } = self;
        match hosts.finish() {
            Ok(hosts) => Ok(HostTable {
                listeners: listeners.into(),
                hosts,
            }),
            Err(Twice {
                pattern,
                first,
                second,
            }) => {
                let name = |place: usize| listeners.get(place).map(|l| l.name.clone());
                Err(TwoOwners {
                    pattern,
                    first: name(first).unwrap_or_default(),
                    second: name(second).unwrap_or_default(),
                })
            }
        }
    }
}

impl HostTable {
    /// A table of `listeners`, each with the hosts that it takes.
    pub fn new(
        listeners: impl IntoIterator<Item = (Listener, Vec<HostPattern>)>,
    ) -> Result<Self, TwoOwners> {
        let mut builder = Builder::default();
        for (listener, patterns) in listeners {
            builder.add(listener, &patterns);
        }
        builder.finish()
    }

    /// The listener that owns `host`: the one with the greatest [`Specificity`](crate::Specificity) of those that
    /// match it.
    pub fn owner(&self, host: Hostname<'_>) -> Option<&Listener> {
        self.listeners.get(self.hosts.narrowest(host.as_str())?)
    }

    /// The listener that owns every host that no other one owns.
    pub fn owner_of_the_rest(&self) -> Option<&Listener> {
        self.listeners.get(self.hosts.any()?)
    }

    /// The listener with this name; of two with one name, the first. It looks at all
    /// of them.
    pub fn named(&self, name: &str) -> Option<&Listener> {
        self.listeners
            .iter()
            .find(|listener| &*listener.name == name)
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
            let listener = Listener::new(&hostnames.join(" "), &Tags::default(), None);
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
