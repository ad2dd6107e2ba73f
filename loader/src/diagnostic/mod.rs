//! What a user is told about their resources: findings, not errors, all of them at once.

mod code;

pub use code::Code;

use crate::source::Span;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Served, but probably not as meant.
    Warning,
    /// Not served.
    Error,
}

/// A finding about one place in the resources.
#[derive(Clone, Debug)]
pub struct Diagnostic {
    /// The stable code.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// One line, in Kuma's or Istio's own words where they have some.
    pub message: String,
    /// Where it is; nothing for what concerns the input as a whole.
    pub span: Option<Span>,
    /// A few words at that place, if the message does not say it all.
    pub label: Option<String>,
    /// What to write instead.
    pub help: Option<String>,
    /// The resource: `MeshGateway/default/edge-gateway`.
    pub resource: Option<String>,
    /// The field in it: `conf.listeners[0].port`.
    pub path: String,
}

impl Diagnostic {
    /// With a word on what to write instead.
    #[must_use]
    pub fn with_help(self, help: impl Into<String>) -> Self {
        Self {
            help: Some(help.into()),
            ..self
        }
    }
}
