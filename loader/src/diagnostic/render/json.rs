//! Findings as a JSON array.

use serde::Serialize;

use crate::diagnostic::{Diagnostic, Severity};
use crate::source::Sources;

use super::clean;

#[derive(Serialize)]
struct Finding<'a> {
    code: String,
    severity: &'static str,
    message: String,
    file: Option<&'a str>,
    line: Option<usize>,
    column: Option<usize>,
    resource: Option<&'a str>,
    path: &'a str,
    help: Option<&'a str>,
}

/// An array of objects with `code`, `severity`, `message`, `file`, `line`, `column`, `resource`, `path` and `help`;
/// what a finding does not have is null. Lines and columns are counted from 1, columns in characters.
pub fn json(sources: &Sources, findings: &[Diagnostic]) -> String {
    let findings: Vec<_> = findings
        .iter()
        .map(|finding| {
            let place = finding.span.map(|span| sources.line_column(span));
            Finding {
                code: finding.code.to_string(),
                severity: match finding.severity {
                    Severity::Error => "error",
                    Severity::Warning => "warning",
                },
                message: clean(&finding.message).into_owned(),
                file: finding
                    .span
                    .map(|span| sources.file(span.file).name.as_str()),
                line: place.map(|(line, _)| line),
                column: place.map(|(_, column)| column),
                resource: finding.resource.as_deref(),
                path: &finding.path,
                help: finding.help.as_deref().or(finding.label.as_deref()),
            }
        })
        .collect();
    serde_json::to_string_pretty(&findings).unwrap_or_default() + "\n"
}
