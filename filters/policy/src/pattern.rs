//! The host names that a listener takes.

use core::cmp::Reverse;
use core::fmt;
use core::str::FromStr;

use crate::hostname::{Hostname, InvalidHostname};

/// A set of hosts: one name, all names below one, or all hosts.
///
/// `*.example.com` holds names of any depth below `example.com`, but not `example.com` itself (Kuma
/// `pkg/plugins/runtime/gateway/match/hostnames.go` at 2.14.3; Envoy's virtual hosts agree).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum HostPattern {
    /// Every host: written `*`, or left out.
    Any,
    /// One name.
    Exact(Name),
    /// Every name below this one: written `*.` and the name.
    Suffix(Name),
}

/// A [`Hostname`] that a pattern owns.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Name(Box<str>);

impl Name {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How narrow a pattern is: the greatest of those that hold a host owns it.
///
/// Exact names come before wildcards, longer wildcards before shorter ones, and `*` comes last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Specificity {
    /// Of [`HostPattern::Any`].
    Any,
    /// Of [`HostPattern::Suffix`], with the length of its name: of two suffixes of one host, the longer is narrower.
    Suffix(usize),
    /// Of [`HostPattern::Exact`].
    Exact,
}

impl HostPattern {
    /// How narrow the pattern is.
    pub fn specificity(&self) -> Specificity {
        match self {
            Self::Any => Specificity::Any,
            Self::Suffix(name) => Specificity::Suffix(name.0.len()),
            Self::Exact(_) => Specificity::Exact,
        }
    }

    /// Whether `host` is in the set.
    pub fn matches(&self, host: Hostname<'_>) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(name) => name.as_str() == host.as_str(),
            Self::Suffix(name) => is_below(host.as_str(), name.as_str()),
        }
    }

    /// Whether every host of `other` is also in this set.
    pub fn contains(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any, _) => true,
            (Self::Exact(a), Self::Exact(b)) => a == b,
            (Self::Suffix(a), Self::Suffix(b)) => a == b || is_below(b.as_str(), a.as_str()),
            (Self::Suffix(a), Self::Exact(b)) => is_below(b.as_str(), a.as_str()),
            (Self::Exact(_), _) | (Self::Suffix(_), Self::Any) => false,
        }
    }

    /// The hosts that are in both sets. Of any two patterns one contains the other, or they have nothing in common.
    pub fn intersect<'a>(&'a self, other: &'a Self) -> Option<&'a Self> {
        if self.contains(other) {
            Some(other)
        } else if other.contains(self) {
            Some(self)
        } else {
            None
        }
    }

    /// The order in which Kuma writes virtual hosts and filter chains: the narrowest first, wildcards with more labels
    /// before those with fewer, then by name (`SortHostnamesByExactnessDec` at 2.14.3).
    pub fn exactness_order(&self) -> impl Ord + '_ {
        let (rank, labels, name) = match self {
            Self::Exact(name) => (0, 0, name.as_str()),
            Self::Suffix(name) => (1, name.as_str().split('.').count(), name.as_str()),
            Self::Any => (2, 0, ""),
        };
        (rank, Reverse(labels), name)
    }
}

/// Whether `name` has at least one label before `.parent`.
fn is_below(name: &str, parent: &str) -> bool {
    name.strip_suffix(parent)
        .is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
}

impl FromStr for HostPattern {
    type Err = InvalidHostname;

    /// Reads `*`, the empty text (which is `*`), `*.name` or `name`, in any case.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = |name: &str| -> Result<Name, InvalidHostname> {
            let mut bytes = name.as_bytes().to_vec();
            Hostname::parse(&mut bytes).map(|name| Name(name.as_str().into()))
        };
        match text {
            "" | "*" => Ok(Self::Any),
            _ => match text.strip_prefix("*.") {
                Some(name) => parse(name).map(Self::Suffix),
                None => parse(text).map(Self::Exact),
            },
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Exact(name) => f.write_str(name.as_str()),
            Self::Suffix(name) => write!(f, "*.{}", name.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> HostPattern {
        text.parse().unwrap()
    }

    fn matches(p: &str, host: &str) -> bool {
        pattern(p).matches(Hostname::from_lower_case(host.as_bytes()).unwrap())
    }

    #[test]
    fn wildcards_match_any_depth_but_not_the_apex() {
        assert!(matches("*.example.com", "a.example.com"));
        assert!(matches("*.example.com", "a.b.example.com"));
        assert!(!matches("*.example.com", "example.com"));
        assert!(!matches("*.example.com", "badexample.com"));
        assert!(matches("*", "example.com"));
        assert!(matches("", "example.com"));
    }

    #[test]
    fn exact_before_longer_wildcard_before_shorter_before_any() {
        let mut all = ["*", "*.com", "a.example.com", "*.example.com"].map(pattern);
        all.sort_by_key(HostPattern::specificity);
        assert_eq!(
            all.map(|p| p.to_string()),
            ["*", "*.com", "*.example.com", "a.example.com"]
        );
    }

    /// Kuma's `contains` compares the common suffix only, so `foo.com` holds `foo.bar.com` there.
    #[test]
    fn a_name_does_not_contain_a_longer_one() {
        assert!(!pattern("foo.com").contains(&pattern("foo.bar.com")));
        assert!(!pattern("*.foo.com").contains(&pattern("*.com")));
        assert!(pattern("*.com").contains(&pattern("*.foo.com")));
    }

    #[test]
    fn intersections() {
        for (a, b, both) in [
            (
                "foo.example.com",
                "foo.example.com",
                Some("foo.example.com"),
            ),
            ("*.example.com", "foo.example.com", Some("foo.example.com")),
            ("*.com", "*.examples.com", Some("*.examples.com")),
            ("*", "*.com", Some("*.com")),
            ("*.example.com", "example.com", None),
            ("*.example.com", "foo.examples.com", None),
            ("*.ample.com", "*.example.com", None),
        ] {
            let (a, b) = (pattern(a), pattern(b));
            let text = |p: Option<&HostPattern>| p.map(ToString::to_string);
            assert_eq!(text(a.intersect(&b)), both.map(str::to_owned));
            assert_eq!(text(b.intersect(&a)), both.map(str::to_owned));
        }
    }

    #[test]
    fn refuses_other_wildcards() {
        for text in ["*.", "a.*", "*a.b", "*.*.a", "**", "foo.*.com", "*.a."] {
            assert!(text.parse::<HostPattern>().is_err(), "{text}");
        }
    }
}
