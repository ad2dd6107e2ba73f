//! From where a log line knows whose its request is.
//!
//! The filter knows it of each request, and to ask it costs each request two calls from the filter to Envoy. So it is
//! asked only where Envoy itself does not know: about what the filter refuses, since Envoy would name a listener also
//! for hosts that the filter refuses as malformed.

use ::policy::config::Mode;
use ::policy::telemetry::state;
use envoy_types::pb::envoy::config::accesslog::v3::access_log_filter::FilterSpecifier;
use envoy_types::pb::envoy::config::accesslog::v3::{
    AccessLogFilter, AndFilter, ComparisonFilter, OrFilter, StatusCodeFilter, comparison_filter::Op,
};
use envoy_types::pb::envoy::config::core::v3::{Metadata, RuntimeUInt32};
use envoy_types::pb::google::protobuf::value::Kind;

use super::expression;
use crate::envoy::Options;
use crate::envoy::port_facts::PortFacts;
use crate::envoy::proto::{self, METADATA};
use crate::model::policy::{AccessLog, LogFormat, LogTarget};
use crate::model::{Dialect, Listener, Origin, Port};

/// Who knows whose a request is.
#[derive(Clone, Copy)]
pub(in crate::envoy) enum Whose<'a> {
    /// The filter, by its filter state.
    Filter,
    /// Everybody: all requests there are this listener's. On TLS also those that the filter refuses.
    Chain(&'a Listener),
    /// The only listener of the port has all requests that the filter lets pass.
    Only(&'a Listener),
    /// Each request that passes belongs to the listener that its virtual host names.
    VirtualHost,
}

impl<'a> Whose<'a> {
    /// Who knows it on a gateway's port, or on TLS in a filter chain of it.
    pub(in crate::envoy) fn of(
        dialect: Dialect,
        port: &'a Port,
        chain: Option<&'a Listener>,
        options: &Options,
    ) -> Self {
        match (chain, dialect, &*port.listeners) {
            (Some(chain), ..) => Self::Chain(chain),
            _ if options.access_log.is_none() || is_asked(options) => Self::Filter,
            // There hosts without routes have no virtual host.
            (None, Dialect::Istio, [only]) => Self::Only(only),
            // Also where there is one listener: that there is another then does not change the log, and so does not
            // make Envoy close connections.
            (None, ..) => Self::VirtualHost,
        }
    }

    /// The lines of a log: of which requests, and from where they know whose those are.
    pub(super) fn lines(self) -> Vec<(Option<AccessLogFilter>, Self)> {
        match self {
            Self::Filter | Self::Chain(_) => vec![(None, self)],
            Self::Only(_) | Self::VirtualHost => {
                vec![(Some(passed()), self), (Some(refused()), Self::Filter)]
            }
        }
    }

    /// What the line has in its field; nothing if the filter is to be asked.
    pub(super) fn text(self, field: &str) -> Option<String> {
        match self {
            Self::Filter => None,
            Self::Chain(listener) | Self::Only(listener) => {
                let texts = texts(listener).into_iter();
                let (_, text) = texts.into_iter().find(|(name, _)| *name == field)?;
                Some(text.map_or_else(|| "-".to_owned(), |text| text.replace('%', "%%")))
            }
            Self::VirtualHost => FIELDS
                .contains(&field)
                .then(|| format!("%METADATA(VIRTUAL_HOST:{METADATA}:{field})%")),
        }
    }

    /// The metadata of a listener's virtual host, with what log lines read there.
    pub(in crate::envoy) fn metadata(self, listener: &Listener, origin: &Origin) -> Metadata {
        let mut metadata = proto::metadata(origin);
        if let Self::VirtualHost = self {
            let texts = texts(listener).into_iter();
            let texts = texts.filter_map(|(name, text)| Some((name, Kind::StringValue(text?))));
            let fields = metadata.filter_metadata.entry(METADATA.to_owned());
            fields
                .or_default()
                .fields
                .extend(proto::structure(texts).fields);
        }
        metadata
    }
}

/// The fields of a line that say whose the request is.
const FIELDS: [&str; 2] = ["listener", "tags"];

/// What the filter would say in these fields of each request of a listener.
fn texts(listener: &Listener) -> [(&'static str, Option<String>); 2] {
    let [name, tags] = FIELDS;
    let has_tags = !listener.tags.is_empty();
    [
        (name, Some(listener.name.clone())),
        (tags, has_tags.then(|| listener.tags.to_string())),
    ]
}

/// Requests that the filter let pass: all that are not [`refused`].
///
/// The status comes first, because the expression would cost each request more than the filter's two calls.
fn passed() -> AccessLogFilter {
    let filters = vec![
        status(Op::Le, FIRST_REFUSED - 1),
        expression(format!("!({REFUSED})")),
    ];
    AccessLogFilter {
        filter_specifier: Some(FilterSpecifier::OrFilter(OrFilter { filters })),
    }
}

/// Requests that the filter answered, or Envoy because of it.
fn refused() -> AccessLogFilter {
    let filters = vec![
        status(Op::Ge, FIRST_REFUSED),
        expression(REFUSED.to_owned()),
    ];
    AccessLogFilter {
        filter_specifier: Some(FilterSpecifier::AndFilter(AndFilter { filters })),
    }
}

/// The details of an answer are `meshgate_` and the reason where the filter gave it, and `wasm_fail_stream` where its
/// virtual machine has ended. Without `has`, a request without details would be in no line: an expression that cannot
/// be evaluated is false in both filters.
const REFUSED: &str = "has(response.code_details) && (response.code_details.startsWith('meshgate_') || \
                       response.code_details.startsWith('wasm_'))";

/// All answers of refusals are errors ([`Reason::status`](::policy::Reason::status)).
const FIRST_REFUSED: u32 = 400;

fn status(op: Op, status: u32) -> AccessLogFilter {
    let value = RuntimeUInt32 {
        default_value: status,
        // Nobody sets it; Envoy wants a name.
        runtime_key: "meshgate.access_log.status".to_owned(),
    };
    let comparison = ComparisonFilter {
        op: op.into(),
        value: Some(value),
    };
    AccessLogFilter {
        filter_specifier: Some(FilterSpecifier::StatusCodeFilter(StatusCodeFilter {
            comparison: Some(comparison),
        })),
    }
}

/// Whether the log asks the filter about all requests of a port without TLS: what would be refused passes there,
/// whoever Envoy believes that it belongs to.
fn is_asked(options: &Options) -> bool {
    options.mode == Mode::Audit
}

/// Whether a log of a gateway's port, or of this filter chain of it, asks the filter whose requests those that pass
/// are.
pub(in crate::envoy) fn asks_whose(
    facts: &PortFacts<'_>,
    chain: Option<&Listener>,
    options: &Options,
) -> bool {
    let own_asks = options.access_log.is_some() && chain.is_none() && is_asked(options);
    own_asks || facts.logs_ask_whose
}

/// Whether a log of any policy on the port does.
pub(in crate::envoy) fn logs_ask_whose(port: &Port) -> bool {
    let names_state = |text: &str| {
        let mut keys = [state::LISTENER, state::TAGS].iter();
        keys.any(|key| text.contains(key))
    };
    let asks = |log: &AccessLog| match &log.target {
        LogTarget::File(_, lines) | LogTarget::Tcp(_, lines) => match &lines.format {
            LogFormat::Plain(text) => names_state(text),
            LogFormat::Json(fields) => fields.iter().any(|(_, value)| names_state(value)),
        },
        // Wherever in the record it may be.
        LogTarget::OpenTelemetry(log) => names_state(&format!("{log:?}")),
    };
    let mut logs = port.listeners.iter().flat_map(|l| &l.policy.access_logs);
    logs.any(asks)
}
