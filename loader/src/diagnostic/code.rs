//! The stable codes of findings.

/// What kind of finding it is; the number never changes its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Code {
    /// A value of the wrong type.
    InvalidValue,
}
