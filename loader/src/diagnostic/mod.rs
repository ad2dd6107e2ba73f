//! What a user is told about their resources: findings, not errors, all of them at once.

mod code;
pub mod render;

pub use code::{Code, Explanation, reference};

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
    /// Other places that belong to it, each with a few words.
    pub related: Vec<(Span, String)>,
    /// What to write instead.
    pub help: Option<String>,
    /// The resource: `MeshGateway/default/edge-gateway`.
    pub resource: Option<String>,
    /// The field in it: `conf.listeners[0].port`.
    pub path: String,
}

impl Diagnostic {
    /// A finding that makes the resources unusable.
    pub fn error(code: Code, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, message.into())
    }

    /// A finding that the user should know of.
    pub fn warning(code: Code, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, message.into())
    }

    fn new(severity: Severity, code: Code, message: String) -> Self {
        Self {
            code,
            severity,
            message,
            span: None,
            label: None,
            related: Vec::new(),
            help: None,
            resource: None,
            path: String::new(),
        }
    }

    /// With its place.
    #[must_use]
    pub fn at(mut self, span: Span) -> Self {
        self.span = Some(span);
        self
    }

    /// With a few words at that place.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// With another place that belongs to it.
    #[must_use]
    pub fn also(mut self, span: Span, label: impl Into<String>) -> Self {
        self.related.push((span, label.into()));
        self
    }

    /// With what to write instead.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// With the resource and the field.
    #[must_use]
    pub fn about(mut self, resource: &impl ToString, path: &(impl ToString + ?Sized)) -> Self {
        self.resource = Some(resource.to_string());
        self.path = path.to_string();
        self
    }
}
