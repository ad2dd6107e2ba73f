//! From text to trees, within bounds: no input makes it panic, recurse without end or take memory without end.

mod builder;
mod entries;

use granit_parser::{Event, Parser, ScanError, options};

use crate::diagnostic::{Code, Diagnostic};

use super::{Document, FileId, Span};
use builder::Builder;

/// How deep a document may be nested, so that whoever walks the tree may recurse.
pub(crate) const MAX_DEPTH: usize = 128;

/// After so many syntax errors the rest of a file is not read.
const MAX_SYNTAX_ERRORS: usize = 100;

/// Appends the documents of a file. One that is broken is left out and does not hide the next.
pub(super) fn documents(
    text: &str,
    file: FileId,
    documents: &mut Vec<Document>,
    findings: &mut Vec<Diagnostic>,
) {
    let mut options = options! {
        emit_unresolved_aliases: true,
        flow_nesting_limit: MAX_DEPTH,
        block_nesting_limit: MAX_DEPTH,
        // Kubernetes has keys of annotations that are longer than YAML's 1024 characters for simple keys.
        simple_key_max_lookahead: 65_536,
    };
    options.set_emit_comments(false);
    let mut parser = Parser::new_from_str_with_options(text, options);
    let mut builder = Builder::new(file, findings);
    let mut errors = 0;
    while let Some(event) = parser.next_event() {
        let error = match event {
            Ok((Event::DocumentStart(..), _)) => {
                builder.start_document();
                continue;
            }
            Ok((Event::DocumentEnd, _)) => {
                documents.extend(builder.end_document().map(|root| Document { root, file }));
                continue;
            }
            Ok((event, span)) => {
                let range = span.byte_range().unwrap_or_default();
                builder.event(event, range);
                if builder.is_spent() {
                    return;
                }
                continue;
            }
            Err(error) => error,
        };
        builder.finding(syntax_error(&error, text, file));
        errors += 1;
        if errors == MAX_SYNTAX_ERRORS {
            return;
        }
        match parser.proceed_next_document() {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => return builder.finding(syntax_error(&error, text, file)),
        }
    }
}

fn syntax_error(error: &ScanError, text: &str, file: FileId) -> Diagnostic {
    let at = error
        .marker()
        .byte_offset()
        .unwrap_or(text.len())
        .min(text.len());
    let info = error.info();
    let finding =
        Diagnostic::error(Code::Syntax, format!("not YAML: {info}")).at(Span::point(file, at));
    let line_start = text
        .get(..at)
        .and_then(|before| before.rfind('\n'))
        .map_or(0, |end| end + 1);
    let line = text
        .get(line_start..)
        .and_then(|rest| rest.lines().next())
        .unwrap_or_default();
    if line.trim_start_matches(' ').starts_with('\t') {
        finding.help("indent with spaces: YAML takes no tabs there")
    } else if line.contains("{{") {
        finding.help("this looks like a template: render it first")
    } else if info.contains("'-' indicator") {
        finding.help(
            "the line stands in the column of the list's `-` and begins no entry: indent it more",
        )
    } else if info.contains("expected key") {
        finding.help("nothing above begins in the column of this line: move it to where it belongs")
    } else {
        finding
    }
}

#[cfg(test)]
mod tests;
