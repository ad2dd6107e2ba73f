//! What Kuma's YAML reader takes a scalar for.

/// The type of a scalar in YAML 1.1, which is what sigs.k8s.io/yaml reads before Kuma sees JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scalar {
    Text,
    Number,
    Truth(bool),
}

impl Scalar {
    pub(super) fn of(text: &str, plain: bool) -> Self {
        if !plain {
            return Self::Text;
        }
        match text {
            "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
                Self::Truth(true)
            }
            "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off"
            | "OFF" => Self::Truth(false),
            _ if is_number(text) => Self::Number,
            _ => Self::Text,
        }
    }

    pub(super) fn noun(self) -> &'static str {
        match self {
            Self::Text => "a text",
            Self::Number => "a number",
            Self::Truth(_) => "a truth value",
        }
    }
}

/// Whether it is a whole number as everybody writes it: no sign but `-`, no leading zero (octal in YAML 1.1).
pub(super) fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty()
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && (digits == "0" || !digits.starts_with('0'))
}

fn is_number(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if !unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return false;
    }
    let bare = unsigned.replace('_', "");
    let radix = |prefix, radix| {
        bare.strip_prefix(prefix)
            .is_some_and(|digits| u128::from_str_radix(digits, radix).is_ok())
    };
    let words = [".inf", ".Inf", ".INF", ".nan", ".NaN", ".NAN"];
    // Rust's own floats are those of YAML but for words like `inf`, which begin with no digit.
    bare.parse::<f64>().is_ok()
        || radix("0x", 16)
        || radix("0o", 8)
        || radix("0b", 2)
        || words.contains(&unsigned)
}
