//! Findings as SARIF 2.1.0, which code hosts show next to the lines.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::diagnostic::{Code, Diagnostic, Severity};
use crate::source::{Sources, Span};

use super::clean;

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

/// A log with one run; the rules are the codes that occur.
pub fn sarif(sources: &Sources, findings: &[Diagnostic]) -> String {
    let codes: BTreeSet<Code> = findings.iter().map(|finding| finding.code).collect();
    let rules: Vec<_> = codes.iter().copied().map(rule).collect();
    let results: Vec<_> = findings
        .iter()
        .map(|finding| result(sources, finding))
        .collect();
    let log = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {
                "driver": {
                    "name": "meshgate",
                    "version": env!("CARGO_PKG_VERSION"),
                    "rules": rules,
                },
            },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    });
    serde_json::to_string_pretty(&log).unwrap_or_default() + "\n"
}

fn rule(code: Code) -> Value {
    let text = code.explanation();
    json!({
        "id": code.to_string(),
        "shortDescription": { "text": text.title },
        "fullDescription": { "text": text.means },
        "help": { "text": text.fix },
    })
}

fn result(sources: &Sources, finding: &Diagnostic) -> Value {
    let mut message = clean(&finding.message).into_owned();
    if let Some(help) = &finding.help {
        message = format!("{message} ({})", clean(help));
    }
    let mut result = json!({
        "ruleId": finding.code.to_string(),
        "level": match finding.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        },
        "message": { "text": message },
    });
    if let Some(span) = finding.span {
        let mut place = location(sources, span);
        if let Some(resource) = &finding.resource {
            let name = match finding.path.as_str() {
                "" => resource.clone(),
                path => format!("{resource}:{path}"),
            };
            place["logicalLocations"] = json!([{ "fullyQualifiedName": name }]);
        }
        result["locations"] = json!([place]);
    }
    let related: Vec<_> = finding
        .related
        .iter()
        .map(|(span, label)| {
            let mut place = location(sources, *span);
            place["message"] = json!({ "text": clean(label) });
            place
        })
        .collect();
    if !related.is_empty() {
        result["relatedLocations"] = Value::Array(related);
    }
    result
}

fn location(sources: &Sources, span: Span) -> Value {
    let (line, column) = sources.line_column(span);
    let (end_line, end_column) = sources.line_column(Span::point(span.file, span.end));
    json!({
        "physicalLocation": {
            "artifactLocation": { "uri": uri(&sources.file(span.file).name) },
            "region": {
                "startLine": line,
                "startColumn": column,
                "endLine": end_line,
                "endColumn": end_column,
            },
        },
    })
}

/// A file name as a relative or absolute URI reference (RFC 3986 §2.1: what is not unreserved is escaped).
fn uri(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'/' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => out.push(char::from(byte)),
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}
