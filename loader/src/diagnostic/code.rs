//! The stable codes of findings, each with what a user has to know about it.

mod table;

use std::fmt::{self, Write as _};

pub use table::Code;

/// What a code says to somebody who meets it for the first time.
#[derive(Clone, Copy, Debug)]
pub struct Explanation {
    /// The finding in a few words.
    pub title: &'static str,
    /// What it means.
    pub means: &'static str,
    /// Why it matters.
    pub why: &'static str,
    /// Resources that have it.
    pub example: &'static str,
    /// What to do.
    pub fix: &'static str,
}

impl Code {
    /// The code with this number.
    pub fn from_number(number: u16) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|code| code.number() == number)
    }

    /// The code that is written like this: `MG0107`, in any case.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text
            .get(..2)
            .filter(|prefix| prefix.eq_ignore_ascii_case("MG"))
            .and(text.get(2..))?;
        digits.parse().ok().and_then(Self::from_number)
    }
}

impl Code {
    /// Whether the finding concerns the certificate of one listener, the CA of one mesh or the address of one service, so
    /// that all others can be served. A proxy whose own mesh has no CA fails all the same: it gets no identity.
    pub fn is_isolated(self) -> bool {
        matches!(
            self,
            Self::MissingSecret
                | Self::InvalidCertificate
                | Self::KeyMismatch
                | Self::RefusedCertificate
                | Self::MissingCredential
                | Self::UnusableCredential
                | Self::MissingFile
                | Self::UnusableAuthorities
                | Self::InvalidAuthority
                | Self::NoAuthority
                | Self::AuthorityTime
                | Self::UnknownAuthority
                | Self::NoSystemAuthority
                | Self::NamelessService
                | Self::VipTwice
        )
    }

    /// Whether the finding is about something that is known and has no effect.
    pub fn is_dropped(self) -> bool {
        matches!(
            self,
            Self::NotServedKind | Self::NotServedField | Self::DuplicateKey
        )
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MG{:04}", self.number())
    }
}

/// The reference of all codes, as Markdown: `docs/diagnostics.md`.
pub fn reference() -> String {
    const GROUPS: [(u16, &str); 8] = [
        (0, "Reading files"),
        (1, "A resource by itself"),
        (2, "Resources together"),
        (3, "Certificates and virtual addresses"),
        (4, "Not served"),
        (5, "A running gateway"),
        (6, "Istio"),
        (7, "Istio: what rules and policies ask for"),
    ];
    let mut out = String::from(
        "# Diagnostics\n\nGenerated from `loader/src/diagnostic/code/table.rs`: do not edit here.\n\
         A code keeps its meaning for ever. `meshgate validate` prints it with each finding.\n",
    );
    for (group, title) in GROUPS {
        let mut codes = Code::ALL
            .iter()
            .filter(|code| code.number() / 100 == group)
            .peekable();
        if codes.peek().is_none() {
            continue;
        }
        let _ = write!(out, "\n## {title}\n");
        for code in codes {
            let text = code.explanation();
            let _ = write!(
                out,
                "\n### {code}: {}\n\n{}\n\n**Why.** {}\n",
                text.title, text.means, text.why
            );
            if !text.example.is_empty() {
                let _ = write!(out, "\n**Example.**\n```yaml\n{}\n```\n", text.example);
            }
            let _ = write!(out, "\n**Fix.** {}\n", text.fix);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_unique_and_sorted() {
        assert!(Code::ALL.is_sorted_by(|a, b| a.number() < b.number()));
    }

    #[test]
    fn written_and_read_alike() {
        for code in Code::ALL {
            assert_eq!(Code::parse(&code.to_string()), Some(*code));
        }
        assert_eq!(Code::parse("mg0107"), Some(Code::UnknownField));
        assert_eq!(Code::parse("MG"), None);
        assert_eq!(Code::parse("é107"), None);
    }
}
