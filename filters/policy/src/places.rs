//! Who has a host and a port, where hosts have no wildcards.

use crate::address::Destination;
use crate::hostname::Hostname;

/// Hosts and ports with their owners' places in a list, sorted for look-up.
#[derive(Debug, Default)]
pub(crate) struct Places(Box<[Place]>);

#[derive(Debug)]
struct Place {
    host: Destination<Box<str>>,
    port: Option<u16>,
    owner: usize,
}

impl Place {
    fn key(&self) -> (Destination<&str>, Option<u16>) {
        (self.host.borrowed(), self.port)
    }
}

/// What is known of a host and a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Who has both.
    Owner(usize),
    /// Somebody has the host, with other ports.
    OtherPort,
    /// Nobody has the host.
    Nobody,
}

impl Places {
    /// Sorts the places. The error has two owners of one place, the first one first.
    pub(crate) fn new(
        places: impl IntoIterator<Item = (Destination<Box<str>>, Option<u16>, usize)>,
    ) -> Result<Self, (usize, usize)> {
        let mut sorted: Vec<Place> = Vec::new();
        for (host, port, owner) in places {
            let place = Place { host, port, owner };
            // They mostly come in their order, and there are few: this is a tenth of a sort's code.
            let at = sorted.partition_point(|other| other.key() < place.key());
            match sorted.get(at).filter(|other| other.key() == place.key()) {
                Some(other) if other.owner != owner => return Err((other.owner, owner)),
                Some(_) => {}
                None => sorted.insert(at, place),
            }
        }
        Ok(Self(sorted.into()))
    }

    /// Who has this host and port, or else the host without a port.
    pub(crate) fn find(&self, host: Destination<Hostname<'_>>, port: Option<u16>) -> Found {
        let start = self
            .0
            .partition_point(|place| place.host.borrowed() < host.text());
        let of_host = self.0.get(start..).unwrap_or_default();
        let mut of_host = of_host
            .iter()
            .take_while(|place| place.host.borrowed() == host.text())
            .peekable();
        if of_host.peek().is_none() {
            return Found::Nobody;
        }
        // The one without a port comes first.
        let fitting = of_host.filter(|place| place.port.is_none() || place.port == port);
        fitting
            .last()
            .map_or(Found::OtherPort, |place| Found::Owner(place.owner))
    }

    /// Whether this owner has a place at all.
    pub(crate) fn has(&self, owner: usize) -> bool {
        self.0.iter().any(|place| place.owner == owner)
    }
}

impl Destination<Box<str>> {
    fn borrowed(&self) -> Destination<&str> {
        match self {
            Self::Name(name) => Destination::Name(name),
            Self::Address(address) => Destination::Address(*address),
        }
    }
}

impl<'a> Destination<Hostname<'a>> {
    fn text(self) -> Destination<&'a str> {
        match self {
            Self::Name(name) => Destination::Name(name.as_str()),
            Self::Address(address) => Destination::Address(address),
        }
    }

    /// A copy to keep.
    pub(crate) fn to_owned(self) -> Destination<Box<str>> {
        match self {
            Self::Name(name) => Destination::Name(name.as_str().into()),
            Self::Address(address) => Destination::Address(address),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Destination<Box<str>> {
        Destination::Name(text.into())
    }

    fn find(places: &Places, host: &str, port: Option<u16>) -> Found {
        let host = Hostname::from_lower_case(host.as_bytes()).unwrap();
        places.find(Destination::of_name(host).unwrap(), port)
    }

    #[test]
    fn the_port_decides_where_it_is_given() {
        let places = Places::new([
            (name("b"), Some(1), 1),
            (name("a"), None, 0),
            (name("b"), Some(2), 2),
            (name("c"), None, 3),
            (name("c"), Some(1), 4),
            (Destination::Address([10, 0, 0, 1].into()), None, 5),
        ])
        .unwrap();
        for (host, port, found) in [
            ("a", None, Found::Owner(0)),
            ("a", Some(9), Found::Owner(0)),
            ("b", Some(1), Found::Owner(1)),
            ("b", Some(2), Found::Owner(2)),
            ("b", Some(3), Found::OtherPort),
            ("b", None, Found::OtherPort),
            ("c", Some(1), Found::Owner(4)),
            ("c", Some(2), Found::Owner(3)),
            ("c", None, Found::Owner(3)),
            ("d", None, Found::Nobody),
            ("10.0.0.1", Some(80), Found::Owner(5)),
            ("10.0.0.2", None, Found::Nobody),
        ] {
            assert_eq!(find(&places, host, port), found, "{host} {port:?}");
        }
    }

    #[test]
    fn one_owner_for_each_place() {
        let twice = [
            (name("a"), None, 0),
            (name("b"), None, 1),
            (name("a"), None, 2),
        ];
        assert_eq!(Places::new(twice).unwrap_err(), (0, 2));
        assert!(Places::new([(name("a"), None, 0), (name("a"), None, 0)]).is_ok());
    }
}
