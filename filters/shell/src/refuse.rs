//! How a refusal is told: to the client, in counters, in the filter state and in Envoy's log.

use policy::config::{Mode, PluginConfig, Publish, Reasons};
use policy::telemetry::{REASON_HEADER, requests_counter, state};
use policy::{Listener, Outcome, Refusal, RequestView};

use crate::counters;
use crate::filter::Action;
use crate::host::{self, Level};

/// How a plugin treats what it refuses.
#[derive(Clone, Copy, Default)]
pub(crate) struct Settings {
    mode: Mode,
    reasons: Reasons,
    pub(crate) publish: Publish,
    port: Option<u16>,
}

impl<C, E, L> From<&PluginConfig<C, E, L>> for Settings {
    fn from(config: &PluginConfig<C, E, L>) -> Self {
        Self {
            mode: config.mode,
            reasons: config.reasons,
            publish: config.publish,
            port: config.port,
        }
    }
}

/// Refuses a request, of which only the connection's listener may be known.
pub(crate) fn refuse(
    settings: Settings,
    chain: Option<&Listener>,
    refusal: &Refusal<'_>,
    request: &RequestView<'_>,
) -> Action {
    let listener = chain.map(|listener| &*listener.name);
    settings.refuse(refusal, request, |outcome| {
        requests_counter(listener, outcome)
    })
}

impl Settings {
    /// Those for what is only to be told.
    pub(crate) const AUDIT: Self = Self {
        mode: Mode::Audit,
        reasons: Reasons::None,
        publish: Publish::All,
        port: None,
    };

    /// Refuses a request, and counts it under this name.
    pub(crate) fn refuse(
        self,
        refusal: &Refusal<'_>,
        request: &RequestView<'_>,
        counter: impl FnOnce(Outcome) -> String,
    ) -> Action {
        if !self.tell(refusal, request, counter) {
            return Action::Continue;
        }
        let reason = refusal.reason;
        let (body, header) = match self.reasons {
            Reasons::None => (String::new(), None),
            reasons => (
                format!("{}\n", refusal.answer(request, reasons, self.port)),
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

    /// Refuses a connection, and counts it under this name.
    pub(crate) fn refuse_connection(
        self,
        refusal: &Refusal<'_>,
        counter: impl FnOnce(Outcome) -> String,
    ) -> Action {
        if !self.tell(refusal, &RequestView::new(None), counter) {
            return Action::Continue;
        }
        if !host::close_connection() {
            host::log(Level::Error, "Envoy did not close a refused connection");
        }
        Action::Stop
    }

    /// Says everywhere but to the client that something is refused, and returns whether it is.
    fn tell(
        self,
        refusal: &Refusal<'_>,
        request: &RequestView<'_>,
        counter: impl FnOnce(Outcome) -> String,
    ) -> bool {
        let outcome = Outcome::refused(refusal.reason, self.mode);
        counters::increment(counter(outcome));
        host::set_filter_state(state::DECISION, &outcome.to_string());
        host::set_filter_state(state::REASON, refusal.reason.as_str());
        // Whoever sends bad requests must not fill the log; access log and counters have all of them.
        let answer = refusal.answer(request, Reasons::Full, self.port);
        host::log(Level::Debug, &format!("{outcome} {answer}"));
        self.mode == Mode::Enforce
    }
}
