//! One request in front of one configured filter: what the filter decides with and acts through.

use policy::config::{Mode, PluginConfig, Reasons};
use policy::telemetry::{REASON_HEADER, requests_counter, state};
use policy::{Decision, Listener, NoTrace, Outcome, Policy, Refusal, RequestView, decide};

use crate::counters;
use crate::filter::Action;
use crate::host::{self, Level};
use crate::memory::HostBytes;
use crate::table::Table;

/// How a plugin treats what it refuses.
#[derive(Clone, Copy, Default)]
pub(crate) struct Settings {
    mode: Mode,
    reasons: Reasons,
    port: Option<u16>,
}

impl From<&PluginConfig> for Settings {
    fn from(config: &PluginConfig) -> Self {
        Self {
            mode: config.mode,
            reasons: config.reasons,
            port: config.port,
        }
    }
}

/// A request, and the listeners of the port that it came to.
pub struct Gate<'a> {
    settings: Settings,
    table: &'a Table,
    chain: Option<&'a Listener>,
}

impl<'a> Gate<'a> {
    pub(crate) fn new(settings: Settings, table: &'a Table, chain: Option<&'a Listener>) -> Self {
        Self {
            settings,
            table,
            chain,
        }
    }

    /// The request's `:authority`, which is the `Host` header in HTTP/1.
    pub fn authority(&self) -> Option<HostBytes<'_>> {
        host::request_header(self, ":authority")
    }

    /// Removes every request header with this name.
    ///
    /// It is looked for first, because a removal makes Envoy choose the route again, and a look in vain costs little.
    pub fn remove_header(&self, name: &str) {
        if host::request_header(self, name).is_some() {
            host::remove_request_header(name);
        }
    }

    /// Decides about the request.
    pub fn decide(&self, request: &RequestView<'_>) -> Decision<'a> {
        let policy = Policy {
            table: &self.table.hosts,
            chain: self.chain,
        };
        decide(&policy, request, &mut NoTrace)
    }

    /// Says in the filter state that the request belongs to `listener`.
    pub fn publish(&self, listener: &Listener) {
        host::set_filter_state(state::LISTENER, &listener.name);
        let prepared = self.table.prepared(listener);
        if let Some(tags) = prepared.and_then(|prepared| prepared.tags.as_deref()) {
            host::set_filter_state(state::TAGS, tags);
        }
    }

    /// Counts a request of `listener`. The counter's name is asked for once for each listener.
    pub fn count(&self, listener: &Listener, name: impl FnOnce(&str) -> String) {
        let Some(prepared) = self.table.prepared(listener) else {
            return;
        };
        let id = prepared.counter.get().or_else(|| {
            let id = counters::id(name(&listener.name));
            prepared.counter.set(id);
            id
        });
        if let Some(id) = id {
            host::increment(id);
        }
    }

    /// Refuses the request, or in audit mode only says so everywhere.
    pub fn refuse(&self, refusal: &Refusal<'_>, request: &RequestView<'_>) -> Action {
        if let Some(chain) = self.chain {
            self.publish(chain);
        }
        if let Some(owner) = refusal.owner {
            host::set_filter_state(state::OWNER, &owner.name);
        }
        refuse(self.settings, self.chain, refusal, request)
    }
}

/// Refuses a request, of which only the connection's listener may be known.
pub(crate) fn refuse(
    settings: Settings,
    chain: Option<&Listener>,
    refusal: &Refusal<'_>,
    request: &RequestView<'_>,
) -> Action {
    let reason = refusal.reason;
    let outcome = Outcome::refused(reason, settings.mode);
    counters::increment(requests_counter(chain.map(|l| &*l.name), outcome));
    host::set_filter_state(state::DECISION, &outcome.to_string());
    host::set_filter_state(state::REASON, reason.as_str());
    let answer = |reasons| refusal.answer(request, reasons, settings.port);
    // Whoever sends bad requests must not fill the log; access log and counters have all of them.
    host::log(
        Level::Debug,
        &format!("{outcome} {}", answer(Reasons::Full)),
    );
    if settings.mode == Mode::Audit {
        return Action::Continue;
    }
    let (body, header) = match settings.reasons {
        Reasons::None => (String::new(), None),
        reasons => (
            format!("{}\n", answer(reasons)),
            Some((REASON_HEADER, reason.as_str())),
        ),
    };
    let details = format!("meshgate_{reason}");
    if !host::answer(reason.status(), &details, &body, header) {
        host::log(
            Level::Error,
            "Envoy did not take the answer to a refused request",
        );
    }
    Action::Stop
}
