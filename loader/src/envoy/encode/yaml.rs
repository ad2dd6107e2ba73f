//! YAML that means the same in 1.1, which Envoy reads, and in 1.2.
//!
//! In 1.1 `y`, `no`, `1:30`, `0x1` and even `127.0.0.1` may be something else than text, so text is plain only where
//! it cannot be anything else. Writers that know 1.2 only cannot promise that.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde_json::Value as Json;

use super::EncodeError;
use super::tree::{self, Tree};
use super::wire::Message;

/// Words that are no text in YAML 1.1, in any case (<https://yaml.org/type/bool.html>, `null.html`).
const WORDS: [&str; 9] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];

/// A document in block style.
pub(super) fn write(message: &Message<'_>) -> Result<String, EncodeError> {
    let mut out = String::new();
    match &tree::open(message)? {
        Tree::Map(fields) if !fields.is_empty() => map(fields, 0, &mut out)?,
        tree => flow(tree, 0, &mut out),
    }
    Ok(out)
}

fn map(fields: &[(String, Tree<'_>)], indent: usize, out: &mut String) -> Result<(), EncodeError> {
    for (i, (name, value)) in fields.iter().enumerate() {
        if i > 0 {
            start_line(indent, out);
        }
        scalar(name, out);
        out.push(':');
        match &*opened(value)? {
            Tree::Map(inner) if !inner.is_empty() => {
                out.push('\n');
                start_line(indent + 2, out);
                map(inner, indent + 2, out)?;
            }
            Tree::List(items) if !items.is_empty() => {
                out.push('\n');
                start_line(indent, out);
                list(items, indent, out)?;
            }
            value => {
                out.push(' ');
                flow(value, indent + 2, out);
            }
        }
    }
    Ok(())
}

fn list(items: &[Tree<'_>], indent: usize, out: &mut String) -> Result<(), EncodeError> {
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            start_line(indent, out);
        }
        out.push_str("- ");
        match &*opened(item)? {
            Tree::Map(fields) if !fields.is_empty() => map(fields, indent + 2, out)?,
            Tree::List(items) if !items.is_empty() => list(items, indent + 2, out)?,
            item => flow(item, indent + 2, out),
        }
    }
    Ok(())
}

fn opened<'t, 'a>(tree: &'t Tree<'a>) -> Result<Cow<'t, Tree<'a>>, EncodeError> {
    Ok(match tree {
        Tree::Closed(message) => Cow::Owned(tree::open(message)?),
        open => Cow::Borrowed(open),
    })
}

/// What ends its line.
fn flow(tree: &Tree<'_>, indent: usize, out: &mut String) {
    match tree {
        Tree::List(_) => out.push_str("[]"),
        Tree::Leaf(Json::String(text)) if is_block(text) => return block(text, indent, out),
        Tree::Leaf(Json::String(text)) => scalar(text, out),
        Tree::Leaf(json) => out.push_str(&json.to_string()),
        Tree::Map(_) | Tree::Closed(_) => out.push_str("{}"),
    }
    out.push('\n');
}

fn start_line(indent: usize, out: &mut String) {
    const SPACES: &str = "                                                                ";
    let mut rest = indent;
    while rest > 0 {
        let some = SPACES.get(..rest).unwrap_or(SPACES);
        out.push_str(some);
        rest -= some.len();
    }
}

fn scalar(text: &str, out: &mut String) {
    if is_plain(text) {
        out.push_str(text);
    } else if text.bytes().all(|byte| is_printable(byte.into())) {
        out.push('\'');
        for (index, part) in text.split('\'').enumerate() {
            out.push_str(if index > 0 { "''" } else { "" });
            out.push_str(part);
        }
        out.push('\'');
    } else {
        quote(text, out);
    }
}

/// Whether nothing but text can be meant, wherever in a block it stands.
fn is_plain(text: &str) -> bool {
    let mut previous = b' ';
    let mut is_text = |b: u8| {
        let begins_value = previous == b':' && b == b' ';
        previous = b;
        let may_be = b.is_ascii_alphanumeric()
            || matches!(
                b,
                b' ' | b'_' | b'.' | b'/' | b':' | b';' | b'=' | b'+' | b'-'
            );
        may_be && !begins_value
    };
    let is_word = || WORDS.iter().any(|word| text.eq_ignore_ascii_case(word));
    let word = text.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '_'))
        && text.bytes().all(&mut is_text)
        && !text.ends_with([' ', ':'])
        && !is_word();
    word || is_duration(text)
}

