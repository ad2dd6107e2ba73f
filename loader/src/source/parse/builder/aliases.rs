//! What aliases stand for, within the bounds of what a file may grow to.

use std::ops::Range;

use super::{Anchored, BUDGET, Builder, Built, Size};
use crate::diagnostic::Code;
use crate::source::Value;
use crate::source::parse::MAX_DEPTH;

impl Builder<'_> {
    pub(super) fn alias(&mut self, id: usize, range: &Range<usize>) {
        let null = Size { cost: 1, depth: 0 };
        let Some(Anchored { size, .. }) = self.anchors.get(&id) else {
            self.error(
                Code::Alias,
                "an alias inside of what it stands for has no end".to_owned(),
                range,
                None,
            );
            return self.close(Value::Null, range, 0, null, false);
        };
        let size = *size;
        if self.open.len() + size.depth > MAX_DEPTH * 2 {
            self.error(
                Code::TooMuch,
                format!("aliases nest deeper than {} levels", MAX_DEPTH * 2),
                range,
                None,
            );
            return self.close(Value::Null, range, 0, null, false);
        }
        let copy = if self.spend(size.cost, range) {
            self.anchors.get(&id).map(|anchored| anchored.node.clone())
        } else {
            None
        };
        match copy {
            Some(node) => self.place(Built {
                node,
                size,
                merges: false,
            }),
            None => self.close(Value::Null, range, 0, null, false),
        }
    }

    /// Takes from the budget, and says once that it is spent.
    pub(super) fn spend(&mut self, cost: usize, range: &Range<usize>) -> bool {
        match self.budget.checked_sub(cost) {
            Some(rest) if self.budget > 0 => {
                self.budget = rest;
                true
            }
            _ => {
                if self.budget > 0 {
                    self.budget = 0;
                    self.error(
                        Code::TooMuch,
                        format!("the file has more than {BUDGET} values; the rest is not read"),
                        range,
                        Some("aliases count as often as they are used; split the file"),
                    );
                }
                false
            }
        }
    }
}
