//! Lists, maps and structures, as serde walks through them.

use std::iter::Enumerate;
use std::slice::Iter;

use serde::de::value::StrDeserializer;
use serde::de::{DeserializeSeed, MapAccess, SeqAccess};

use crate::diagnostic::{Code, Diagnostic};
use crate::source::node::{snake_case, snake_letters};
use crate::source::{Key, Node, Path};

use super::deserializer::DecodeError;
use super::{Decoder, Reader, Trail, nearest};

/// The elements of a list.
pub(super) struct Elements<'p> {
    parent: &'p Decoder<'p>,
    items: Enumerate<Iter<'p, Node>>,
}

impl<'p> Elements<'p> {
    pub(super) fn new(parent: &'p Decoder<'p>) -> Self {
        Self {
            parent,
            items: parent.items().iter().enumerate(),
        }
    }
}

impl<'de> SeqAccess<'de> for Elements<'_> {
    type Error = DecodeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, DecodeError> {
        self.items
            .next()
            .map(|(index, node)| {
                seed.deserialize(Decoder {
                    node,
                    trail: Trail::Index(&self.parent.trail, index),
                    state: self.parent.state,
                })
            })
            .transpose()
    }
}

/// The entries of a map whose keys are data.
pub(super) struct Entries<'p> {
    parent: &'p Decoder<'p>,
    rest: Iter<'p, (Key, Node)>,
    value: Option<(&'p str, &'p Node)>,
}

impl<'p> Entries<'p> {
    pub(super) fn new(parent: &'p Decoder<'p>) -> Self {
        Self {
            parent,
            rest: parent.entries().iter(),
            value: None,
        }
    }
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, DecodeError> {
        let Some((key, node)) = self.rest.next() else {
            return Ok(None);
        };
        self.value = Some((&key.name, node));
        seed.deserialize(StrDeserializer::new(&key.name)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(
        &mut self,
        seed: V,
    ) -> Result<V::Value, DecodeError> {
        let Some((key, node)) = self.value.take() else {
            return Err(serde::de::Error::custom("a value without a key"));
        };
        seed.deserialize(Decoder {
            node,
            trail: Trail::Key(&self.parent.trail, key),
            state: self.parent.state,
        })
    }
}

/// The fields of a structure; those that it does not have are named and left out.
pub(super) struct Fields<'p> {
    parent: &'p Decoder<'p>,
    names: &'static [&'static str],
    entries: Iter<'p, (Key, Node)>,
    /// The keys of the fields that were given.
    given: Vec<&'p str>,
    value: Option<(&'p str, &'p Node)>,
}

impl<'p> Fields<'p> {
    pub(super) fn new(parent: &'p Decoder<'p>, names: &'static [&'static str]) -> Self {
        Self {
            parent,
            names,
            entries: parent.entries().iter(),
            given: Vec::new(),
            value: None,
        }
    }

    /// The name of the field that a key means: `jsonpb` takes `cross_mesh` for `crossMesh`.
    fn known(&self, key: &'p Key) -> Option<&'p str> {
        if self.names.contains(&key.name.as_str()) {
            return Some(&key.name);
        }
        let is_other_spelling = |name: &&&str| {
            let is_camel = name.bytes().any(|byte| byte.is_ascii_uppercase());
            is_camel && snake_case(name) == key.name
        };
        let mut names = self.names.iter();
        let found = names.find(is_other_spelling).copied();
        found.filter(|_| self.parent.state.reader.is_proto())
    }

    /// Whether it is a field of what stands around the structure, in the same map.
    fn is_beside(&self, key: &'p Key) -> bool {
        let beside = self.parent.state.beside;
        matches!(self.parent.trail, Trail::Root)
            && self.known(key).is_none()
            && (beside == ["*"] || beside.contains(&key.name.as_str()))
    }

    /// Of two spellings of one field the other one: `crossMesh` and `cross_mesh`.
    fn is_second_spelling(&mut self, key: &'p Key) -> bool {
        let mut given = self.given.iter();
        let is_second = given.any(|other| snake_letters(other).eq(snake_letters(&key.name)));
        self.given.push(&key.name);
        is_second
    }

    fn unknown(&self, key: &Key) {
        if self.parent.is_full() {
            return;
        }
        let trail = &self.parent.trail;
        let place = trail.path();
        let message = if place == Path::root() {
            format!("unknown field `{}`", key.name)
        } else {
            format!("unknown field `{}` in `{place}`", key.name)
        };
        let mut finding = Diagnostic::error(Code::UnknownField, message).at(key.span);
        let system = self.parent.state.reader.system();
        if let Some(near) = nearest(&key.name, self.main_names()) {
            finding = finding
                .label(format!(
                    "did you mean `{near}`? {system} drops this field in silence"
                ))
                .help(format!("write `{near}:`"));
            // What is missing because it was misspelt is no mistake of its own.
            let mut found = self.parent.state.found.borrow_mut();
            found.misspelt.push(place.field(near));
        } else {
            let mut names: Vec<_> = self.main_names().collect();
            names.sort_unstable();
            finding = finding.label(format!("{system} drops this field in silence"));
            if !names.is_empty() {
                finding = finding.help(format!("known here: {}", names.join(", ")));
            }
        }
        let decoder = Decoder {
            trail: Trail::Field(trail, &key.name),
            ..*self.parent
        };
        decoder.finding(finding);
    }

    /// The names without those that are second spellings.
    fn main_names(&self) -> impl Iterator<Item = &'static str> {
        let beside = match self.parent.trail {
            Trail::Root => self.parent.state.beside,
            _ => &[],
        };
        let own = self.names.iter().copied().filter(|name| {
            !self
                .names
                .iter()
                .any(|other| other != name && snake_case(other) == *name)
        });
        own.chain(beside.iter().copied())
    }
}

impl<'de> MapAccess<'de> for Fields<'_> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, DecodeError> {
        while let Some((key, node)) = self.entries.next() {
            if self.is_beside(key) {
                continue;
            }
            let Some(name) = self.known(key) else {
                if self.parent.state.reader != Reader::Kubernetes {
                    self.unknown(key);
                }
                continue;
            };
            if self.is_second_spelling(key) {
                let decoder = Decoder {
                    trail: Trail::Field(&self.parent.trail, &key.name),
                    ..*self.parent
                };
                decoder.finding(
                    Diagnostic::error(
                        Code::DuplicateKey,
                        format!("`{}` is given twice, in two spellings", key.name),
                    )
                    .at(key.span),
                );
            } else {
                self.value = Some((name, node));
                return seed.deserialize(StrDeserializer::new(name)).map(Some);
            }
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(
        &mut self,
        seed: V,
    ) -> Result<V::Value, DecodeError> {
        let Some((key, node)) = self.value.take() else {
            return Err(serde::de::Error::custom("a value without a key"));
        };
        seed.deserialize(Decoder {
            node,
            trail: Trail::Field(&self.parent.trail, key),
            state: self.parent.state,
        })
    }
}
