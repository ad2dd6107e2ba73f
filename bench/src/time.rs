//! Times in the JSON file: numbers in the unit that one thinks of them in.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serializer};

macro_rules! unit {
    ($name:ident, $in_a_second:literal) => {
        pub(crate) mod $name {
            use super::{Deserialize, Deserializer, Duration, Serializer};

            pub(crate) fn serialize<S: Serializer>(
                time: &Duration,
                to: S,
            ) -> Result<S::Ok, S::Error> {
                to.serialize_f64(time.as_secs_f64() * $in_a_second)
            }

            pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
                from: D,
            ) -> Result<Duration, D::Error> {
                let seconds = f64::deserialize(from)? / $in_a_second;
                Duration::try_from_secs_f64(seconds).map_err(serde::de::Error::custom)
            }
        }
    };
}

unit!(microseconds, 1e6);
unit!(milliseconds, 1e3);
unit!(nanoseconds, 1e9);
