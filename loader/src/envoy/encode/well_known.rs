//! Messages with a JSON form of their own, such as `5s`.
//!
//! Those that each route and each host has are read by their Rust types: as objects of their descriptors they would take
//! a third of the time of all.

use envoy_types::pb::google::protobuf::value::Kind as JsonKind;
use envoy_types::pb::google::protobuf::{Duration, Struct, Value as JsonValue};
use prost::Message as _;
use prost_reflect::MessageDescriptor;
use serde_json::Value as Json;

use super::EncodeError;
use super::tree::Tree;
use super::wire::Message;

/// Whether a message is one of them.
pub(super) fn is_well_known(descriptor: &MessageDescriptor) -> bool {
    descriptor.package_name() == "google.protobuf"
}

/// What it is in JSON.
pub(super) fn tree(message: &Message<'_>) -> Result<Tree<'static>, EncodeError> {
    let decoded = match message.descriptor.name() {
        "Struct" => Struct::decode(message.bytes).map(of_struct),
        "BoolValue" => bool::decode(message.bytes).map(|value| Ok(Tree::Leaf(value.into()))),
        "UInt32Value" => u32::decode(message.bytes).map(|value| Ok(Tree::Leaf(value.into()))),
        "StringValue" => String::decode(message.bytes).map(|text| Ok(Tree::Leaf(text.into()))),
        "Duration" => Duration::decode(message.bytes).map(|value| match of_duration(&value) {
            Some(text) => Ok(Tree::Leaf(text.into())),
            None => of_any(message),
        }),
        _ => return of_any(message),
    };
    decoded.map_err(|error| message.error(error))?
}

fn of_any(message: &Message<'_>) -> Result<Tree<'static>, EncodeError> {
    let json = serde_json::to_value(message.decoded()?);
    let json = json.map_err(|error| EncodeError::Value(error.to_string()))?;
    Ok(from_json(json))
}

/// Seconds with as many digits as are needed, by threes; nothing for what is negative or no duration.
fn of_duration(duration: &Duration) -> Option<String> {
    let seconds = u64::try_from(duration.seconds).ok()?;
    let nanos = u32::try_from(duration.nanos).ok()?;
    Some(match nanos {
        0 => format!("{seconds}s"),
        1_000_000_000.. => return None,
        _ if nanos % 1_000_000 == 0 => format!("{seconds}.{:03}s", nanos / 1_000_000),
        _ if nanos % 1_000 == 0 => format!("{seconds}.{:06}s", nanos / 1_000),
        _ => format!("{seconds}.{nanos:09}s"),
    })
}

fn of_struct(own: Struct) -> Result<Tree<'static>, EncodeError> {
    let fields = own.fields.into_iter();
    let fields = fields.map(|(name, value)| Ok((name, of_value(value)?)));
    let mut fields = fields.collect::<Result<Vec<_>, EncodeError>>()?;
    fields.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(Tree::Map(fields))
}

fn of_value(value: JsonValue) -> Result<Tree<'static>, EncodeError> {
    Ok(match value.kind {
        Some(JsonKind::NullValue(_)) => Tree::Leaf(Json::Null),
        Some(JsonKind::BoolValue(value)) => Tree::Leaf(value.into()),
        Some(JsonKind::StringValue(text)) => Tree::Leaf(text.into()),
        Some(JsonKind::NumberValue(float)) => {
            let number = serde_json::Number::from_f64(float);
            let number = number.ok_or_else(|| EncodeError::Value(float.to_string()))?;
            Tree::Leaf(Json::Number(whole(number)))
        }
        Some(JsonKind::StructValue(inner)) => of_struct(inner)?,
        Some(JsonKind::ListValue(list)) => {
            let items = list.values.into_iter().map(of_value);
            Tree::List(items.collect::<Result<_, _>>()?)
        }
        None => return Err(EncodeError::Value("a value that is nothing".to_owned())),
    })
}

/// Objects are `google.protobuf.Struct`s, whose fields have no order but the alphabet's, and whose numbers are all
/// floating.
pub(super) fn from_json(json: Json) -> Tree<'static> {
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

#[cfg(test)]
mod tests {
    use prost::Name;

    use super::*;
    use envoy_types::pb::google::protobuf::{BoolValue, StringValue, UInt32Value};

    fn same<M: prost::Message + Name>(message: &M) {
        let bytes = message.encode_to_vec();
        let message = Message::new(&M::full_name(), &bytes).unwrap();
        assert_eq!(tree(&message).unwrap(), of_any(&message).unwrap());
    }

    #[test]
    fn forms_are_those_of_descriptors() {
        for value in [0, 7, u32::MAX] {
            same(&UInt32Value { value });
        }
        for value in [true, false] {
            same(&BoolValue { value });
        }
        for value in ["", "a", "\u{fc}\n"] {
            same(&StringValue {
                value: value.to_owned(),
            });
        }
        for (seconds, nanos) in [
            (0, 0),
            (5, 0),
            (0, 250_000_000),
            (1, 1_000),
            (1, 1_001_000),
            (3600, 999_999_999),
            (-1, 0),
            (0, -500_000_000),
        ] {
            same(&Duration { seconds, nanos });
        }
    }
}
