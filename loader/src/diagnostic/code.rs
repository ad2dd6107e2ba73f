//! The stable codes of findings.

/// What kind of finding it is; the number never changes its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Code {
    /// t
    PathNotRead,
    /// t
    UnreadableFile,
    /// t
    Syntax,
    /// t
    DuplicateKey,
    /// t
    UnusableKey,
    /// t
    UnknownTag,
    /// t
    Alias,
    /// t
    TooMuch,
    /// t
    WrongType,
    /// t
    UnknownField,
    /// t
    UnknownValue,
    /// t
    UnquotedText,
    /// A value of the wrong type.
    InvalidValue,
}