/// `5s`, `0.250s`.
fn is_duration(text: &str) -> bool {
    let Some(number) = text.strip_suffix('s') else {
        return false;
    };
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    match number.split_once('.') {
        Some((whole, part)) => digits(whole) && digits(part),
        None => digits(number),
    }
}

fn is_printable(c: char) -> bool {
    matches!(c, ' '..='~')
}

/// Whether text is easier to read as lines: certificates and keys.
fn is_block(text: &str) -> bool {
    let lines = text.strip_suffix('\n').unwrap_or(text);
    lines.contains('\n')
        && !text.starts_with([' ', '\n'])
        && !lines.ends_with('\n')
        && lines.chars().all(|c| c == '\n' || is_printable(c))
}

fn block(text: &str, indent: usize, out: &mut String) {
    let (lines, mark) = match text.strip_suffix('\n') {
        Some(lines) => (lines, "|\n"),
        None => (text, "|-\n"),
    };
    out.push_str(mark);
    for line in lines.split('\n') {
        if !line.is_empty() {
            start_line(indent, out);
            out.push_str(line);
        }
        out.push('\n');
    }
}

/// Double quotes, with escapes for everything that a reader could take for a line break or drop.
fn quote(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            _ if is_printable(c) => out.push(c),
            _ => match u32::from(c) {
                code @ ..=0xffff => write!(out, "\\u{code:04x}").unwrap_or_default(),
                code => write!(out, "\\U{code:08x}").unwrap_or_default(),
            },
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn yaml(text: &str) -> String {
        let mut out = String::new();
        flow(&Tree::Leaf(text.into()), 2, &mut out);
        out
    }

    #[test]
    fn plain_only_where_nothing_but_text_can_be_meant() {
        for (text, written) in [
            ("edge-gateway:HTTP:8080", "edge-gateway:HTTP:8080\n"),
            ("Kuma Gateway", "Kuma Gateway\n"),
            ("/a/b", "/a/b\n"),
            ("0.250s", "0.250s\n"),
            ("", "''\n"),
            ("No", "'No'\n"),
            ("y", "'y'\n"),
            ("~", "'~'\n"),
            ("1:30", "'1:30'\n"),
            ("0x1", "'0x1'\n"),
            ("1e3", "'1e3'\n"),
            ("s", "s\n"),
            (".s", "'.s'\n"),
            ("127.0.0.1", "'127.0.0.1'\n"),
            ("*.example.com", "'*.example.com'\n"),
            ("@type", "'@type'\n"),
            ("a: b", "'a: b'\n"),
            ("a:", "'a:'\n"),
            ("a #b", "'a #b'\n"),
            ("it's", "'it''s'\n"),
            (r#"{"a":1}"#, "'{\"a\":1}'\n"),
            ("one line\n", "\"one line\\n\"\n"),
            ("a\u{2028}b", "\"a\\u2028b\"\n"),
            ("\u{1f600}", "\"\\U0001f600\"\n"),
            ("a\nb\n", "|\n  a\n  b\n"),
            ("a\n\n b", "|-\n  a\n\n   b\n"),
            (" a\nb", "\" a\\nb\"\n"),
            ("a\nb\n\n", "\"a\\nb\\n\\n\"\n"),
        ] {
            assert_eq!(yaml(text), written, "{text:?}");
        }
    }
}
