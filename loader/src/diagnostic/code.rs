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
    /// x
    InvalidResource,
    /// x
    NoGateway,
    /// x
    GatewayTie,
    /// x
    GatewayUnused,
    /// x
    ListenerWithoutRoute,
    /// x
    RouteUnattached,
    /// x
    NoEndpoint,
    /// x
    NoSecret,
    /// x
    InvalidCertificate,
}

impl Code {
    /// Whether the finding concerns one listener, so that all others can be served.
    pub fn is_isolated(self) -> bool {
        matches!(self, Self::NoSecret | Self::InvalidCertificate)
    }
}
