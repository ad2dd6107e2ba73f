//! How a decision came about.

use crate::authority::Authority;
use crate::decision::Decision;
use crate::table::Listener;

/// A place to which [`decide`](crate::decide) tells its steps.
pub trait Trace {
    /// Takes a step. It is given as a function so that [`NoTrace`] does not even build it.
    fn step<'s>(&mut self, step: impl FnOnce() -> Step<'s>);
}

/// What [`decide`](crate::decide) found on its way, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// The host and port that the request names.
    Authority(Authority<'a>),
    /// The listener that owns the host, if one does.
    Owner(Option<&'a Listener>),
    /// The listener whose certificate the connection was opened with, on TLS.
    Chain(&'a Listener),
    /// The verdict.
    Decision(Decision<'a>),
}

/// Keeps nothing, and compiles to nothing: for the filters.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoTrace;

impl Trace for NoTrace {
    #[inline]
    fn step<'s>(&mut self, _: impl FnOnce() -> Step<'s>) {}
}

/// Keeps each step as a line of text: for the loader's commands.
#[derive(Clone, Debug, Default)]
pub struct Recorder(Vec<String>);

impl Recorder {
    /// The lines so far.
    pub fn lines(&self) -> &[String] {
        &self.0
    }
}

impl Trace for Recorder {
    fn step<'s>(&mut self, step: impl FnOnce() -> Step<'s>) {
        self.0.push(match step() {
            Step::Authority(authority) => match authority.port {
                Some(port) => format!("host {}, port {port} ignored", authority.host),
                None => format!("host {}", authority.host),
            },
            Step::Owner(Some(listener)) => format!("owned by {}", listener.name),
            Step::Owner(None) => "owned by no listener".to_owned(),
            Step::Chain(listener) => format!("connection of {}", listener.name),
            Step::Decision(Decision::Forward(listener)) => format!("forward: {}", listener.name),
            Step::Decision(Decision::Reject(refusal)) => {
                format!("reject {}: {}", refusal.reason.status(), refusal.reason)
            }
        });
    }
}
