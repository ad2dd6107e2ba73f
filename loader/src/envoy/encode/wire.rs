//! Encoded messages, read where they lie.
//!
//! A gateway for thousands of hosts is one message of many megabytes, most of it packed into another one. Decoded as a
//! whole, each of its values would be an object of its own: many times the memory, and half of the time of a start.

use std::borrow::Cow;

use prost::DecodeError;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, Value};

use super::{EncodeError, descriptor};

/// A message of a known type, in bytes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Message<'a> {
    pub(super) descriptor: MessageDescriptor,
    pub(super) bytes: &'a [u8],
}

/// A field that is there, with its values one after the other.
#[derive(Debug)]
pub(super) struct Field<'a> {
    pub(super) descriptor: FieldDescriptor,
    pub(super) values: Vec<Raw<'a>>,
}

/// A value as it is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Raw<'a> {
    /// With the field's number before it.
    pub(super) whole: &'a [u8],
    /// Of texts, bytes and messages.
    pub(super) content: &'a [u8],
}

impl<'a> Message<'a> {
    /// A message of the type with this name.
    pub(super) fn new(full_name: &str, bytes: &'a [u8]) -> Result<Self, EncodeError> {
        let descriptor = descriptor(full_name)?;
        Ok(Self { descriptor, bytes })
    }

    /// The fields, in the order in which they stand there.
    pub(super) fn fields(&self) -> Result<Vec<Field<'a>>, EncodeError> {
        let mut fields: Vec<Field<'a>> = Vec::new();
        let mut rest = self.bytes;
        while !rest.is_empty() {
            let (number, value) = next(&mut rest).map_err(|error| self.error(error))?;
            let known = fields
                .iter_mut()
                .rev()
                .find(|field| field.descriptor.number() == number);
            match known {
                Some(field) => field.values.push(value),
                None => fields.extend(self.descriptor.get_field(number).map(|descriptor| Field {
                    descriptor,
                    values: vec![value],
                })),
            }
        }
        Ok(fields)
    }

    /// The message as an object, for those that are small.
    pub(super) fn decoded(&self) -> Result<DynamicMessage, EncodeError> {
        DynamicMessage::decode(self.descriptor.clone(), self.bytes)
            .map_err(|error| self.error(error))
    }

    /// The key of the entry of a map that this is.
    pub(super) fn key(&self) -> Result<Option<MapKey>, EncodeError> {
        let field = self.descriptor.map_entry_key_field();
        let fields = self.fields()?;
        let own = fields
            .iter()
            .find(|own| own.descriptor.number() == field.number());
        if field.kind() == Kind::String {
            let text = own
                .and_then(|own| own.contents().last())
                .unwrap_or_default();
            let text = String::from_utf8_lossy(text).into_owned();
            return Ok(Some(MapKey::String(text)));
        }
        let value = own.map_or_else(
            || Ok(Value::default_value_for_field(&field)),
            Field::decoded,
        );
        Ok(value?.into_map_key())
    }

    /// What an `Any` says its type is, and what it holds; nothing if the message is no `Any`.
    pub(super) fn packed(&self) -> Result<Option<(&'a str, Self)>, EncodeError> {
        if self.descriptor.full_name() != "google.protobuf.Any" {
            return Ok(None);
        }
        let (mut url, mut bytes) = ("", &[][..]);
        for field in self.fields()? {
            let content = field.values.last().map_or(&[][..], |value| value.content);
            match field.descriptor.name() {
                "type_url" => url = std::str::from_utf8(content).unwrap_or_default(),
                _ => bytes = content,
            }
        }
        let full_name = url.rsplit_once('/').map_or(url, |(_, name)| name);
        Ok(Some((url, Self::new(full_name, bytes)?)))
    }

    pub(super) fn error(&self, error: DecodeError) -> EncodeError {
        EncodeError::Message(self.descriptor.full_name().to_owned(), error)
    }
}

impl<'a> Field<'a> {
    /// The type of the messages that the field holds, if it holds messages and is no map.
    pub(super) fn messages(&self) -> Option<MessageDescriptor> {
        match self.descriptor.kind() {
            Kind::Message(kind) if !self.descriptor.is_map() => Some(kind),
            _ => None,
        }
    }

    /// The texts or messages.
    pub(super) fn contents(&self) -> impl Iterator<Item = &'a [u8]> {
        self.values.iter().map(|value| value.content)
    }

    /// The value as an object, for all that are small.
    pub(super) fn decoded(&self) -> Result<Value, EncodeError> {
        let bytes = match self.values.as_slice() {
            [one] => Cow::Borrowed(one.whole),
            several => {
                let whole: Vec<_> = several.iter().map(|value| value.whole).collect();
                Cow::Owned(whole.concat())
            }
        };
        let alone = Message {
            descriptor: self.descriptor.parent_message().clone(),
            bytes: &bytes,
        };
        let alone = alone.decoded()?;
        Ok(alone.get_field(&self.descriptor).into_owned())
    }
}

fn next<'a>(rest: &mut &'a [u8]) -> Result<(u32, Raw<'a>), DecodeError> {
    let start = *rest;
    let (number, kind) = decode_key(rest)?;
    let mut content = *rest;
    skip_field(kind, number, rest, DecodeContext::default())?;
    if kind == WireType::LengthDelimited {
        decode_varint(&mut content)?;
    }
    let until_rest = |from: &'a [u8]| {
        let length = from.len().saturating_sub(rest.len());
        from.get(..length).unwrap_or_default()
    };
    let raw = Raw {
        whole: until_rest(start),
        content: until_rest(content),
    };
    Ok((number, raw))
}
