//! Who sends a request: the URIs of a client's certificate.
//!
//! A certificate of Kuma has `spiffe://<mesh>/<service>` for each service of the proxy, and `kuma://<tag>/<value>` for
//! each tag (Kuma `pkg/core/ca/issuer/issuer.go` at 2.14.3).

/// The URIs of a client's certificate with commas between them, as Envoy's `%DOWNSTREAM_PEER_URI_SAN%` writes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client<'a>(&'a [u8]);

impl<'a> Client<'a> {
    /// A client with these URIs; none if there is not even one.
    pub fn new(uris: &'a [u8]) -> Option<Self> {
        // Envoy writes a dash for what it does not have.
        (!uris.is_empty() && uris != b"-").then_some(Self(uris))
    }

    /// The URIs.
    pub fn uris(self) -> impl Iterator<Item = &'a [u8]> {
        self.0.split(|&byte| byte == b',')
    }

    /// The mesh of its first SPIFFE ID.
    pub fn mesh(self) -> Option<&'a [u8]> {
        self.uris().find_map(|uri| {
            let rest = uri.strip_prefix(SPIFFE.as_bytes())?;
            rest.split(|&byte| byte == b'/').next()
        })
    }
}

const SPIFFE: &str = "spiffe://";
const KUMA: &str = "kuma://";

/// A set of URIs: one, or all with the same beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UriPattern {
    beginning: Box<str>,
    is_whole: bool,
}

impl UriPattern {
    /// Reads a URI, or the beginning of one with `*` after it.
    pub fn parse(text: &str) -> Result<Self, InvalidUri> {
        let (beginning, is_whole) = match text.strip_suffix('*') {
            Some(beginning) => (beginning, false),
            None => (text, true),
        };
        if !(beginning.starts_with(SPIFFE) || beginning.starts_with(KUMA)) {
            return Err(InvalidUri::Scheme);
        }
        if beginning.contains([',', '*', ' ']) {
            return Err(InvalidUri::Byte);
        }
        Ok(Self {
            beginning: beginning.into(),
            is_whole,
        })
    }

    /// Whether the URI is in the set.
    pub fn matches(&self, uri: &[u8]) -> bool {
        let beginning = self.beginning.as_bytes();
        if self.is_whole {
            uri == beginning
        } else {
            uri.starts_with(beginning)
        }
    }
}

/// The mesh that the SPIFFE IDs of a pattern belong to, if it is one.
pub(crate) fn mesh(pattern: &str) -> Option<&str> {
    let (mesh, _) = pattern.strip_prefix(SPIFFE)?.split_once('/')?;
    Some(mesh)
}

/// Why a text is no pattern of URIs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUri {
    /// It can match no identity.
    #[error("it has to begin with `spiffe://` or `kuma://`")]
    Scheme,
    /// A byte that no identity has.
    #[error("`*` may be at the end only, and there may be no comma or space")]
    Byte,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, uri, matches) in [
            ("spiffe://a/web", "spiffe://a/web", true),
            ("spiffe://a/web", "spiffe://a/web2", false),
            ("spiffe://a/web", "spiffe://A/web", false),
            ("spiffe://a/*", "spiffe://a/web", true),
            ("spiffe://a/*", "spiffe://ab/web", false),
            ("spiffe://a*", "spiffe://ab/web", true),
            ("kuma://version/1", "kuma://version/1", true),
        ] {
            let pattern = UriPattern::parse(pattern).unwrap();
            assert_eq!(
                pattern.matches(uri.as_bytes()),
                matches,
                "{pattern:?} {uri}"
            );
        }
        for text in [
            "",
            "*",
            "web",
            "https://a/b",
            "spiffe://a/*/b",
            "spiffe://a/b,c",
        ] {
            assert!(UriPattern::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_mesh_of_a_client_is_that_of_its_first_spiffe_id() {
        let mesh = |uris: &'static str| Client::new(uris.as_bytes()).and_then(Client::mesh);
        assert_eq!(
            mesh("kuma://a/b,spiffe://east/web,spiffe://west/web"),
            Some(&b"east"[..])
        );
        assert_eq!(mesh("kuma://a/b"), None);
        assert_eq!(mesh("-"), None);
        assert_eq!(mesh(""), None);
    }

    #[test]
    fn a_pattern_names_a_mesh_if_it_has_it_whole() {
        assert_eq!(super::mesh("spiffe://a/*"), Some("a"));
        assert_eq!(super::mesh("spiffe://a*"), None);
        assert_eq!(super::mesh("kuma://a/b"), None);
    }
}
