//! From nodes to typed resources, through serde, with all mistakes of a resource at once.
//!
//! A mistake is noted with its place, and a value that means nothing takes the place of the wrong one (an empty text,
//! 0, an enum's first value), so that reading goes on. The places are kept: what a validator says about them later
//! would only repeat the mistake in other words.

mod access;
mod scalar;

use std::cell::RefCell;
use std::fmt;

use serde::Deserialize;
use serde::de::value::StrDeserializer;
use serde::de::{DeserializeOwned, Deserializer, Visitor};

use crate::diagnostic::{Code, Diagnostic};
use crate::source::{Node, Path, Value};

use access::{Elements, Entries, Fields};
use scalar::Scalar;

/// After so many mistakes in one resource, further ones say nothing new.
const MAX_FINDINGS: usize = 100;

/// What a resource says, as far as it could be read.
#[derive(Debug)]
pub struct Decoded<T> {
    /// The value.
    pub value: T,
    /// The mistakes, each with its path in the value.
    pub findings: Vec<Diagnostic>,
    /// Where a mistake has been named already, and where a value is missing because of one.
    pub named: Vec<Path>,
}

/// Which of the two readers of Kuma would read a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// `jsonpb`: numbers may stand in quotes.
    Proto,
    /// Go's `encoding/json`.
    Json,
}

/// Reads `node`. Fields of it that are in `beside` belong to somebody else; `*` stands for all.
pub fn decode<T: DeserializeOwned + Default>(
    node: &Node,
    reader: Reader,
    beside: &'static [&'static str],
) -> Decoded<T> {
    let state = State {
        reader,
        beside,
        found: RefCell::default(),
    };
    let decoder = Decoder {
        node,
        trail: Trail::Root,
        state: &state,
    };
    let value = T::deserialize(decoder).unwrap_or_else(|error| {
        let finding = Diagnostic::error(Code::WrongType, error.message).at(node.span);
        state.found.borrow_mut().findings.push(finding);
        T::default()
    });
    let found = state.found.into_inner();
    Decoded {
        value,
        findings: found.findings,
        named: found.named,
    }
}

struct State {
    reader: Reader,
    beside: &'static [&'static str],
    found: RefCell<Found>,
}

#[derive(Default)]
struct Found {
    findings: Vec<Diagnostic>,
    named: Vec<Path>,
}

/// The way to a node, built while reading goes down; a [`Path`] is made of it only when there is a finding.
#[derive(Clone, Copy)]
enum Trail<'a> {
    Root,
    Field(&'a Trail<'a>, &'a str),
    Key(&'a Trail<'a>, &'a str),
    Index(&'a Trail<'a>, usize),
}

impl Trail<'_> {
    fn path(&self) -> Path {
        match self {
            Self::Root => Path::root(),
            Self::Field(parent, name) => parent.path().field(name),
            Self::Key(parent, key) => parent.path().key(key),
            Self::Index(parent, index) => parent.path().index(*index),
        }
    }
}

#[derive(Clone, Copy)]
struct Decoder<'a> {
    node: &'a Node,
    trail: Trail<'a>,
    state: &'a State,
}

impl<'a> Decoder<'a> {
    fn finding(&self, finding: Diagnostic) {
        let path = self.trail.path();
        let mut found = self.state.found.borrow_mut();
        if found.findings.len() < MAX_FINDINGS {
            let span = finding
                .span
                .unwrap_or_else(|| self.node.locate(&Path::root()));
            let mut finding = finding.at(span);
            finding.path = path.to_string();
            found.findings.push(finding);
        }
        found.named.push(path);
    }

    fn wrong_type(&self, wanted: &str) {
        let found = match &self.node.value {
            Value::Null => "nothing",
            Value::Sequence(_) => "a list",
            Value::Mapping(_) => "a map",
            Value::Scalar { text, plain } => Scalar::of(text, *plain).noun(),
        };
        let mut finding =
            Diagnostic::error(Code::WrongType, format!("{found} where {wanted} is wanted"));
        if matches!(self.node.value, Value::Mapping(_)) && wanted == "a list" {
            finding = finding.help("begin each entry with `- `");
        }
        self.finding(finding);
    }

