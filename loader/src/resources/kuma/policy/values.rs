//! Values of policies.

use std::fmt;
use std::time::Duration as StdDuration;

use serde::de::{Deserialize, Deserializer, Visitor};

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

/// A duration as Go writes it: `1h30m`, `0.5s`, `250ms`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Duration {
    /// This long.
    Of(StdDuration),
    /// Less than nothing.
    Negative,
    /// Something else.
    Malformed(String),
}

impl Duration {
    /// How long, if that can be.
    pub fn get(&self) -> Option<StdDuration> {
        match self {
            Self::Of(duration) => Some(*duration),
            Self::Negative | Self::Malformed(_) => None,
        }
    }

    fn parse(text: &str) -> Self {
        let (sign, digits) = match text.strip_prefix('-') {
            Some(rest) => (-1.0, rest),
            None => (1.0, text.strip_prefix('+').unwrap_or(text)),
        };
        match seconds(digits) {
            Some(seconds) if seconds * sign < 0.0 => Self::Negative,
            Some(seconds) => StdDuration::try_from_secs_f64(seconds)
                .map_or_else(|_| Self::Malformed(text.to_owned()), Self::Of),
            None => Self::Malformed(text.to_owned()),
        }
    }
}

/// `time.ParseDuration` without a sign.
fn seconds(mut text: &str) -> Option<f64> {
    if text == "0" {
        return Some(0.0);
    }
    if text.is_empty() {
        return None;
    }
    let mut sum = 0.0;
    while !text.is_empty() {
        let is_number = |c: char| c.is_ascii_digit() || c == '.';
        let (number, rest) = text.split_at(text.find(|c| !is_number(c))?);
        let (unit, rest) = rest.split_at(rest.find(is_number).unwrap_or(rest.len()));
        let factor = match unit {
            "ns" => 1e-9,
            "us" | "µs" | "μs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        sum += number.parse::<f64>().ok()? * factor;
        text = rest;
    }
    // Whole nanoseconds, as in Go: sums of fractions would show.
    Some((sum * 1e9).round() / 1e9)
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self::parse(&text))
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_reads_them() {
        let of = |millis| Duration::Of(StdDuration::from_millis(millis));
        for (text, duration) in [
            ("0", of(0)),
            ("0s", of(0)),
            ("15s", of(15_000)),
            ("0.5s", of(500)),
            ("1h30m", of(5_400_000)),
            ("250ms", of(250)),
            ("-1s", Duration::Negative),
            ("-0s", of(0)),
            ("", Duration::Malformed(String::new())),
            ("5", Duration::Malformed("5".to_owned())),
            ("5 s", Duration::Malformed("5 s".to_owned())),
            ("5d", Duration::Malformed("5d".to_owned())),
        ] {
            assert_eq!(Duration::parse(text), duration, "{text}");
        }
    }
}
