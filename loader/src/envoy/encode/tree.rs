//! A configuration as names and values, in the order in which a person would write them.

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, ReflectMessage, Value};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value as Json;

use super::{EncodeError, packed};

/// JSON with ordered fields.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Tree {
    /// Neither list nor map.
    Leaf(Json),
    List(Vec<Tree>),
    Map(Vec<(String, Tree)>),
}

/// Protobuf's JSON form of a message with Envoy's field names: `name` first, then in the order of the `.proto` file,
/// and nothing that has its default value.
pub(super) fn message(message: &DynamicMessage) -> Result<Tree, EncodeError> {
    if let Some((url, inner)) = packed(message)? {
        let url = ("@type".to_owned(), Tree::Leaf(Json::String(url)));
        return Ok(match self::message(&inner)? {
            Tree::Map(fields) if !is_well_known(&inner) => {
                Tree::Map(std::iter::once(url).chain(fields).collect())
            }
            value => Tree::Map(vec![url, ("value".to_owned(), value)]),
        });
    }
    if is_well_known(message) {
        let json = serde_json::to_value(message);
        return Ok(from_json(
            json.map_err(|error| EncodeError::Value(error.to_string()))?,
        ));
    }
    let descriptor = message.descriptor();
    let declared = descriptor.descriptor_proto().field.iter();
    let mut fields: Vec<_> = declared
        .filter_map(|field| descriptor.get_field(field.number().try_into().ok()?))
        .filter(|field| message.has_field(field))
        .collect();
    fields.sort_by_key(|field| field.name() != "name");
    let entry = |field: FieldDescriptor| {
        let tree = value(&message.get_field(&field), &field.kind())?;
        Ok((field.name().to_owned(), tree))
    };
    fields
        .into_iter()
        .map(entry)
        .collect::<Result<_, _>>()
        .map(Tree::Map)
}

/// Whether a message has a JSON form of its own, such as `5s`.
fn is_well_known(message: &DynamicMessage) -> bool {
    message.descriptor().package_name() == "google.protobuf"
}

fn value(value: &Value, kind: &Kind) -> Result<Tree, EncodeError> {
    Ok(match value {
        Value::Message(inner) => message(inner)?,
        Value::List(items) => {
            let items = items.iter().map(|item| self::value(item, kind));
            Tree::List(items.collect::<Result<_, _>>()?)
        }
        Value::Map(entries) => {
            let value_kind = match kind {
                Kind::Message(entry) => entry.map_entry_value_field().kind(),
                _ => kind.clone(),
            };
            let entries = entries
                .iter()
                .map(|(key, item)| Ok((map_key(key), self::value(item, &value_kind)?)));
            let mut entries = entries.collect::<Result<Vec<_>, EncodeError>>()?;
            entries.sort_by(|(a, _), (b, _)| a.cmp(b));
            Tree::Map(entries)
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

/// Objects are `google.protobuf.Struct`s, whose fields have no order but the alphabet's, and whose numbers are all
/// floating.
fn from_json(json: Json) -> Tree {
    match json {
        Json::Array(items) => Tree::List(items.into_iter().map(from_json).collect()),
        Json::Object(fields) => {
            let fields = fields.into_iter().map(|(k, v)| (k, from_json(v)));
            let mut fields: Vec<_> = fields.collect();
            fields.sort_by(|(a, _), (b, _)| a.cmp(b));
            Tree::Map(fields)
        }
        Json::Number(number) => Tree::Leaf(Json::Number(whole(number))),
        leaf => Tree::Leaf(leaf),
    }
}

/// `12` for `12.0`, as far as floating numbers count without gaps.
fn whole(number: serde_json::Number) -> serde_json::Number {
    const GAPLESS: f64 = 9_007_199_254_740_992.0;
    match number.as_f64() {
        Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() < GAPLESS => {
            format!("{float:.0}")
                .parse::<i64>()
                .map_or(number, Into::into)
        }
        _ => number,
    }
}

impl Serialize for Tree {
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
        }
    }
}
