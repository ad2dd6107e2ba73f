//! Reading the configuration's JSON (RFC 8259), as far as a configuration has it: objects, lists, texts and whole
//! numbers.
//!
//! `serde_json` reads all of JSON into anything, and that is a third of a filter: numbers with fractions, objects given
//! as lists. V8 compiles all of it before the first request. Natively a test compares the two.

use core::fmt;
use core::str;

use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error, Expected, MapAccess, SeqAccess,
    Unexpected, Visitor,
};

/// Reads a value, and nothing after it.
pub(crate) fn read<T: DeserializeOwned>(json: &[u8]) -> Result<T, InvalidJson> {
    let mut reader = Reader { json, at: 0 };
    let value = T::deserialize(&mut reader).and_then(|value| match reader.peek() {
        None => Ok(value),
        Some(_) => Err(InvalidJson::expected("the end")),
    });
    value.map_err(|error| reader.place(error))
}

/// What is wrong with a text, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidJson {
    message: Box<str>,
    line: usize,
    column: usize,
}

impl InvalidJson {
    fn expected(what: &str) -> Self {
        Self::custom(["expected ", what].concat())
    }
}

impl Error for InvalidJson {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self {
            message: message.to_string().into(),
            line: 0,
            column: 0,
        }
    }

    // What serde says in place of these names the value, and with that come 15 KB that print fractions.
    fn invalid_type(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::custom(format_args!("expected {expected}"))
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::custom(format_args!("expected {expected}"))
    }
}

impl core::error::Error for InvalidJson {}

impl fmt::Display for InvalidJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            message,
            line,
            column,
        } = self;
        write!(f, "{message} at line {line} column {column}")
    }
}

struct Reader<'a> {
    json: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    /// The first byte after white space.
    fn peek(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\t' | b'\r' | b'\n') = self.json.get(self.at) {
            self.at += 1;
        }
        self.json.get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.json.get(self.at).copied();
        self.at += usize::from(byte.is_some());
        byte
    }

    fn expect(&mut self, byte: u8, name: &str) -> Result<(), InvalidJson> {
        if self.peek() != Some(byte) {
            return Err(InvalidJson::expected(name));
        }
        self.at += 1;
        Ok(())
    }

    /// Goes to the next member of an object or list; false at its end.
    fn member(&mut self, is_first: &mut bool, end: u8) -> Result<bool, InvalidJson> {
        let is_first = core::mem::take(is_first);
        if self.peek() == Some(end) {
            self.at += 1;
            return Ok(false);
        }
        if !is_first {
            self.expect(b',', "a comma or the end of the list or object")?;
        }
        Ok(true)
    }

    fn text(&mut self) -> Result<String, InvalidJson> {
        self.expect(b'"', "a text")?;
        let mut text = Vec::new();
        loop {
            match self.next() {
                Some(b'"') => break,
                Some(b'\\') => {
                    let mut utf8 = [0; 4];
                    let char = self
                        .escape()
                        .ok_or_else(|| InvalidJson::expected("an escape"))?;
                    text.extend_from_slice(char.encode_utf8(&mut utf8).as_bytes());
                }
                Some(byte @ b' '..) => text.push(byte),
                _ => return Err(InvalidJson::expected("a quotation mark")),
            }
        }
        String::from_utf8(text).map_err(|_| InvalidJson::expected("UTF-8"))
    }

    fn escape(&mut self) -> Option<char> {
        Some(match self.next()? {
            byte @ (b'"' | b'\\' | b'/') => char::from(byte),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => match self.unit()? {
                high @ 0xd800..=0xdbff => {
                    let low = match (self.next()?, self.next()?) {
                        (b'\\', b'u') => self.unit()?.checked_sub(0xdc00)?,
                        _ => return None,
                    };
                    let low = (low < 0x400).then_some(low)?;
                    char::from_u32(0x1_0000 + ((high - 0xd800) << 10) + low)?
                }
                unit => char::from_u32(unit)?,
            },
            _ => return None,
        })
    }

    fn unit(&mut self) -> Option<u32> {
        let mut unit = 0;
        for _ in 0..4 {
            unit = unit << 4 | char::from(self.next()?).to_digit(16)?;
        }
        Some(unit)
    }

    fn number(&mut self) -> Result<u64, InvalidJson> {
        const WHAT: &str = "a whole number";
        self.peek();
        let rest = self.json.get(self.at..).unwrap_or_default();
        let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
        let end = rest.iter().position(|byte| !is_part(byte));
        let digits = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
        let is_whole = match digits {
            [] | [b'0', _, ..] => false,
            digits => digits.iter().all(u8::is_ascii_digit),
        };
        let number = str::from_utf8(digits).ok().filter(|_| is_whole);
        let number = number.and_then(|digits| digits.parse().ok());
        let number = number.ok_or_else(|| InvalidJson::expected(WHAT))?;
        self.at += digits.len();
        Ok(number)
    }

    fn place(&self, error: InvalidJson) -> InvalidJson {
        let before = self.json.get(..self.at).unwrap_or_default();
        let lines = before.split(|&byte| byte == b'\n');
        let (mut line, mut column) = (0, 0);
        for bytes in lines {
            (line, column) = (line + 1, bytes.len() + 1);
        }
        InvalidJson {
            line,
            column,
            ..error
        }
    }
}

impl<'de> Deserializer<'de> for &mut Reader<'_> {
    type Error = InvalidJson;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, InvalidJson> {
        Err(InvalidJson::custom("a value of this type is not supported"))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, InvalidJson> {
        self.expect(b'{', "an object")?;
        visitor.visit_map(Members {
            reader: self,
            is_first: true,
        })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, InvalidJson> {
        self.deserialize_map(visitor)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, InvalidJson> {
        self.expect(b'[', "a list")?;
        visitor.visit_seq(Members {
            reader: self,
            is_first: true,
        })
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, InvalidJson> {
        self.peek();
        match self.json.get(self.at..).unwrap_or_default() {
            [b'n', b'u', b'l', b'l', ..] => {
                self.at += 4;
                visitor.visit_none()
            }
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, InvalidJson> {
        visitor.visit_string(self.text()?)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, InvalidJson> {
        visitor.visit_string(self.text()?)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, InvalidJson> {
        visitor.visit_str(&self.text()?)
    }

    fn deserialize_u16<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, InvalidJson> {
        visitor.visit_u64(self.number()?)
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, InvalidJson> {
        visitor.visit_u64(self.number()?)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u64 u128 f32 f64 char bytes byte_buf unit unit_struct newtype_struct tuple
        tuple_struct enum ignored_any
    }
}

/// The members of an object or list.
struct Members<'a, 'b> {
    reader: &'a mut Reader<'b>,
    is_first: bool,
}

impl<'de> MapAccess<'de> for Members<'_, '_> {
    type Error = InvalidJson;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, InvalidJson> {
        if self.reader.member(&mut self.is_first, b'}')? {
            seed.deserialize(&mut *self.reader).map(Some)
        } else {
            Ok(None)
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(
        &mut self,
        seed: V,
    ) -> Result<V::Value, InvalidJson> {
        self.reader.expect(b':', "a colon")?;
        seed.deserialize(&mut *self.reader)
    }
}

impl<'de> SeqAccess<'de> for Members<'_, '_> {
    type Error = InvalidJson;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, InvalidJson> {
        if self.reader.member(&mut self.is_first, b']')? {
            seed.deserialize(&mut *self.reader).map(Some)
        } else {
            Ok(None)
        }
    }
}

#[cfg(test)]
mod tests;
