//! Durations, as Go writes them: Kuma and Istio alike.

use std::time::Duration as StdDuration;

use serde::de::{Deserialize, Deserializer};

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

/// Go counts nanoseconds in 64 bits with a sign: some 292 years.
const MOST_NANOSECONDS: f64 = 9.223_372_036_854_775e18;

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
    if sum * 1e9 >= MOST_NANOSECONDS {
        return None;
    }
    // Whole nanoseconds, as in Go: sums of fractions would show.
    Some((sum * 1e9).round() / 1e9)
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self::parse(&text))
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
            ("2562047h", of(9_223_369_200_000)),
            ("2562048h", Duration::Malformed("2562048h".to_owned())),
        ] {
            assert_eq!(Duration::parse(text), duration, "{text}");
        }
    }
}
