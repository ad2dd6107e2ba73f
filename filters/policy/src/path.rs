//! The paths that rules speak of, compared by segments.
//!
//! Servers differ in how they read `//`, `/./`, `/..`, `%2e`, `%2f`, `;` and double encoding, and whatever a backend
//! reads differently from us is a way round a rule. Envoy as the loader configures it has resolved most of it before
//! the filter sees the path (`normalize_path`, `merge_slashes`, `path_with_escaped_slashes_action`); what is left, or
//! comes through another configuration, is refused.

/// A path without its query, which every server reads in one way only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Path<'a>(&'a [u8]);

impl<'a> Path<'a> {
    /// Reads a request's `:path`.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, AmbiguousPath> {
        let end = bytes.iter().position(|&byte| byte == b'?');
        let path = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default();
        let segments = path.strip_prefix(b"/").ok_or(AmbiguousPath)?;
        let mut rest = segments.split(|&byte| byte == b'/').peekable();
        while let Some(segment) = rest.next() {
            // Only the last one may be empty: the path ends with a slash.
            let is_empty = segment.is_empty() && rest.peek().is_some();
            if is_empty || matches!(segment, b"." | b"..") || !is_plain(segment) {
                return Err(AmbiguousPath);
            }
        }
        Ok(Self(path))
    }

    fn decoded(self) -> impl Iterator<Item = u8> {
        decode(self.0)
    }
}

/// Whether nothing in the segment has a second meaning.
fn is_plain(segment: &[u8]) -> bool {
    let mut rest = segment;
    while let [first, after @ ..] = rest {
        rest = after;
        match first {
            b'\\' | b';' | b'#' | b'?' | 0..=b' ' | 0x7f.. => return false,
            b'%' => {
                let Some((byte, after)) = escaped(rest) else {
                    return false;
                };
                // Unreserved bytes need no escape (RFC 3986 §2.3), and those that separate must not come through one.
                let separates = matches!(byte, b'/' | b'\\' | b';' | b'%' | b'?' | b'#');
                let is_unreserved =
                    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
                if separates || is_unreserved || byte.is_ascii_control() {
                    return false;
                }
                rest = after;
            }
            _ => {}
        }
    }
    true
}

/// The byte that two hexadecimal digits stand for, and what follows them.
fn escaped(digits: &[u8]) -> Option<(u8, &[u8])> {
    let [high, low, rest @ ..] = digits else {
        return None;
    };
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let byte = digit(high)? << 4 | digit(low)?;
    Some((u8::try_from(byte).ok()?, rest))
}

fn decode(mut rest: &[u8]) -> impl Iterator<Item = u8> {
    core::iter::from_fn(move || {
        let (&first, after) = rest.split_first()?;
        let (byte, after) = match first {
            b'%' => escaped(after)?,
            _ => (first, after),
        };
        rest = after;
        Some(byte)
    })
}

/// Whether `A` and `a` are one letter. To some servers they are, so what is forbidden is forbidden in both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    /// They are two.
    Kept,
    /// They are one.
    Ignored,
}

/// A path and everything below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPrefix(Box<[u8]>);

impl PathPrefix {
    /// Reads a path; a slash at its end means nothing.
    pub fn parse(text: &str) -> Result<Self, AmbiguousPath> {
        if text.contains('?') {
            return Err(AmbiguousPath);
        }
        let mut bytes: Vec<u8> = Path::parse(text.as_bytes())?.decoded().collect();
        if bytes.ends_with(b"/") {
            bytes.pop();
        }
        Ok(Self(bytes.into()))
    }

    /// Whether the path is this one or below it.
    pub fn holds(&self, path: Path<'_>, case: Case) -> bool {
        let mut bytes = path.decoded();
        let is_next = |own: &u8| {
            bytes.next().is_some_and(|byte| match case {
                Case::Kept => byte == *own,
                Case::Ignored => byte.eq_ignore_ascii_case(own),
            })
        };
        self.0.iter().all(is_next) && bytes.next().is_none_or(|byte| byte == b'/')
    }
}

/// A path that can be read in more than one way, or is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the path can be read in more than one way")]
pub struct AmbiguousPath;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_hold_whole_segments() {
        for (prefix, path, holds) in [
            ("/v1", "/v1", true),
            ("/v1", "/v1/", true),
            ("/v1", "/v1/users?a=/../b", true),
            ("/v1", "/v1?a", true),
            ("/v1", "/v10", false),
            ("/v1", "/V1", false),
            ("/v1", "/", false),
            ("/v1/", "/v1", true),
            ("/v1/", "/v10", false),
            ("/", "/", true),
            ("/", "/anything", true),
            ("/a%20b", "/a%20b/c", true),
            ("/%c3%a9", "/%C3%A9", true),
            ("/v1", "/v1:batch", false),
        ] {
            let prefix = PathPrefix::parse(prefix).unwrap();
            let path = Path::parse(path.as_bytes()).unwrap();
            assert_eq!(prefix.holds(path, Case::Kept), holds, "{prefix:?} {path:?}");
        }
    }

    #[test]
    fn letters_of_both_cases() {
        let prefix = PathPrefix::parse("/Admin").unwrap();
        let path = Path::parse(b"/aDMIN/x").unwrap();
        assert!(prefix.holds(path, Case::Ignored));
        assert!(!prefix.holds(path, Case::Kept));
    }

    #[test]
    fn what_servers_read_differently_is_refused() {
        for path in [
            "",
            "*",
            "v1",
            "http://a/v1",
            "//",
            "//v1",
            "/v1//users",
            "/./v1",
            "/v1/.",
            "/v1/..",
            "/v1/../admin",
            "/%2e%2e/admin",
            "/%2E/admin",
            "/.%2e/admin",
            "/v1%2fusers",
            "/v1%5cusers",
            "/v1\\users",
            "/v1;a=b/users",
            "/v1%3ba",
            "/%252e%252e/admin",
            "/%61dmin",
            "/a%00b",
            "/a%0ab",
            "/a%",
            "/a%2",
            "/a%zz",
            "/a#b",
            "/a b",
            "/a\u{e9}",
            "/a%3f",
            "/%7eroot",
        ] {
            assert_eq!(Path::parse(path.as_bytes()), Err(AmbiguousPath), "{path}");
        }
    }
}
