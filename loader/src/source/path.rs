//! The place of a value inside a document.

use std::fmt;

/// Fields, indexes and map keys from the root of a resource, written as Kuma's validators write them:
/// `conf.listeners[0].tags["kuma.io/zone"]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path(Vec<Segment>);

/// One step of a [`Path`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Segment {
    /// A field of a structure.
    Field(String),
    /// An element of a list.
    Index(usize),
    /// An entry of a map whose keys are data.
    Key(String),
}

impl Path {
    /// The root.
    pub fn root() -> Self {
        Self::default()
    }

    /// Several fields at once, written with dots.
    pub fn of(fields: &str) -> Self {
        fields
            .split('.')
            .fold(Self::root(), |path, name| path.field(name))
    }

    /// The field `name` of this value.
    #[must_use]
    pub fn field(&self, name: &str) -> Self {
        self.with(Segment::Field(name.to_owned()))
    }

    /// The element `index` of this list.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        self.with(Segment::Index(index))
    }

    /// The entry `key` of this map.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        self.with(Segment::Key(key.to_owned()))
    }

    /// This path, and `rest` below it.
    #[must_use]
    pub fn join(&self, rest: &Self) -> Self {
        Self(self.0.iter().chain(&rest.0).cloned().collect())
    }

    /// The steps from the root.
    pub fn segments(&self) -> &[Segment] {
        &self.0
    }

    /// Whether `self` is `other` or lies below it.
    pub fn starts_with(&self, other: &Self) -> bool {
        self.0.starts_with(&other.0)
    }

    /// This path with `new` in place of its beginning `old`; itself if it begins otherwise.
    #[must_use]
    pub fn moved(&self, old: &Self, new: &Self) -> Self {
        self.0.strip_prefix(old.0.as_slice()).map_or_else(
            || self.clone(),
            |rest| Self(new.0.iter().chain(rest).cloned().collect()),
        )
    }

    fn with(&self, segment: Segment) -> Self {
        let mut segments = Vec::with_capacity(self.0.len() + 1);
        segments.extend_from_slice(&self.0);
        segments.push(segment);
        Self(segments)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Field(name) if position == 0 => write!(f, "{name}")?,
                Segment::Field(name) => write!(f, ".{name}")?,
                Segment::Index(index) => write!(f, "[{index}]")?,
                Segment::Key(key) => write!(f, "[\"{key}\"]")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_like_kuma() {
        let path = Path::of("conf.listeners")
            .index(0)
            .field("tags")
            .key("a.b/c");
        assert_eq!(path.to_string(), "conf.listeners[0].tags[\"a.b/c\"]");
    }
}
