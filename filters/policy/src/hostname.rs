//! A DNS name as a request or a configuration names it.

use core::fmt;

/// The longest DNS name in its text form (RFC 1035 §2.3.4, without the root's dot).
pub const MAX_LENGTH: usize = 253;

/// A name in lower case, without port and without trailing dot: labels of `a-z`, `0-9`, `-` and `_`, none of them
/// empty, 253 bytes at most.
///
/// Lower case because names compare without regard to case (RFC 4343); `_` because Envoy and real hosts have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hostname<'a>(&'a str);

impl<'a> Hostname<'a> {
    /// Checks `text` and puts it into lower case, in place.
    pub fn parse(text: &'a mut [u8]) -> Result<Self, InvalidHostname> {
        text.make_ascii_lowercase();
        Self::from_lower_case(text)
    }

    /// Checks `text`, which has to be in lower case already.
    pub fn from_lower_case(text: &'a [u8]) -> Result<Self, InvalidHostname> {
        if text.is_empty() {
            return Err(InvalidHostname::Empty);
        }
        if text.len() > MAX_LENGTH {
            return Err(InvalidHostname::TooLong);
        }
        let mut label_is_empty = true;
        for &byte in text {
            match byte {
                b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => label_is_empty = false,
                b'.' if label_is_empty => return Err(InvalidHostname::EmptyLabel),
                b'.' => label_is_empty = true,
                _ => return Err(InvalidHostname::InvalidByte(byte)),
            }
        }
        if label_is_empty {
            return Err(InvalidHostname::EmptyLabel);
        }
        // ASCII by the loop above, so this cannot fail.
        core::str::from_utf8(text)
            .map(Self)
            .map_err(|_| InvalidHostname::Empty)
    }

    /// The name as text.
    pub fn as_str(self) -> &'a str {
        self.0
    }

    /// The names above this one, the longest first: `b.c` and `c` for `a.b.c`.
    pub fn parents(self) -> impl Iterator<Item = Hostname<'a>> {
        let mut rest = self.0;
        core::iter::from_fn(move || {
            let (_, parent) = rest.split_once('.')?;
            rest = parent;
            Some(Hostname(parent))
        })
    }
}

impl fmt::Display for Hostname<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// Why a text is no host name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHostname {
    /// Nothing is there.
    #[error("the host is empty")]
    Empty,
    /// Two dots in a row, or one at an end.
    #[error("the host has an empty label")]
    EmptyLabel,
    /// More than [`MAX_LENGTH`] bytes.
    #[error("the host is longer than {MAX_LENGTH} bytes")]
    TooLong,
    /// A byte that no host name has.
    #[error("the host has the byte 0x{0:02x}, which no host name has")]
    InvalidByte(u8),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<String, InvalidHostname> {
        let mut bytes = text.as_bytes().to_vec();
        Hostname::parse(&mut bytes).map(|name| name.to_string())
    }

    #[test]
    fn lower_case() {
        assert_eq!(parse("Foo.EXAMPLE.com"), Ok("foo.example.com".into()));
    }

    #[test]
    fn refuses_what_is_no_name() {
        assert_eq!(parse(""), Err(InvalidHostname::Empty));
        for text in [".", "..", "a..b", ".a", "a."] {
            assert_eq!(parse(text), Err(InvalidHostname::EmptyLabel), "{text}");
        }
        for text in ["a,b", "a b", "a/b", "a\\b", "*.a", "a%2eb", "ä.b", "a\0"] {
            assert!(
                matches!(parse(text), Err(InvalidHostname::InvalidByte(_))),
                "{text}"
            );
        }
    }

    #[test]
    fn length_limit() {
        let label = "a".repeat(63);
        let longest = format!("{label}.{label}.{label}.{}", "a".repeat(61));
        assert_eq!(longest.len(), MAX_LENGTH);
        assert!(parse(&longest).is_ok());
        assert_eq!(parse(&format!("{longest}a")), Err(InvalidHostname::TooLong));
    }

    #[test]
    fn parents_from_longest_to_shortest() {
        let name = Hostname::from_lower_case(b"a.b.c").unwrap();
        let parents: Vec<_> = name.parents().map(Hostname::as_str).collect();
        assert_eq!(parents, ["b.c", "c"]);
    }
}