    /// The text here, if it is one for Kuma too; and else nothing, after a finding.
    fn text(&self) -> &'a str {
        match &self.node.value {
            Value::Null => "",
            Value::Scalar { text, plain } => {
                let scalar = Scalar::of(text, *plain);
                if !matches!(scalar, Scalar::Text) {
                    self.finding(
                        Diagnostic::error(
                            Code::UnquotedText,
                            format!("`{text}` is {} where a text is wanted", scalar.noun()),
                        )
                        .help(format!("write `\"{text}\"`")),
                    );
                }
                text
            }
            _ => {
                self.wrong_type("a text");
                ""
            }
        }
    }

    fn integer<T>(&self, range: &str) -> T
    where
        T: TryFrom<i128> + Default,
    {
        let Value::Scalar { text, plain } = &self.node.value else {
            if !matches!(self.node.value, Value::Null) {
                self.wrong_type("a number");
            }
            return T::default();
        };
        let quoted = !plain && self.state.reader == Reader::Json;
        match text.parse::<i128>() {
            _ if quoted => self.wrong_type("a number"),
            Ok(number) if !scalar::is_decimal(text) => self.finding(
                Diagnostic::error(
                    Code::WrongType,
                    format!("`{text}` is no plain whole number"),
                )
                .help(format!("write `{number}`")),
            ),
            Ok(number) => match T::try_from(number) {
                Ok(number) => return number,
                Err(_) => self.finding(Diagnostic::error(
                    Code::WrongType,
                    format!("{number} is out of range: {range}"),
                )),
            },
            Err(_) if Scalar::of(text, *plain) == Scalar::Number => {
                let message = format!("`{text}` is no plain whole number");
                self.finding(Diagnostic::error(Code::WrongType, message));
            }
            Err(_) => self.wrong_type("a whole number"),
        }
        T::default()
    }

    fn float(&self) -> f64 {
        match &self.node.value {
            Value::Null => 0.0,
            Value::Scalar { text, .. } => match text.parse::<f64>() {
                Ok(number) if number.is_finite() => number,
                _ => {
                    self.wrong_type("a number");
                    0.0
                }
            },
            _ => {
                self.wrong_type("a number");
                0.0
            }
        }
    }

    fn truth(&self) -> bool {
        match &self.node.value {
            Value::Null => false,
            Value::Scalar { text, plain } => {
                let Scalar::Truth(value) = Scalar::of(text, *plain) else {
                    self.wrong_type("`true` or `false`");
                    return false;
                };
                value
            }
            _ => {
                self.wrong_type("`true` or `false`");
                false
            }
        }
    }

    fn items(&self) -> &'a [Node] {
        match &self.node.value {
            Value::Sequence(items) => items,
            Value::Null => &[],
            _ => {
                self.wrong_type("a list");
                &[]
            }
        }
    }

    fn entries(&self) -> &'a [(crate::source::Key, Node)] {
        match &self.node.value {
            Value::Mapping(entries) => entries,
            Value::Null => &[],
            _ => {
                self.wrong_type("a map");
                &[]
            }
        }
    }

    /// One of `variants`: the one that stands here, or the first.
    fn variant(&self, variants: &'static [&'static str]) -> &'a str {
        let first = variants.first().copied().unwrap_or_default();
        match &self.node.value {
            Value::Null => return first,
            Value::Scalar { text, .. } if variants.contains(&text.as_str()) => return text,
            Value::Scalar { text, .. } => {
                let names = || {
                    variants.iter().copied().filter(|name| {
                        *name != "NONE" && !name.starts_with(|c: char| c.is_ascii_digit())
                    })
                };
                let allowed = names().collect::<Vec<_>>().join(", ");
                let mut finding =
                    Diagnostic::error(Code::UnknownValue, format!("unknown value \"{text}\""))
                        .label(format!("one of {allowed}"));
                if let Some(near) = nearest(text, names()) {
                    finding = finding.help(format!("write `{near}`"));
                }
                self.finding(finding);
            }
            _ => self.wrong_type("a text"),
        }
        first
    }
}

/// The name that `written` was probably meant to be.
pub(crate) fn nearest<'n>(
    written: &str,
    names: impl IntoIterator<Item = &'n str>,
) -> Option<&'n str> {
    let written = written.to_lowercase();
    names
        .into_iter()
        .map(|name| {
            let near = strsim::normalized_damerau_levenshtein(&written, &name.to_lowercase());
            (near, name)
        })
        .filter(|(near, _)| *near >= 0.6)
        .max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(a.1)))
        .map(|(_, name)| name)
}

/// What serde itself has to say, where it cannot go on.
#[derive(Debug)]
pub struct DecodeError {
    message: String,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for DecodeError {}

impl serde::de::Error for DecodeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self {
            message: message.to_string(),
        }
    }
}

macro_rules! integers {
    ($($method:ident $visit:ident $type:ty: $range:literal),* $(,)?) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
            visitor.$visit(self.integer::<$type>($range))
        }
    )*};
}

impl<'de> Deserializer<'de> for Decoder<'_> {
    type Error = DecodeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match &self.node.value {
            Value::Null => visitor.visit_unit(),
            Value::Sequence(_) => self.deserialize_seq(visitor),
            Value::Mapping(_) => self.deserialize_map(visitor),
            Value::Scalar { text, plain } => match Scalar::of(text, *plain) {
                Scalar::Text => visitor.visit_str(text),
                Scalar::Truth(value) => visitor.visit_bool(value),
                Scalar::Number => match text.parse::<i64>() {
                    Ok(number) => visitor.visit_i64(number),
                    Err(_) => visitor.visit_f64(self.float()),
                },
            },
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_bool(self.truth())
    }

    integers! {
        deserialize_i8 visit_i8 i8: "-128 to 127",
        deserialize_i16 visit_i16 i16: "-32768 to 32767",
        deserialize_i32 visit_i32 i32: "-2147483648 to 2147483647",
        deserialize_i64 visit_i64 i64: "64 bits",
        deserialize_u8 visit_u8 u8: "0 to 255",
        deserialize_u16 visit_u16 u16: "0 to 65535",
        deserialize_u32 visit_u32 u32: "0 to 4294967295",
        deserialize_u64 visit_u64 u64: "64 bits, not negative",
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_f64(self.float())
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_str(self.text())
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match &self.node.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_seq(Elements::new(&self))
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_map(Entries::new(&self))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        visitor.visit_map(Fields::new(&self, fields))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        visitor.visit_enum(StrDeserializer::new(self.variant(variants)))
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_unit()
    }
}

/// A value that is known by name and not looked into.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Anything;

impl<'de> Deserialize<'de> for Anything {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        serde::de::IgnoredAny::deserialize(deserializer).map(|_| Self)
    }
}

#[cfg(test)]
mod tests;
