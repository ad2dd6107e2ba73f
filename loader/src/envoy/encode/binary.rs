//! Binary protobuf with maps in the order of their keys.

use prost::Message;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, ReflectMessage, Value};

use super::{EncodeError, packed};

/// The wire type of messages.
const LENGTH_DELIMITED: u32 = 2;

/// Writes a message field by field: the concatenation of encoded messages is the encoding of the merged one.
pub(super) fn write(message: &DynamicMessage) -> Result<Vec<u8>, EncodeError> {
    if let Some((_, inner)) = packed(message)? {
        let mut message = message.clone();
        message.set_field_by_name("value", Value::Bytes(write(&inner)?.into()));
        return Ok(message.encode_to_vec());
    }
    let mut out = Vec::new();
    for (field, value) in message.fields() {
        match value {
            Value::Message(inner) => nested(&field, inner, &mut out)?,
            Value::Map(entries) => {
                let mut entries: Vec<_> = entries.iter().collect();
                entries.sort_by(|(a, _), (b, _)| order(a).cmp(&order(b)));
                for (key, value) in entries {
                    if let Kind::Message(descriptor) = field.kind() {
                        let mut entry = DynamicMessage::new(descriptor);
                        entry.set_field_by_name("key", key.clone().into());
                        entry.set_field_by_name("value", value.clone());
                        nested(&field, &entry, &mut out)?;
                    }
                }
            }
            Value::List(items) if matches!(field.kind(), Kind::Message(_)) => {
                for item in items {
                    if let Value::Message(inner) = item {
                        nested(&field, inner, &mut out)?;
                    }
                }
            }
            value => {
                let mut single = DynamicMessage::new(message.descriptor());
                single.set_field(&field, value.clone());
                out.extend(single.encode_to_vec());
            }
        }
    }
    Ok(out)
}

fn nested(
    field: &FieldDescriptor,
    message: &DynamicMessage,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    let bytes = write(message)?;
    varint(u64::from(field.number() << 3 | LENGTH_DELIMITED), out);
    varint(bytes.len() as u64, out);
    out.extend(bytes);
    Ok(())
}

fn varint(mut value: u64, out: &mut Vec<u8>) {
    loop {
        let [low, ..] = value.to_le_bytes();
        value >>= 7;
        if value == 0 {
            return out.push(low);
        }
        out.push(low | 0x80);
    }
}

/// Keys of one map are all of one kind.
fn order(key: &MapKey) -> (i128, &str) {
    match key {
        MapKey::Bool(key) => (i128::from(*key), ""),
        MapKey::I32(key) => (i128::from(*key), ""),
        MapKey::I64(key) => (i128::from(*key), ""),
        MapKey::U32(key) => (i128::from(*key), ""),
        MapKey::U64(key) => (i128::from(*key), ""),
        MapKey::String(key) => (0, key),
    }
}
