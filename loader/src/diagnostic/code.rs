//! The stable codes of findings.

use super::Severity;

/// What kind of finding it is; the number never changes its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Code {
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
    /// x
    pub fn severity(self) -> Severity {
        match self {
            Self::NoSecret
            | Self::InvalidCertificate
            | Self::InvalidValue
            | Self::InvalidResource => Severity::Error,
            _ => Severity::Warning,
        }
    }
}
