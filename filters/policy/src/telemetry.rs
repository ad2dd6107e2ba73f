//! What is told about a decision: counters and filter state. The filters write these names and the loader puts them
//! into Envoy's configuration, so they are here once.

use core::fmt;

use crate::config::Mode;
use crate::decision::Reason;

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It went on to the routes of the listener that owns its host.
    Forward,
    /// It was answered by the filter.
    Reject(Reason),
    /// It would have been answered by the filter, but the mode is [`Mode::Audit`].
    Audit(Reason),
}

impl Outcome {
    /// What becomes of a request that is refused for `reason`.
    pub fn refused(reason: Reason, mode: Mode) -> Self {
        match mode {
            Mode::Enforce => Self::Reject(reason),
            Mode::Audit => Self::Audit(reason),
        }
    }

    /// The reason of the refusal.
    pub fn reason(self) -> Option<Reason> {
        match self {
            Self::Forward => None,
            Self::Reject(reason) | Self::Audit(reason) => Some(reason),
        }
    }
}

/// The name in counters, logs and filter state.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Forward => "forward",
            Self::Reject(_) => "reject",
            Self::Audit(_) => "audit",
        })
    }
}

/// The counter of decided requests: `meshgate_requests{listener, decision, reason}` in Prometheus with [`STATS_TAGS`].
///
/// `listener` is the one whose request it is; without it (no listener owns the host and the connection belongs to
/// none) the label is empty.
pub fn requests_counter(listener: Option<&str>, outcome: Outcome) -> String {
    let listener = Label(listener.unwrap_or_default());
    let reason = outcome.reason().map_or("", Reason::as_str);
    format!("meshgate.requests.listener={listener};decision={outcome};reason={reason};")
}

/// The counter of requests to a listener with permissions, by the client's mesh: [`requests_counter`] with the label
/// `mesh`. Meshes that the permissions do not name are all called [`OTHER_MESH`], so that clients cannot make counters.
pub fn clients_counter(listener: &str, outcome: Outcome, mesh: &str) -> String {
    let mut name = requests_counter(Some(listener), outcome);
    name.extend(["mesh=", mesh, ";"]);
    name
}

/// What [`clients_counter`] calls a mesh that no permission names, and one that is not known. No trust domain of SPIFFE
/// is called like this (`SPIFFE-ID.md` §2.1: letters, digits, dots, dashes and underscores).
pub const OTHER_MESH: &str = "(other)";

/// The counter of requests and connections of outbounds: [`requests_counter`] without a listener, and with the label
/// `destination`, which is empty if nobody has the destination.
pub fn destinations_counter(destination: Option<&str>, outcome: Outcome) -> String {
    let destination = Label(destination.unwrap_or_default());
    let name = requests_counter(None, outcome);
    format!("{name}destination={destination};")
}

/// The counter of requests that `listener_tags.wasm` gave tags to: `meshgate_tagged{listener}` in Prometheus.
pub fn tagged_counter(listener: &str) -> String {
    format!("meshgate.tagged.listener={};", Label(listener))
}

/// A label's value without the semicolon, which ends it.
struct Label<'a>(&'a str);

impl fmt::Display for Label<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = self.0.split(';');
        f.write_str(parts.next().unwrap_or_default())?;
        parts.try_for_each(|part| write!(f, "_{part}"))
    }
}

/// A `stats_config.stats_tags` entry of Envoy's bootstrap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatsTag {
    /// The label's name.
    pub name: &'static str,
    /// Envoy removes the first group from the counter's name and takes the second one as the value.
    pub regex: &'static str,
}

/// The labels of the filters' counters.
///
/// Envoy puts `wasmcustom.` before the name that a filter gives. The fields have names and ends, because listeners are
/// called after hosts and so have dots in them. Nothing of them may remain: the rest is the metric's name.
pub const STATS_TAGS: [StatsTag; 3] = [
    StatsTag {
        name: "listener",
        regex: r"^wasmcustom\.meshgate\.[a-z]+(\.listener=([^;]*);)",
    },
    StatsTag {
        name: "decision",
        regex: r"^wasmcustom\.meshgate\.requests\.listener=[^;]*;(decision=([^;]*);)",
    },
    StatsTag {
        name: "reason",
        regex: r"^wasmcustom\.meshgate\.requests\.listener=[^;]*;decision=[^;]*;(reason=([^;]*);)",
    },
];

/// The further labels of outbounds, and of listeners with permissions.
pub const OUTBOUND_STATS_TAGS: [StatsTag; 2] = [
    StatsTag {
        name: "destination",
        regex: r"^wasmcustom\.meshgate\.requests\.listener=[^;]*;decision=[^;]*;reason=[^;]*;(destination=([^;]*);)",
    },
    StatsTag {
        name: "mesh",
        regex: r"^wasmcustom\.meshgate\.requests\.listener=[^;]*;decision=[^;]*;reason=[^;]*;(mesh=([^;]*);)",
    },
];

/// Keys of the filter state that the filters write. Envoy puts [`PREFIX`](state::PREFIX) before them:
/// `%FILTER_STATE(wasm.meshgate.tags:PLAIN)%`.
pub mod state {
    /// What Envoy puts before a key that Wasm writes.
    pub const PREFIX: &str = "wasm.";
    /// The name of the listener that the request belongs to; of a refused one, the listener of its connection.
    pub const LISTENER: &str = "meshgate.listener";
    /// That listener's tags as `&name=value&name=value&`, if it has tags.
    pub const TAGS: &str = "meshgate.tags";
    /// `reject` or `audit`; absent on requests that are forwarded.
    pub const DECISION: &str = "meshgate.decision";
    /// The name of the [`Reason`](crate::Reason); absent on requests that are forwarded.
    pub const REASON: &str = "meshgate.reason";
    /// The name of the listener that owns the host, on a connection of another one.
    pub const OWNER: &str = "meshgate.owner";
    /// The name of the gateway of another mesh, or of the external service, that the request is for.
    pub const DESTINATION: &str = "meshgate.destination";
    /// What the native filter `set_filter_state` writes for the others: `%DOWNSTREAM_PEER_URI_SAN%`, the URIs of the
    /// client's certificate. It has no [`PREFIX`].
    pub const CLIENT: &str = "meshgate.client";
}

/// The request header in which the filters name the cluster, for routes with `cluster_header`. Whatever a client sends
/// in it is replaced; native configuration takes it away before the backend.
pub const CLUSTER_HEADER: &str = "x-meshgate-cluster";

/// The response header with the name of the [`Reason`], on refusals.
pub const REASON_HEADER: &str = "x-meshgate-reason";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_name_listener_decision_and_reason() {
        assert_eq!(
            requests_counter(Some("edge/8080/a.com"), Outcome::Forward),
            "meshgate.requests.listener=edge/8080/a.com;decision=forward;reason=;"
        );
        assert_eq!(
            requests_counter(None, Outcome::refused(Reason::NoListener, Mode::Audit)),
            "meshgate.requests.listener=;decision=audit;reason=no_listener;"
        );
        assert_eq!(tagged_counter("a"), "meshgate.tagged.listener=a;");
    }

    #[test]
    fn a_listener_name_cannot_add_labels() {
        assert_eq!(
            tagged_counter("a;decision=x;"),
            "meshgate.tagged.listener=a_decision=x_;"
        );
    }
}
