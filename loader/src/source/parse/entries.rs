//! The entries of a mapping: each name once, and what `<<` brings.

use std::collections::{HashMap, HashSet};

use crate::diagnostic::{Code, Diagnostic};
use crate::source::{Key, Node, Span, Value};

/// The entries that stay: of several with one name the last, and of merged ones those with new names.
///
/// Kuma reads files and its API with `sigs.k8s.io/yaml` without `Strict` (`pkg/core/resources/model/rest` and
/// `pkg/util/proto` at 2.14.3), which takes the last one in silence.
///
/// Merge keys are YAML 1.1, which Kuma's reader takes (<https://yaml.org/type/merge.html>).
pub(super) fn settle(
    entries: Vec<(Key, Node)>,
    merged: Vec<Node>,
    findings: &mut Vec<Diagnostic>,
) -> Vec<(Key, Node)> {
    if merged.is_empty() && are_unique(&entries) {
        return entries;
    }
    let mut names = HashMap::with_capacity(entries.len());
    let mut kept: Vec<(Key, Node)> = Vec::with_capacity(entries.len());
    for (key, value) in entries {
        let first = names
            .get(&key.name)
            .and_then(|at: &usize| kept.get_mut(*at));
        if let Some(first) = first {
            let message = format!(
                "`{}` is given twice: what it said before has no effect",
                key.name
            );
            findings.push(
                Diagnostic::warning(Code::DuplicateKey, message)
                    .at(key.span)
                    .label("this one is taken, as on Kuma")
                    .also(
                        first.0.span,
                        "this one is not, with all that stands below it",
                    )
                    .help("remove one of the two, or bring them together"),
            );
            *first = (key, value);
        } else {
            names.insert(key.name.clone(), kept.len());
            kept.push((key, value));
        }
    }
    let mut names: HashSet<String> = names.into_keys().collect();
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

/// Whether each name is there once, as nearly always. Of a few names each is compared with each: to hash them takes
/// longer.
fn are_unique(entries: &[(Key, Node)]) -> bool {
    const FEW: usize = 16;
    let names = || entries.iter().map(|(key, _)| key.name.as_str());
    if entries.len() > FEW {
        let mut seen = HashSet::with_capacity(entries.len());
        return names().all(|name| seen.insert(name));
    }
    let is_new = |(at, name)| !names().take(at).any(|other| other == name);
    names().enumerate().all(is_new)
}

/// The address in `[fd00::, 10.0.0.0]`, which is a map of `fd00:` and nothing to YAML 1.2. To go-yaml, which reads for
/// Kuma, Istio and Kubernetes, a colon inside of `[]` ends a word only before a space.
pub(super) fn word(entries: &[(Key, Node)], start: usize) -> Option<Value> {
    let [(key, value)] = entries else { return None };
    let is_plain = key.span.start == start && key.span.end - key.span.start == key.name.len();
    let is_word = is_plain && key.name.ends_with(':') && matches!(value.value, Value::Null);
    is_word.then(|| Value::Scalar {
        text: format!("{}:", key.name),
        plain: true,
    })
}

pub(super) fn unusable_key(span: Span) -> Diagnostic {
    Diagnostic::error(Code::UnusableKey, "a key has to be a text")
        .at(span)
        .help("quote it; if `{{ }}` is part of a template, render the template first")
}
