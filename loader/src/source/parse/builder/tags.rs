//! What tags say about values.

use std::ops::Range;

use granit_parser::Tag;

use super::Builder;
use crate::diagnostic::Code;
use crate::source::Value;

impl Builder<'_> {
    pub(super) fn scalar(
        &mut self,
        text: String,
        plain: bool,
        tag: Option<&Tag>,
        range: &Range<usize>,
    ) -> Value {
        // A plain `!` means: as if quoted.
        let tag = match tag {
            None => None,
            Some(tag) if tag.original() == "!" => Some("str"),
            Some(tag) => {
                let known = tag
                    .core_suffix()
                    .filter(|name| matches!(*name, "str" | "int" | "float" | "bool" | "null"));
                if known.is_none() {
                    self.unknown_tag(tag, range);
                }
                known
            }
        };
        let plain = match tag {
            Some("null") => return Value::Null,
            Some("str") => false,
            Some(_) => true,
            None => plain,
        };
        match text.as_str() {
            "" | "~" | "null" | "Null" | "NULL" if plain => Value::Null,
            _ => Value::Scalar { text, plain },
        }
    }

    pub(super) fn check_tag(&mut self, tag: Option<&Tag>, allowed: &str, range: &Range<usize>) {
        if let Some(tag) = tag
            && tag.original() != "!"
            && tag.core_suffix() != Some(allowed)
        {
            self.unknown_tag(tag, range);
        }
    }

    pub(super) fn unknown_tag(&mut self, tag: &Tag, range: &Range<usize>) {
        self.error(
            Code::UnknownTag,
            format!("the tag `{}` does not belong here", tag.original()),
            range,
            Some("leave it out: resources are plain texts, numbers, lists and maps"),
        );
    }
}
