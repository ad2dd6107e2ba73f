//! Prefixes that hold later prefixes (`genMatchHTTPRoutes` and `coveredValidation`).

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::resources::istio::http_route::{HttpMatch, HttpRoute, StringMatch};
use crate::resources::report::Report;
use crate::source::Path;

use super::unreachable::{ineffective, rule_name};

/// So many earlier matches of one are named; further ones say nothing new.
const MOST: usize = 8;

/// A match by prefix, as far as Istio looks at it.
struct Entry<'a> {
    path: Path,
    rule: String,
    name: String,
    prefix: &'a str,
    port: u32,
    method: String,
    authority: String,
    headers: BTreeMap<&'a str, String>,
    query: BTreeMap<&'a str, String>,
    without: BTreeMap<&'a str, String>,
}

/// What is the same in two entries of which one holds the other, but that its prefix is longer: the prefix, the port,
/// and the names of headers and parameters.
type Key<'a> = (&'a str, u32, [Vec<&'a str>; 3]);

impl<'a> Entry<'a> {
    fn key(&self, prefix: &'a str) -> Key<'a> {
        let lists = [&self.headers, &self.query, &self.without];
        let names = lists.map(|list| list.keys().copied().collect());
        (prefix, self.port, names)
    }
}

/// Names matches that hold nothing which an earlier one does not hold.
pub(super) fn check(report: &mut Report<'_>, routes: &[HttpRoute]) {
    let mut entries: Vec<Entry<'_>> = Vec::new();
    let mut by_key: HashMap<Key<'_>, Vec<usize>> = HashMap::new();
    // What is there already is named as that.
    let mut seen = HashSet::new();
    for (index, route) in routes.iter().enumerate() {
        if route.matches.is_empty() {
            break;
        }
        for (at, of) in route.matches.iter().enumerate() {
            let nameless = HttpMatch {
                name: String::new(),
                ..of.clone()
            };
            if !seen.insert(nameless) {
                continue;
            }
            let Some(entry) = entry(route, of, index, at) else {
                continue;
            };
            // Only these can hold it.
            let lengths = entry.prefix.char_indices().map(|(at, _)| at);
            let shorter = lengths.filter_map(|at| by_key.get(&entry.key(entry.prefix.get(..at)?)));
            let mut shorter: Vec<usize> = shorter.flatten().copied().collect();
            shorter.sort_unstable();
            let shorter = shorter.into_iter().filter_map(|place| entries.get(place));
            for first in shorter.filter(|first| covers(first, &entry)).take(MOST) {
                let said = format!("{} of prefix {}", entry.name, entry.prefix);
                let before = format!(
                    "{} of prefix {} on {}",
                    first.name, first.prefix, first.rule
                );
                ineffective(report, &entry.path, &entry.rule, &said, &before);
            }
            let known = by_key.entry(entry.key(entry.prefix)).or_default();
            known.push(entries.len());
            entries.push(entry);
        }
    }
}

fn entry<'a>(route: &HttpRoute, of: &'a HttpMatch, index: usize, at: usize) -> Option<Entry<'a>> {
    let prefix = of.uri.as_ref()?.prefix.as_deref()?;
    if prefix.is_empty() {
        return None;
    }
    let method = match written(of.method.as_ref()) {
        method if method.is_empty() => "exact:GET".to_owned(),
        method => method,
    };
    Some(Entry {
        path: Path::of("http").index(index).field("match").index(at),
        rule: rule_name(&route.name, index),
        name: rule_name(&of.name, at),
        prefix,
        port: of.port,
        method,
        authority: written(of.authority.as_ref()),
        headers: all(&of.headers),
        query: all(&of.query_params),
        without: all(&of.without_headers),
    })
}

fn all(matches: &BTreeMap<String, StringMatch>) -> BTreeMap<&str, String> {
    let entries = matches.iter();
    entries
        .map(|(name, text)| (name.as_str(), written(Some(text))))
        .collect()
}

/// `assignExactOrPrefix`, and regular expressions.
fn written(text: Option<&StringMatch>) -> String {
    let Some(text) = text else {
        return String::new();
    };
    match (&text.exact, &text.prefix, &text.regex) {
        (Some(exact), _, _) if !exact.is_empty() => format!("exact:{exact}"),
        (_, Some(prefix), _) if !prefix.is_empty() => format!("prefix:{prefix}"),
        (_, _, Some(regex)) => format!("regex:{regex}"),
        _ => String::new(),
    }
}

/// Whether `first` holds all that `second` holds.
fn covers(first: &Entry<'_>, second: &Entry<'_>) -> bool {
    let lists = [
        (&first.headers, &second.headers),
        (&first.query, &second.query),
        (&first.without, &second.without),
    ];
    second.prefix.starts_with(first.prefix)
        && first.port == second.port
        && first.method.starts_with(&second.method)
        && is_wider(&first.authority, &second.authority)
        && lists.into_iter().all(|(first, second)| {
            first.len() == second.len()
                && first.iter().all(|(name, text)| {
                    let other = second.get(name);
                    other.is_some_and(|other| is_wider(text, other))
                })
        })
}

/// As Istio compares texts, with one difference: it takes all expressions for the same, and none for them.
fn is_wider(first: &str, second: &str) -> bool {
    first.starts_with(second) || first.is_empty() && second.starts_with("regex:")
}
