//! The errors beside which a configuration is served.
//!
//! Some concern one listener or one mesh, and a start serves all others. What is served already has more to lose: a
//! certificate that is renewed in two steps, or whose file is gone for a moment, would take its listener away. So a change
//! with an error that what is served does not have is refused as a whole, like one with any other error.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::diagnostic::{Diagnostic, Severity};

/// What tells errors apart. Lines do not: they move.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Errors(BTreeSet<String>);

impl Errors {
    /// Those of some resources.
    pub(super) fn of(findings: &[Diagnostic]) -> Self {
        let errors = findings.iter().filter(|f| f.severity == Severity::Error);
        let key = |f: &Diagnostic| {
            let resource = f.resource.as_deref().unwrap_or_default();
            format!("{} {resource}: {}", f.code, f.message)
        };
        Self(errors.map(key).collect())
    }

    /// Whether there is nothing among them that `served` does not have.
    pub(super) fn are_known_to(&self, served: &Self) -> bool {
        self.0.is_subset(&served.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Code;

    #[test]
    fn errors_are_told_apart_by_what_they_say_and_of_whom() {
        let of = |gateway: &str, text: &str| {
            Diagnostic::error(Code::KeyMismatch, text).about(&gateway, "tls")
        };
        let served = Errors::of(&[of("a", "x"), of("b", "x")]);
        let warning = Diagnostic::warning(Code::KeyMismatch, "z");
        for (now, known) in [
            (vec![], true),
            (vec![of("b", "x")], true),
            (vec![of("b", "x"), warning], true),
            (vec![of("b", "x"), of("b", "y")], false),
            (vec![of("c", "x")], false),
        ] {
            assert_eq!(Errors::of(&now).are_known_to(&served), known, "{now:?}");
        }
    }
}
