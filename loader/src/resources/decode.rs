//! From nodes to typed resources, through serde, with all mistakes of a resource at once.
//!
//! A mistake is noted with its place, and a value that means nothing takes the place of the wrong one (an empty text,
//! 0, an enum's first value), so that reading goes on. The places are kept: what a validator says about them later
//! would only repeat the mistake in other words.

mod access;
mod deserializer;
mod scalar;

use std::cell::RefCell;

use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer};

use crate::diagnostic::{Code, Diagnostic};
use crate::source::{Node, Path, Value};

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
    /// Where a mistake has been named already.
    pub named: Vec<Path>,
    /// Where a value is missing, probably because its name is misspelt.
    pub misspelt: Vec<Path>,
}

/// Who would read a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// Kuma's `jsonpb`: numbers may stand in quotes, and fields may have the names of the `.proto` files.
    Proto,
    /// Go's `encoding/json`, in Kuma.
    Json,
    /// Istio's `jsonpb`.
    Istio,
    /// Kubernetes: `encoding/json`. Much of what its resources say is for others, so unknown fields are theirs.
    Kubernetes,
}

impl Reader {
    /// Whether it is `jsonpb`.
    fn is_proto(self) -> bool {
        matches!(self, Self::Proto | Self::Istio)
    }

    /// Who drops unknown fields in silence.
    fn system(self) -> &'static str {
        match self {
            Self::Proto | Self::Json => "Kuma",
            Self::Istio => "Istio",
            Self::Kubernetes => "Kubernetes",
        }
    }
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
        misspelt: found.misspelt,
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
    misspelt: Vec<Path>,
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
    /// Whether enough is said about the resource.
    fn is_full(&self) -> bool {
        self.state.found.borrow().findings.len() >= MAX_FINDINGS
    }

    fn finding(&self, finding: Diagnostic) {
        if self.is_full() {
            return;
        }
        let path = self.trail.path();
        let span = finding
            .span
            .unwrap_or_else(|| self.node.locate(&Path::root()));
        let mut finding = finding.at(span);
        finding.path = path.to_string();
        let mut found = self.state.found.borrow_mut();
        found.findings.push(finding);
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
                let is_number = scalar == Scalar::Number && scalar::is_decimal(text);
                if is_number && self.state.reader == Reader::Json {
                    self.unquoted_number(text);
                } else if !matches!(scalar, Scalar::Text) {
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

    /// A whole number as a text: `kumactl` takes it as it is written, a cluster refuses it (`sigs.k8s.io/yaml` looks at
    /// the Go type that it reads into, the API server at the CRD).
    fn unquoted_number(&self, text: &str) {
        let path = self.trail.path().to_string();
        let message = format!("`{text}` is a number where a text is wanted: Kubernetes refuses it");
        let mut finding = Diagnostic::warning(Code::UnquotedText, message)
            .at(self.node.locate(&Path::root()))
            .help(format!("write `\"{text}\"`"));
        finding.path = path;
        if !self.is_full() {
            self.state.found.borrow_mut().findings.push(finding);
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
        let quoted = !plain && !self.state.reader.is_proto();
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

/// A value that is known by name and not looked into.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Anything;

impl<'de> Deserialize<'de> for Anything {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        serde::de::IgnoredAny::deserialize(deserializer).map(|_| Self)
    }
}

/// A number or a text, as it was written: Kubernetes' `IntOrString`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NumberOrText(pub String);

impl<'de> Deserialize<'de> for NumberOrText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl serde::de::Visitor<'_> for Visitor {
            type Value = NumberOrText;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a number or a text")
            }

            fn visit_i64<E>(self, number: i64) -> Result<NumberOrText, E> {
                Ok(NumberOrText(number.to_string()))
            }

            fn visit_f64<E>(self, number: f64) -> Result<NumberOrText, E> {
                Ok(NumberOrText(number.to_string()))
            }

            fn visit_str<E>(self, text: &str) -> Result<NumberOrText, E> {
                Ok(NumberOrText(text.to_owned()))
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests;
