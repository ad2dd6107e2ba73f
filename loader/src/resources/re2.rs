//! Regular expressions of RE2, which Envoy and Go have.

use regex_syntax::ast::{self, Ast, Visitor, parse::ParserBuilder};

/// RE2 repeats nothing more often (`re2/parse.cc`, `maximum_repeat_count`).
const MAX_REPEAT: u32 = 1000;

/// Reads an expression with the grammar of the crate `regex`, which is RE2's with some additions, and refuses those.
pub(crate) fn re2(expression: &str) -> Result<(), String> {
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
