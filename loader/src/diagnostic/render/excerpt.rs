//! The line that a finding points at, as far as it may be shown.

use std::collections::HashMap;
use std::ops::Range;

use crate::source::{FileId, Sources, Span};

use super::clean;

/// Longer lines are not shown: they are generated, and nobody reads them.
const MAX_LINE_BYTES: usize = 1000;

const REDACTED: &str = "<redacted>";

/// Keys whose values are shown in a document that has a Secret.
const HARMLESS: &[&str] = &[
    "apiVersion",
    "conf",
    "hostname",
    "items",
    "kind",
    "labels",
    "match",
    "mesh",
    "metadata",
    "mode",
    "name",
    "namespace",
    "networking",
    "port",
    "protocol",
    "selectors",
    "spec",
    "tags",
    "type",
];

/// A line, and the part of it that is meant.
pub(super) struct Excerpt {
    pub(super) text: String,
    pub(super) marked: Range<usize>,
    pub(super) line: usize,
}

/// Makes excerpts, and remembers which parts of files hold secrets.
pub(super) struct Excerpts<'a> {
    sources: &'a Sources,
    secret: HashMap<FileId, Vec<Range<usize>>>,
}

impl<'a> Excerpts<'a> {
    pub(super) fn new(sources: &'a Sources) -> Self {
        Self {
            sources,
            secret: HashMap::new(),
        }
    }

    /// The line at `span`; nothing if it is too long.
    pub(super) fn of(&mut self, span: Span) -> Option<Excerpt> {
        let text = &self.sources.file(span.file).text;
        let start = text.floor_char_boundary(span.start);
        let line_start = text[..start].rfind('\n').map_or(0, |end| end + 1);
        let rest = &text[line_start..];
        let line = rest.split('\n').next().unwrap_or_default();
        let line = line.strip_suffix('\r').unwrap_or(line);
        if line.len() > MAX_LINE_BYTES {
            return None;
        }
        let from = (start - line_start).min(line.len());
        let to = text
            .floor_char_boundary(span.end)
            .saturating_sub(line_start)
            .clamp(from, line.len());
        let is_secret = self
            .secret
            .entry(span.file)
            .or_insert_with(|| secret_documents(text))
            .iter()
            .any(|range| range.contains(&line_start));
        let (line, marked) = match visible(line, is_secret) {
            visible if visible == line.len() => (line.to_owned(), from..to),
            visible => {
                let hidden = format!("{}{REDACTED}", &line[..visible]);
                let marked = if to <= visible {
                    from..to
                } else {
                    visible..hidden.len()
                };
                (hidden, marked)
            }
        };
        let before = clean(&line[..marked.start]);
        let inside = clean(&line[marked.clone()]);
        let after = clean(&line[marked.end..]);
        Some(Excerpt {
            marked: before.len()..before.len() + inside.len(),
            text: format!("{before}{inside}{after}"),
            line: self.sources.line_column(span).0,
        })
    }
}

/// How much of a line may be shown.
fn visible(line: &str, is_secret: bool) -> usize {
    let indent = line.len() - line.trim_start_matches([' ', '-']).len();
    let entry = line[indent..].split_once(": ").map(|(key, _)| key);
    let value_start = entry.map_or(indent, |key| indent + key.len() + 2);
    let key = entry.or_else(|| line[indent..].trim_end().strip_suffix(':'));
    let is_key_only = entry.is_none() && key.is_some();
    let harmless = |key: &str| HARMLESS.contains(&key) || key.starts_with("kuma.io/");
    let value = &line[value_start..];
    let is_hidden = match key.map(|key| key.trim_matches(['"', '\''])) {
        Some(key) if is_secret && !harmless(key) => true,
        None if is_secret => true,
        _ => value.contains('{') && is_secret || looks_secret(value),
    };
    let shown = if is_hidden && !is_key_only {
        value_start
    } else {
        line.len()
    };
    // `inline: …` and `inlineString: …`, in a map of one line too.
    let inline = line.find("inline").and_then(|at| {
        let end = at + line[at..].find(':')? + 1;
        (!line[end..].trim().is_empty()).then_some(end)
    });
    inline.map_or(shown, |end| shown.min(end))
}

/// Long runs of base64, and PEM.
fn looks_secret(value: &str) -> bool {
    let is_symbol = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=');
    value.contains("PRIVATE KEY") || value.split(|c| !is_symbol(c)).any(|run| run.len() >= 60)
}

/// The documents, and the items of lists, that hold a Secret. They may be broken, so this looks at the text.
fn secret_documents(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut start = 0;
    let mut is_secret = false;
    let mut at = 0;
    let mut is_list = false;
    // The column of the list's items.
    let mut item = None;
    for line in text.split_inclusive('\n') {
        let column = line.len() - line.trim_start_matches(' ').len();
        let is_entry = line[column..].starts_with("- ");
        if line.starts_with("---") {
            (is_list, item) = (false, None);
        } else if line.starts_with("items:") {
            is_list = true;
        } else if is_list && is_entry && item.is_none() {
            item = Some(column);
        }
        let is_item = is_entry && item == Some(column);
        if line.starts_with("---") || is_item {
            if is_secret {
                found.push(start..at);
            }
            (start, is_secret) = (at, false);
        }
        is_secret |= line.contains("Secret") && (line.contains("kind") || line.contains("type"));
        at += line.len();
    }
    if is_secret {
        found.push(start..at + 1);
    }
    found
}
