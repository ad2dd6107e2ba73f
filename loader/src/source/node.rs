//! YAML as a tree in which every value knows its place.

use super::Span;
use super::path::{Path, Segment};

/// A value of a document.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where it stands.
    pub span: Span,
    /// What it is.
    pub value: Value,
}

/// The kinds of values.
#[derive(Clone, Debug)]
pub enum Value {
    /// Nothing, `~` or `null`.
    Null,
    /// A text, a number or a truth value: which of them the reader decides by what it needs.
    Scalar {
        /// The text without quotes.
        text: String,
        /// Whether it stood without quotes, so that `8080` may be a number and `true` a truth value.
        plain: bool,
    },
    /// A list.
    Sequence(Vec<Node>),
    /// Entries in the order of the document.
    Mapping(Vec<(Key, Node)>),
}

/// The name of an entry.
#[derive(Clone, Debug)]
pub struct Key {
    /// The name.
    pub name: String,
    /// Where it stands.
    pub span: Span,
}

impl Node {
    /// The entry `name` of a mapping.
    pub fn get(&self, name: &str) -> Option<&Self> {
        self.entry(name).map(|(_, value)| value)
    }

    fn entry(&self, name: &str) -> Option<&(Key, Self)> {
        match &self.value {
            Value::Mapping(entries) => entries.iter().find(|(key, _)| key.name == name),
            _ => None,
        }
    }

    /// The value at `path`, in either spelling of its fields.
    pub(crate) fn at(&self, path: &Path) -> Option<&Self> {
        let mut node = self;
        for segment in path.segments() {
            node = match (segment, &node.value) {
                (Segment::Field(name) | Segment::Key(name), _) => {
                    node.get(name).or_else(|| node.get(&snake_case(name)))?
                }
                (Segment::Index(index), Value::Sequence(items)) => items.get(*index)?,
                (Segment::Index(_), _) => return None,
            };
        }
        Some(node)
    }

    /// The text of a scalar.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// Where to point when something is said about `path`: at the value; at the key where the value is a collection;
    /// and where nothing is there, at the nearest thing above it that is.
    pub fn locate(&self, path: &Path) -> Span {
        let mut node = self;
        let mut place = match &self.value {
            Value::Mapping(entries) => entries.first().map_or(self.span, |(key, _)| key.span),
            _ => self.span,
        };
        for segment in path.segments() {
            let next = match (segment, &node.value) {
                (Segment::Field(name) | Segment::Key(name), _) => node
                    .entry(name)
                    .or_else(|| node.entry(&snake_case(name)))
                    .map(|(key, value)| {
                        let is_scalar = matches!(value.value, Value::Scalar { .. });
                        (if is_scalar { value.span } else { key.span }, value)
                    }),
                (Segment::Index(index), Value::Sequence(items)) => items
                    .get(*index)
                    .map(|item| (item.locate(&Path::root()), item)),
                (Segment::Index(_), _) => None,
            };
            match next {
                Some((span, value)) => (place, node) = (span, value),
                None => break,
            }
        }
        place
    }
}

/// The other spelling that Kuma takes for `camelCase` fields.
pub(crate) fn snake_case(name: &str) -> String {
    snake_letters(name).collect()
}

/// Its letters, for comparing.
pub(crate) fn snake_letters(name: &str) -> impl Iterator<Item = char> {
    name.chars().flat_map(|c| {
        let hump = c.is_ascii_uppercase().then_some('_');
        hump.into_iter().chain([c.to_ascii_lowercase()])
    })
}
