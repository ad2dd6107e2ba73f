//! What Kuma accepts in a route and Envoy refuses, with the whole configuration.

use regex_syntax::ast::{self, Ast, Visitor, parse::ParserBuilder};

use crate::diagnostic::{Code, Diagnostic};
use crate::resources::report::Report;
use crate::source::Path;

/// RE2 repeats nothing more often (`re2/parse.cc`, `maximum_repeat_count`).
const MAX_REPEAT: u32 = 1000;

/// Names an expression that RE2 does not take.
pub(super) fn regex(report: &mut Report<'_>, path: &Path, expression: &str) {
    if let Err(why) = re2(expression) {
        let message = format!("not a regular expression of RE2: {why}");
        report.say(
            path,
            Diagnostic::error(Code::InvalidRegex, message)
                .help("Envoy's expressions are RE2's: no look-around and no backreferences"),
        );
    }
}

/// Reads an expression with the grammar of the crate `regex`, which is RE2's with some additions, and refuses those.
fn re2(expression: &str) -> Result<(), String> {
    let plain = without_quotes(expression);
    let ast = ParserBuilder::new()
        .build()
        .parse(&plain)
        .map_err(|error| error.kind().to_string())?;
    ast::visit(&ast, Additions)
}

/// `\Q…\E` is RE2's only: what is between them is taken as it is.
fn without_quotes(expression: &str) -> String {
    let mut plain = String::new();
    let mut chars = expression.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            plain.push(c);
            continue;
        }
        match chars.next() {
            Some('Q') => {
                let rest = chars.as_str();
                let (quoted, after) = rest.split_once("\\E").unwrap_or((rest, ""));
                plain.push_str(&regex_syntax::escape(quoted));
                chars = after.chars();
            }
            // Any byte: `.` is as good for the grammar.
            Some('C') => plain.push('.'),
            Some(escaped) => plain.extend([c, escaped]),
            None => plain.push(c),
        }
    }
    plain
}

/// Finds what the crate takes and RE2 does not (<https://github.com/google/re2/wiki/Syntax>).
struct Additions;

impl Visitor for Additions {
    type Output = ();
    type Err = String;

    fn finish(self) -> Result<(), String> {
        Ok(())
    }

    fn visit_pre(&mut self, ast: &Ast) -> Result<(), String> {
        match ast {
            Ast::Repetition(repetition) => match &repetition.op.kind {
                ast::RepetitionKind::Range(
                    ast::RepetitionRange::Exactly(n)
                    | ast::RepetitionRange::AtLeast(n)
                    | ast::RepetitionRange::Bounded(_, n),
                ) if *n > MAX_REPEAT => Err(format!("more than {MAX_REPEAT} repetitions")),
                _ => Ok(()),
            },
            Ast::Literal(literal) => literal_of_re2(literal),
            Ast::Flags(set) => flags(&set.flags),
            Ast::Group(group) => match &group.kind {
                ast::GroupKind::NonCapturing(set) => flags(set),
                _ => Ok(()),
            },
            Ast::Assertion(assertion) => match assertion.kind {
                ast::AssertionKind::StartLine
                | ast::AssertionKind::EndLine
                | ast::AssertionKind::StartText
                | ast::AssertionKind::EndText
                | ast::AssertionKind::WordBoundary
                | ast::AssertionKind::NotWordBoundary => Ok(()),
                _ => Err("no such assertion".to_owned()),
            },
            _ => Ok(()),
        }
    }

    fn visit_class_set_item_pre(&mut self, item: &ast::ClassSetItem) -> Result<(), String> {
        match item {
            ast::ClassSetItem::Literal(literal) => literal_of_re2(literal),
            ast::ClassSetItem::Bracketed(_) => Err("a class in a class".to_owned()),
            _ => Ok(()),
        }
    }

    fn visit_class_set_binary_op_pre(&mut self, _: &ast::ClassSetBinaryOp) -> Result<(), String> {
        Err("an operation of classes".to_owned())
    }
}

fn literal_of_re2(literal: &ast::Literal) -> Result<(), String> {
    use ast::HexLiteralKind::{UnicodeLong, UnicodeShort};
    match literal.kind {
        ast::LiteralKind::HexFixed(UnicodeLong | UnicodeShort)
        | ast::LiteralKind::HexBrace(UnicodeLong | UnicodeShort) => {
            Err("write `\\x{…}` for a character by its number".to_owned())
        }
        _ => Ok(()),
    }
}

fn flags(flags: &ast::Flags) -> Result<(), String> {
    use ast::Flag::{CaseInsensitive, DotMatchesNewLine, MultiLine, SwapGreed};
    let known = |item: &ast::FlagsItem| match &item.kind {
        ast::FlagsItemKind::Negation => true,
        ast::FlagsItemKind::Flag(flag) => matches!(
            flag,
            CaseInsensitive | DotMatchesNewLine | MultiLine | SwapGreed
        ),
    };
    if flags.items.iter().all(known) {
        Ok(())
    } else {
        Err("flags are `i`, `m`, `s` and `U`".to_owned())
    }
}

/// Names a header that Envoy does not look at.
pub(super) fn header_name(report: &mut Report<'_>, path: &Path, name: &str) {
    if name.is_empty() || !name.strip_prefix(':').unwrap_or(name).bytes().all(is_token) {
        let message = "no header has such a name";
        report.say(path, Diagnostic::error(Code::UnusableHeader, message));
    }
}

/// What is done with a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// In a request: the host can be set.
    SetInRequest,
    /// In a request or response, in another way.
    Other,
}

/// Names a header that Envoy does not change.
pub(super) fn changed_header(report: &mut Report<'_>, path: &Path, name: &str, change: Change) {
    let is_host = ["host", ":authority"]
        .iter()
        .any(|h| name.eq_ignore_ascii_case(h));
    if is_host && change == Change::SetInRequest {
        return;
    }
    if is_host || name.starts_with(':') {
        let message = format!("Envoy does not change `{name}` like this");
        report.say(
            path,
            Diagnostic::error(Code::UnusableHeader, message)
                .help("`set` of a request's `host` is a rewrite of the host"),
        );
    } else {
        header_name(report, path, name);
    }
}

/// Names a value that Envoy takes for a broken format command or for several headers.
pub(super) fn header_value(report: &mut Report<'_>, path: &Path, value: &str) {
    let message = if value.chars().any(char::is_control) {
        "a value has no control characters"
    } else if value.bytes().filter(|&byte| byte == b'%').count() % 2 == 1 {
        "`%` begins a command of Envoy that does not end: write `%%` for the character"
    } else {
        return;
    };
    report.say(path, Diagnostic::error(Code::UnusableHeader, message));
}

/// `token` of RFC 9110 §5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_of_re2() {
        for expression in [
            "",
            "/v[0-9]+/.*",
            "(?i)/a|/b",
            "(?P<name>x)",
            r"\Qa(b\E+",
            r"\pL\d\x{20}",
            "[[:alpha:]-z]",
            "a{1000}",
        ] {
            assert_eq!(re2(expression), Ok(()), "{expression}");
        }
    }

    #[test]
    fn expressions_that_re2_refuses() {
        for expression in [
            "(",
            "[a",
            "*",
            "a{1001}",
            "(?=a)",
            "(?<!a)b",
            r"(a)\1",
            r"\u0061",
            "(?x)a b",
            "[a-z&&[^b]]",
        ] {
            assert!(re2(expression).is_err(), "{expression}");
        }
    }
}
