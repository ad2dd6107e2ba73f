//! The entries of a mapping: each name once, and what `<<` brings.

use std::collections::HashSet;

use crate::diagnostic::{Code, Diagnostic};
use crate::source::{Key, Node, Value};

/// The entries that stay: of several with one name the first, and of merged ones those with new names.
///
/// Merge keys are YAML 1.1, which Kuma's reader takes (<https://yaml.org/type/merge.html>).
pub(super) fn settle(
    entries: Vec<(Key, Node)>,
    merged: Vec<Node>,
    findings: &mut Vec<Diagnostic>,
) -> Vec<(Key, Node)> {
    let mut names = HashSet::with_capacity(entries.len());
    let mut kept = Vec::with_capacity(entries.len());
    for (key, value) in entries {
        if names.contains(&key.name) {
            findings.push(
                Diagnostic::error(Code::DuplicateKey, format!("`{}` is given twice", key.name))
                    .at(key.span)
                    .label("each key once: readers differ in which of two they take"),
            );
        } else {
            names.insert(key.name.clone());
            kept.push((key, value));
        }
    }
    for node in merged {
        let sources = match node.value {
            Value::Sequence(items) => items,
            _ => vec![node],
        };
        for source in sources {
            if let Value::Mapping(inherited) = source.value {
                let new = inherited
                    .into_iter()
                    .filter(|(key, _)| names.insert(key.name.clone()));
                kept.extend(new);
            } else if !matches!(source.value, Value::Null) {
                findings.push(
                    Diagnostic::error(Code::Alias, "`<<` takes a map or a list of maps")
                        .at(source.span),
                );
            }
        }
    }
    kept
}
