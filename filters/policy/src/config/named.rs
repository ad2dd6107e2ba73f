//! Values that are one of a few names.
//!
//! What serde derives for such types is ten times the code, in every filter.

use serde::{Deserialize, Deserializer};

/// Makes a type readable whose values are names.
macro_rules! named {
    ($type:ident { $($name:literal => $value:ident),+ $(,)? }) => {
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let name = $crate::config::named::read(from)?;
                match &*name {
                    $($name => Ok(Self::$value),)+
                    _ => Err(serde::de::Error::unknown_variant(&name, &[$($name),+])),
                }
            }
        }
    };
}

pub(super) use named;

/// Reads a name.
pub(super) fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Box<str>, D::Error> {
    Box::deserialize(from)
}
