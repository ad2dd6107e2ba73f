//! Findings as texts: for people, and for programs.

mod excerpt;
mod human;
mod json;
mod sarif;

use std::borrow::Cow;

pub use human::human;
pub use json::json;
pub use sarif::sarif;

use super::{Diagnostic, Severity};

/// Puts findings in the order of files, and in each file from top to bottom; those without a place come first.
pub fn sort(findings: &mut [Diagnostic]) {
    findings.sort_by(|a, b| {
        let place = |finding: &Diagnostic| finding.span.map(|span| (span.file, span.start));
        place(a)
            .cmp(&place(b))
            .then(a.code.cmp(&b.code))
            .then_with(|| a.message.cmp(&b.message))
    });
}

/// The last line: `1 error, 2 warnings in 3 files (7 resources)`.
pub fn summary(findings: &[Diagnostic], files: usize, resources: usize) -> String {
    let count = |severity| {
        findings
            .iter()
            .filter(|finding| finding.severity == severity)
            .count()
    };
    let parts: Vec<_> = [
        (count(Severity::Error), "error"),
        (count(Severity::Warning), "warning"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, noun)| plural(count, noun))
    .collect();
    let files = plural(files, "file");
    let resources = plural(resources, "resource");
    if parts.is_empty() {
        format!("{files}, {resources}, no findings")
    } else {
        format!("{} in {files} ({resources})", parts.join(", "))
    }
}

fn plural(count: usize, noun: &str) -> String {
    match count {
        1 => format!("1 {noun}"),
        _ => format!("{count} {noun}s"),
    }
}

/// The text without what a terminal would obey or read backwards. Each such character becomes one other, so that
/// columns stay.
fn clean(text: &str) -> Cow<'_, str> {
    let is_bad = |c: char| {
        (c.is_control() && c != '\t')
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    if text.contains(is_bad) {
        Cow::Owned(text.replace(is_bad, "\u{fffd}"))
    } else {
        Cow::Borrowed(text)
    }
}

#[cfg(test)]
mod tests;
