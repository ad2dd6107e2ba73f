//! Who sends a request: the URIs of a client's certificate.
//!
//! A certificate of Kuma has `spiffe://<mesh>/<service>` for each service of the proxy, and `kuma://<tag>/<value>` for
//! each tag (Kuma `pkg/core/ca/issuer/issuer.go` at 2.14.3).
//!
//! A CA can speak for its own mesh only: Envoy looks at the trust domain of the first URI to choose the CAs that may
//! have signed the certificate. The other URIs are not looked at there, so they are here.

/// The URIs of a client's certificate with commas between them, as Envoy's `%DOWNSTREAM_PEER_URI_SAN%` writes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client<'a> {
    uris: &'a [u8],
    mesh: &'a [u8],
}

impl<'a> Client<'a> {
    /// A client with these URIs; none unless the first one is a SPIFFE ID and all further SPIFFE IDs are of its mesh.
    ///
    /// A URI may have a comma, and its parts are then URIs of their own here. They can name nobody of another mesh,
    /// and about its own mesh a CA can sign whatever it likes.
    pub fn new(uris: &'a [u8]) -> Option<Self> {
        let mut all = split(uris);
        let mesh = mesh_of(all.next()?)?;
        let is_spiffe = |uri: &&[u8]| {
            let scheme = uri.get(..SPIFFE_SCHEME.len());
            scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case(SPIFFE_SCHEME))
        };
        let is_same = all.filter(is_spiffe).all(|uri| mesh_of(uri) == Some(mesh));
        is_same.then_some(Self { uris, mesh })
    }

    /// The URIs.
    pub fn uris(self) -> impl Iterator<Item = &'a [u8]> {
        split(self.uris)
    }

    /// The mesh of its SPIFFE IDs.
    pub fn mesh(self) -> &'a [u8] {
        self.mesh
    }
}

fn split(uris: &[u8]) -> impl Iterator<Item = &[u8]> {
    uris.split(|&byte| byte == b',')
}

/// The mesh of a SPIFFE ID; nothing if it is none, or names nobody in its mesh.
fn mesh_of(uri: &[u8]) -> Option<&[u8]> {
    let rest = uri.strip_prefix(SPIFFE.as_bytes())?;
    let end = rest.iter().position(|&byte| byte == b'/')?;
    let (mesh, path) = rest.split_at_checked(end)?;
    (!mesh.is_empty() && path.len() > 1).then_some(mesh)
}

const SPIFFE_SCHEME: &[u8] = b"spiffe:";
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
    fn a_client_is_of_the_one_mesh_of_its_spiffe_ids() {
        for (uris, mesh) in [
            ("spiffe://east/web", Some("east")),
            ("spiffe://east/web,spiffe://east/api", Some("east")),
            ("spiffe://east/web,kuma://a/b,https://c/d", Some("east")),
            ("spiffe://cluster.local/ns/a/sa/b", Some("cluster.local")),
        ] {
            let client = Client::new(uris.as_bytes()).map(Client::mesh);
            assert_eq!(client, mesh.map(str::as_bytes), "{uris}");
        }
    }

    #[test]
    fn nobody_is_of_two_meshes_or_of_none() {
        for uris in [
            "",
            "-",
            ",",
            "spiffe://east",
            "spiffe://east/",
            "spiffe:///web",
            "SPIFFE://east/web",
            "kuma://a/b",
            // Its CA was not chosen by a SPIFFE ID.
            "kuma://a/b,spiffe://east/web",
            ",spiffe://east/web",
            "spiffe://west/web,spiffe://east/web",
            "spiffe://west/web,kuma://a/b,spiffe://east/web",
            "spiffe://west/web,spiffe://west",
            "spiffe://west/web,Spiffe://east/web",
            "spiffe://west/web,spiffe:east",
            // One URI of the west that has commas.
            "spiffe://west/a,spiffe://east/web",
            "spiffe://west,spiffe://east/web",
            "spiffe://west/a,,spiffe://east/web,",
        ] {
            assert_eq!(Client::new(uris.as_bytes()), None, "{uris}");
        }
    }

    #[test]
    fn a_beginning_that_a_comma_has_cut_off_names_nobody_else() {
        let client = Client::new(b"spiffe://east/we,b").unwrap();
        assert_eq!(client.uris().count(), 2);
        let web = UriPattern::parse("spiffe://east/web").unwrap();
        assert!(!client.uris().any(|uri| web.matches(uri)));
    }

    #[test]
    fn a_pattern_names_a_mesh_if_it_has_it_whole() {
        assert_eq!(super::mesh("spiffe://a/*"), Some("a"));
        assert_eq!(super::mesh("spiffe://a*"), None);
        assert_eq!(super::mesh("kuma://a/b"), None);
    }
}
