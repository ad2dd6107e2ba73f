//! Kuma's tags: names with values on Dataplanes, gateways and listeners, by which policies choose their targets.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// A set of tags, sorted by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct Tags(BTreeMap<String, String>);

impl Tags {
    /// These tags, overlaid by `narrower`: of two values for one name, the narrower one stays.
    ///
    /// A listener's tags are `dataplane.overlaid(&gateway).overlaid(&listener)` (Kuma
    /// `pkg/plugins/runtime/gateway/generator.go` at 2.14.3).
    #[must_use]
    pub fn overlaid(mut self, narrower: &Self) -> Self {
        self.0.extend(narrower.0.clone());
        self
    }

    /// Whether every tag of `selector` is here with the same value, or with any value where the selector says `*`.
    pub fn matched_by(&self, selector: &Self) -> bool {
        selector
            .0
            .iter()
            .all(|(name, value)| match self.0.get(name) {
                Some(own) => value == "*" || own == value,
                None => false,
            })
    }

    /// The value of the tag `name`.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Adds a tag; the last value for a name stays.
    pub fn insert(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.0.insert(name.into(), value.into());
    }

    /// Names and values, by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.0.iter().map(|(k, v)| (k.as_str(), v.as_str()))
    }

    /// Whether there is no tag.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Tags {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(tags: I) -> Self {
        Self(
            tags.into_iter()
                .map(|(k, v)| (k.into(), v.into()))
                .collect(),
        )
    }
}

/// `&name=value&name=value&`: the form of Kuma's `x-kuma-tags` header, in which `&name=value&` can be searched for.
impl fmt::Display for Tags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("&")?;
        for (name, value) in &self.0 {
            write!(f, "{name}={value}&")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(text: &str) -> Tags {
        text.split(',')
            .filter_map(|tag| tag.split_once('='))
            .collect()
    }

    /// The table of Kuma's page on built-in listeners. Kong Mesh's copy has `edit` for `edge` in the last result.
    #[test]
    fn listener_tags_are_laid_over_dataplane_tags() {
        for (dataplane, listener, merged) in [
            (
                "kuma.io/service=edge-gateway",
                "vhost=foo.example.com",
                "&kuma.io/service=edge-gateway&vhost=foo.example.com&",
            ),
            (
                "kuma.io/service=edge-gateway",
                "kuma.io/service=example,domain=example.com",
                "&domain=example.com&kuma.io/service=example&",
            ),
            (
                "kuma.io/service=edge,location=us",
                "version=2",
                "&kuma.io/service=edge&location=us&version=2&",
            ),
        ] {
            let result = tags(dataplane).overlaid(&tags(listener));
            assert_eq!(result.to_string(), merged);
        }
    }

    #[test]
    fn a_star_matches_any_value_of_a_tag_that_is_there() {
        let own = tags("kuma.io/service=edge,vhost=foo");
        assert!(own.matched_by(&tags("")));
        assert!(own.matched_by(&tags("kuma.io/service=edge")));
        assert!(own.matched_by(&tags("kuma.io/service=*,vhost=foo")));
        assert!(!own.matched_by(&tags("kuma.io/service=other")));
        assert!(!own.matched_by(&tags("missing=*")));
    }
}
