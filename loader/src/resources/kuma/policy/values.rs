//! Values of policies.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Visitor};

use crate::resources::Duration;

/// Something that another policy can change in parts: what it leaves out stays.
///
/// Kuma merges policies as JSON documents (`pkg/plugins/policies/core/rules/merge` at 2.14.3): maps field by field, and
/// everything else, lists included, as a whole.
pub trait Overlay: Clone {
    /// Takes over what `other` says.
    fn overlay(&mut self, other: &Self) {
        self.clone_from(other);
    }
}

impl<T: Overlay> Overlay for Option<T> {
    fn overlay(&mut self, other: &Self) {
        match (self, other) {
            (Some(own), Some(other)) => own.overlay(other),
            (own @ None, Some(_)) => own.clone_from(other),
            (_, None) => {}
        }
    }
}

impl<T: Clone> Overlay for Vec<T> {}
impl Overlay for bool {}
impl Overlay for u32 {}
impl Overlay for i32 {}
impl Overlay for i64 {}
impl Overlay for String {}
impl Overlay for Duration {}
impl Overlay for Fraction {}

/// Implements [`Overlay`] for a struct of optional fields.
macro_rules! overlay {
    ($($name:ident { $($field:ident),+ $(,)? })+) => {
        $(impl $crate::resources::kuma::policy::Overlay for $name {
            fn overlay(&mut self, other: &Self) {
                $($crate::resources::kuma::policy::Overlay::overlay(&mut self.$field, &other.$field);)+
            }
        })+
    };
}
pub(crate) use overlay;

/// A number that Kuma takes as a whole number or as a text with decimals (`intstr.IntOrString`).
#[derive(Clone, Debug, PartialEq)]
pub enum Fraction {
    /// This number.
    Of(f64),
    /// Something else.
    Malformed(String),
}

impl Fraction {
    /// The number, if it is one.
    pub fn get(&self) -> Option<f64> {
        match self {
            Self::Of(number) => Some(*number),
            Self::Malformed(_) => None,
        }
    }
}

impl Default for Fraction {
    fn default() -> Self {
        Self::Of(0.0)
    }
}

impl<'de> Deserialize<'de> for Fraction {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Number)
    }
}

struct Number;

impl Visitor<'_> for Number {
    type Value = Fraction;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number")
    }

    fn visit_str<E>(self, text: &str) -> Result<Fraction, E> {
        let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
        Ok(number.map_or_else(|| Fraction::Malformed(text.to_owned()), Fraction::Of))
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "percentages and factors are small"
    )]
    fn visit_i64<E>(self, number: i64) -> Result<Fraction, E> {
        Ok(Fraction::Of(number as f64))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Fraction, E> {
        Ok(Fraction::Of(number))
    }

    fn visit_unit<E>(self) -> Result<Fraction, E> {
        Ok(Fraction::default())
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Fraction, E> {
        Ok(Fraction::Malformed(truth.to_string()))
    }
}
