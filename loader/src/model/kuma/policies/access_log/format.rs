//! What is in a line: Kuma's commands and formats. Envoy's own commands stay for Envoy.

use std::net::SocketAddr;

use super::Proxy;
use crate::model::Protocol;
use crate::model::policy::{Lines, LogFormat, LogTarget};
use crate::resources::kuma::mesh::LoggingBackend;
use crate::resources::kuma::mesh_access_log;

/// What Kuma writes about a request unless a policy says (`defaultHttpAccessLogFormat` at 2.14.3).
const HTTP: &str = "[%START_TIME%] %KUMA_MESH% \
    \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" %RESPONSE_CODE% %RESPONSE_FLAGS% \
    %BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" \
    \"%REQ(USER-AGENT)%\" \"%REQ(X-B3-TRACEID?X-DATADOG-TRACEID)%\" \"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \
    \"%KUMA_SOURCE_SERVICE%\" \"%KUMA_DESTINATION_SERVICE%\" \"%KUMA_SOURCE_ADDRESS_WITHOUT_PORT%\" \
    \"%UPSTREAM_HOST%\"";

/// What it writes about a connection (`defaultNetworkAccessLogFormat`).
const NETWORK: &str = "[%START_TIME%] %RESPONSE_FLAGS% %KUMA_MESH% \
    %KUMA_SOURCE_ADDRESS_WITHOUT_PORT%(%KUMA_SOURCE_SERVICE%)->%UPSTREAM_HOST%(%KUMA_DESTINATION_SERVICE%) \
    took %DURATION%ms, sent %BYTES_SENT% bytes, received: %BYTES_RECEIVED% bytes";

/// Which log of a proxy it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Traffic<'a> {
    /// Of a gateway's `TrafficLog`: what leaves, and Kuma says `INBOUND` all the same.
    OlderOfGateway,
    /// Of the `TrafficLog` of what leaves for a service.
    Older(&'a str),
    /// What leaves for a service.
    Outbound(&'a str),
    /// What comes in for a service.
    Inbound(&'a str),
}

/// Kuma's commands with their values (`InterpolateKumaValues` in
/// `pkg/xds/envoy/listeners/v3/access_log_configurer.go` at 2.14.3).
pub(super) struct Commands {
    values: [(&'static str, String); 8],
    /// The format where a policy has none.
    default: &'static str,
}

impl Commands {
    pub(super) fn new(proxy: &Proxy<'_>, traffic: Traffic<'_>, protocol: Protocol) -> Self {
        let (source, destination) = match traffic {
            Traffic::OlderOfGateway => (proxy.service, "*"),
            Traffic::Older(service) | Traffic::Outbound(service) => (proxy.service, service),
            Traffic::Inbound(service) => ("unknown", service),
        };
        let direction = match traffic {
            Traffic::Older(_) | Traffic::Outbound(_) => "OUTBOUND",
            Traffic::OlderOfGateway | Traffic::Inbound(_) => "INBOUND",
        };
        let (zone, workload) = match traffic {
            Traffic::OlderOfGateway | Traffic::Older(_) => ("", ""),
            Traffic::Outbound(_) | Traffic::Inbound(_) => (proxy.zone, &*proxy.workload),
        };
        let address = SocketAddr::new(proxy.address, 0).to_string();
        Self {
            values: [
                ("%KUMA_SOURCE_ADDRESS%", address),
                (
                    "%KUMA_SOURCE_ADDRESS_WITHOUT_PORT%",
                    proxy.address.to_string(),
                ),
                ("%KUMA_SOURCE_SERVICE%", source.to_owned()),
                ("%KUMA_DESTINATION_SERVICE%", destination.to_owned()),
                ("%KUMA_MESH%", proxy.mesh.to_owned()),
                ("%KUMA_TRAFFIC_DIRECTION%", direction.to_owned()),
                ("%KUMA_ZONE%", zone.to_owned()),
                ("%KUMA_WORKLOAD%", workload.to_owned()),
            ],
            default: match protocol {
                Protocol::Http | Protocol::Https => HTTP,
                Protocol::Tcp | Protocol::Tls => NETWORK,
            },
        }
    }

    /// The text with Kuma's commands replaced.
    pub(super) fn fill(&self, text: &str) -> String {
        let fill = |text: String, (command, value): &(&str, String)| text.replace(command, value);
        self.values.iter().fold(text.to_owned(), fill)
    }

    /// The format where a policy has none.
    pub(super) fn default(&self) -> String {
        self.fill(self.default)
    }

    pub(super) fn lines(&self, format: Option<&mesh_access_log::LogFormat>) -> Lines {
        let plain = |text: &str| LogFormat::Plain(self.fill(text) + "\n");
        Lines {
            format: match format.map(|format| (&format.plain, &format.json)) {
                None | Some((None, None)) => plain(self.default),
                Some((Some(text), _)) => plain(text),
                Some((None, Some(fields))) => LogFormat::Json(
                    fields
                        .iter()
                        .map(|field| (field.key.clone(), self.fill(&field.value)))
                        .collect(),
                ),
            },
            omit_empty: format.is_some_and(|format| format.omit_empty_values),
        }
    }
}

/// A logging backend of a mesh (`convertLoggingBackend`).
pub(super) fn of_mesh(backend: &LoggingBackend, commands: &Commands) -> Option<LogTarget> {
    let text = match backend.format.as_str() {
        "" => commands.default(),
        text => commands.fill(text),
    };
    let lines = Lines {
        format: LogFormat::Plain(text + "\n"),
        omit_empty: false,
    };
    match backend.kind.as_str() {
        "file" => Some(LogTarget::File(backend.conf.path.clone(), lines)),
        "tcp" => Some(LogTarget::Tcp(backend.conf.address.clone(), lines)),
        _ => None,
    }
}
