//! A configuration as names and values, in the order in which a person would write them.

use prost_reflect::{Kind, MapKey, MessageDescriptor, Value};
use serde::ser::{Error as _, Serialize, SerializeMap, Serializer};
use serde_json::Value as Json;

use super::EncodeError;
use super::well_known::{self, from_json, is_well_known};
use super::wire::{Field, Message};

/// JSON with ordered fields, of which only what is looked at is made.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Tree<'a> {
    /// Neither list nor map.
    Leaf(Json),
    List(Vec<Tree<'a>>),
    Map(Vec<(String, Tree<'a>)>),
    /// What it is shows when it is [`open`].
    Closed(Message<'a>),
}

/// Protobuf's JSON form of a message with Envoy's field names: `name` first, then in the order of the `.proto` file,
/// and nothing that has its default value.
pub(super) fn open<'a>(message: &Message<'a>) -> Result<Tree<'a>, EncodeError> {
    if let Some((url, inner)) = message.packed()? {
        let url = ("@type".to_owned(), Tree::Leaf(url.into()));
        return Ok(match open(&inner)? {
            Tree::Map(fields) if !is_well_known(&inner.descriptor) => {
                Tree::Map(std::iter::once(url).chain(fields).collect())
            }
            value => Tree::Map(vec![url, ("value".to_owned(), value)]),
        });
    }
    if is_well_known(&message.descriptor) {
        return well_known::tree(message);
    }
    let mut fields = message.fields()?;
    // The last part of a path is the place among the fields of the message.
    fields.sort_by_key(|field| {
        let place = field.descriptor.path().last().copied();
        (field.descriptor.name() != "name", place)
    });
    let entry = |own: &Field<'a>| Ok((own.descriptor.name().to_owned(), field(own)?));
    fields
        .iter()
        .map(entry)
        .collect::<Result<_, _>>()
        .map(Tree::Map)
}

fn field<'a>(field: &Field<'a>) -> Result<Tree<'a>, EncodeError> {
    let mut items: Vec<_> = match field.descriptor.kind() {
        Kind::Message(entry) if field.descriptor.is_map() => return map(field, &entry),
        Kind::Message(descriptor) => {
            let closed = |bytes| Message {
                descriptor: descriptor.clone(),
                bytes,
            };
            let contents = field.contents();
            contents.map(|bytes| Tree::Closed(closed(bytes))).collect()
        }
        Kind::String => field
            .contents()
            .map(|text| Tree::Leaf(String::from_utf8_lossy(text).into()))
            .collect(),
        kind => return Ok(value(&field.decoded()?, &kind)),
    };
    match items.pop() {
        Some(last) if !field.descriptor.is_list() => Ok(last),
        last => {
            items.extend(last);
            Ok(Tree::List(items))
        }
    }
}

fn map<'a>(field: &Field<'a>, entry: &MessageDescriptor) -> Result<Tree<'a>, EncodeError> {
    let value = entry.map_entry_value_field();
    let mut entries = Vec::new();
    for bytes in field.contents() {
        let entry = Message {
            descriptor: entry.clone(),
            bytes,
        };
        let fields = entry.fields()?;
        let tree = match fields
            .iter()
            .find(|field| field.descriptor.number() == value.number())
        {
            Some(own) => self::field(own)?,
            // Values that are the default are not written.
            None => match value.kind() {
                Kind::Message(descriptor) => Tree::Closed(Message {
                    descriptor,
                    bytes: &[],
                }),
                kind => self::value(&Value::default_value_for_field(&value), &kind),
            },
        };
        let key = entry.key()?;
        entries.push((key.as_ref().map_or_else(String::new, map_key), tree));
    }
    entries.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(Tree::Map(entries))
}

fn value(value: &Value, kind: &Kind) -> Tree<'static> {
    match value {
        Value::List(items) => {
            Tree::List(items.iter().map(|item| self::value(item, kind)).collect())
        }
        Value::EnumNumber(number) => {
            let name = match kind {
                Kind::Enum(kind) => kind.get_value(*number).map(|v| v.name().to_owned()),
                _ => None,
            };
            Tree::Leaf(name.map_or_else(|| (*number).into(), Json::String))
        }
        Value::Bool(value) => Tree::Leaf((*value).into()),
        Value::I32(value) => Tree::Leaf((*value).into()),
        Value::I64(value) => Tree::Leaf((*value).into()),
        Value::U32(value) => Tree::Leaf((*value).into()),
        Value::U64(value) => Tree::Leaf((*value).into()),
        Value::F32(value) => from_json((*value).into()),
        Value::F64(value) => from_json((*value).into()),
        Value::String(text) => Tree::Leaf(text.as_str().into()),
        Value::Bytes(bytes) => Tree::Leaf(base64(bytes).into()),
        // These are never decoded.
        Value::Message(_) | Value::Map(_) => Tree::Leaf(Json::Null),
    }
}

/// The same with nothing closed in it.
pub(super) fn all(tree: Tree<'_>) -> Result<Tree<'static>, EncodeError> {
    Ok(match tree {
        Tree::Leaf(json) => Tree::Leaf(json),
        Tree::List(items) => Tree::List(items.into_iter().map(all).collect::<Result<_, _>>()?),
        Tree::Map(fields) => {
            let fields = fields
                .into_iter()
                .map(|(name, value)| Ok((name, all(value)?)));
            Tree::Map(fields.collect::<Result<_, EncodeError>>()?)
        }
        Tree::Closed(message) => all(open(&message)?)?,
    })
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::prelude::BASE64_STANDARD.encode(bytes)
}

fn map_key(key: &MapKey) -> String {
    match key {
        MapKey::Bool(key) => key.to_string(),
        MapKey::I32(key) => key.to_string(),
        MapKey::I64(key) => key.to_string(),
        MapKey::U32(key) => key.to_string(),
        MapKey::U64(key) => key.to_string(),
        MapKey::String(key) => key.clone(),
    }
}

impl Serialize for Tree<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Leaf(json) => json.serialize(serializer),
            Self::List(items) => serializer.collect_seq(items),
            Self::Map(fields) => {
                let mut map = serializer.serialize_map(Some(fields.len()))?;
                for (name, value) in fields {
                    map.serialize_entry(name, value)?;
                }
                map.end()
            }
            Self::Closed(message) => open(message)
                .map_err(S::Error::custom)?
                .serialize(serializer),
        }
    }
}
