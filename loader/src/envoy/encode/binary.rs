//! Binary protobuf with maps in the order of their keys.

use prost::encoding::{WireType, encode_key, encode_varint};
use prost_reflect::{Kind, MapKey};

use super::EncodeError;
use super::wire::{Field, Message};

/// The number of the field of an `Any` that holds the message.
const PACKED: u32 = 2;

/// Writes a message field by field: the entries of maps change their places, and what has no name is left out.
pub(super) fn write(message: &Message<'_>, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let packed = message.packed()?;
    for field in message.fields()? {
        let number = field.descriptor.number();
        match (&packed, field.messages()) {
            (Some((_, inner)), _) if number == PACKED => nested(number, inner, out)?,
            (_, Some(descriptor)) => {
                for bytes in field.contents() {
                    let descriptor = descriptor.clone();
                    nested(number, &Message { descriptor, bytes }, out)?;
                }
            }
            _ if field.descriptor.is_map() => map(&field, out)?,
            _ => out.extend(field.values.iter().flat_map(|value| value.whole)),
        }
    }
    Ok(())
}

fn map(field: &Field<'_>, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let Kind::Message(descriptor) = field.descriptor.kind() else {
        return Ok(());
    };
    let mut entries = Vec::new();
    for bytes in field.contents() {
        let descriptor = descriptor.clone();
        let entry = Message { descriptor, bytes };
        entries.push((order(entry.key()?), entry));
    }
    entries.sort_by(|(a, _), (b, _)| a.cmp(b));
    for (_, entry) in entries {
        nested(field.descriptor.number(), &entry, out)?;
    }
    Ok(())
}

fn nested(number: u32, message: &Message<'_>, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let begin = out.len();
    encode_key(number, WireType::LengthDelimited, out);
    encode_varint(message.bytes.len() as u64, out);
    let content = out.len();
    write(message, out)?;
    if out.len() - content != message.bytes.len() {
        let shorter = out.split_off(content);
        out.truncate(begin);
        encode_key(number, WireType::LengthDelimited, out);
        encode_varint(shorter.len() as u64, out);
        out.extend(shorter);
    }
    Ok(())
}

/// Keys of one map are all of one kind.
fn order(key: Option<MapKey>) -> (i128, String) {
    match key {
        Some(MapKey::Bool(key)) => (i128::from(key), String::new()),
        Some(MapKey::I32(key)) => (i128::from(key), String::new()),
        Some(MapKey::I64(key)) => (i128::from(key), String::new()),
        Some(MapKey::U32(key)) => (i128::from(key), String::new()),
        Some(MapKey::U64(key)) => (i128::from(key), String::new()),
        Some(MapKey::String(key)) => (0, key),
        None => (0, String::new()),
    }
}
