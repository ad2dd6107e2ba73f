//! `MeshAccessLog`.

use std::net::{IpAddr, SocketAddr};

use super::select::{Destination, Policies, To};
use crate::model::Listener;
use crate::model::kuma::SERVICE_TAG;
use crate::model::policy::{AccessLog, LogFormat};
use crate::resources::kuma::mesh_access_log::{FileBackend, MeshLogs};

/// What Kuma writes unless a policy says (`defaultHttpAccessLogFormat` at 2.14.3).
const HTTP: &str = "[%START_TIME%] %KUMA_MESH% \
    \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" %RESPONSE_CODE% %RESPONSE_FLAGS% \
    %BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" \
    \"%REQ(USER-AGENT)%\" \"%REQ(X-B3-TRACEID?X-DATADOG-TRACEID)%\" \"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \
    \"%KUMA_SOURCE_SERVICE%\" \"%KUMA_DESTINATION_SERVICE%\" \"%KUMA_SOURCE_ADDRESS_WITHOUT_PORT%\" \
    \"%UPSTREAM_HOST%\"";

/// The same for connections (`defaultNetworkAccessLogFormat`).
const TCP: &str = "[%START_TIME%] %RESPONSE_FLAGS% %KUMA_MESH% \
    %KUMA_SOURCE_ADDRESS_WITHOUT_PORT%(%KUMA_SOURCE_SERVICE%)->%UPSTREAM_HOST%(%KUMA_DESTINATION_SERVICE%) \
    took %DURATION%ms, sent %BYTES_SENT% bytes, received: %BYTES_RECEIVED% bytes";

/// The proxy, for Kuma's commands.
pub(in crate::model::kuma) struct Proxy<'a> {
    pub(in crate::model::kuma) mesh: &'a str,
    pub(in crate::model::kuma) service: &'a str,
    pub(in crate::model::kuma) address: IpAddr,
    /// The tag `kuma.io/zone`, or nothing.
    pub(in crate::model::kuma) zone: &'a str,
}

/// The logs of a listener: those of `to`, in which the gateway is the source and `*` the destination, and those of
/// `rules`, in which it is the destination.
pub(super) fn listener(policies: &Policies<'_>, proxy: &Proxy<'_>) -> Vec<AccessLog> {
    let all = &policies.resources.mesh_access_logs;
    let outbound = logs(
        policies.outbound(all, To::Listener),
        proxy,
        [proxy.service, "*", "OUTBOUND"],
        HTTP,
    );
    let inbound = logs(
        policies.inbound(all),
        proxy,
        ["unknown", proxy.service, "INBOUND"],
        HTTP,
    );
    outbound.into_iter().chain(inbound).collect()
}

/// The logs of an inbound of this service.
pub(super) fn inbound(
    policies: &Policies<'_>,
    proxy: &Proxy<'_>,
    listener: &Listener,
) -> Vec<AccessLog> {
    let conf = policies.inbound(&policies.resources.mesh_access_logs);
    let service = listener.tags.get(SERVICE_TAG).unwrap_or_default();
    logs(
        conf,
        proxy,
        ["unknown", service, "INBOUND"],
        format(listener),
    )
}

/// The logs of what is sent to a service.
pub(super) fn outbound(
    policies: &Policies<'_>,
    proxy: &Proxy<'_>,
    service: &Destination,
    listener: &Listener,
) -> Vec<AccessLog> {
    let all = &policies.resources.mesh_access_logs;
    let conf = policies.outbound(all, To::Destination(service));
    let ends = [proxy.service, &service.kuma_service, "OUTBOUND"];
    logs(conf, proxy, ends, format(listener))
}

fn format(listener: &Listener) -> &'static str {
    if listener.connections.is_empty() {
        HTTP
    } else {
        TCP
    }
}

fn logs(
    conf: Option<MeshLogs>,
    proxy: &Proxy<'_>,
    [source, destination, direction]: [&str; 3],
    otherwise: &str,
) -> Vec<AccessLog> {
    let backends = conf.and_then(|conf| conf.backends).unwrap_or_default();
    let commands = [
        (
            "%KUMA_SOURCE_ADDRESS%",
            SocketAddr::new(proxy.address, 0).to_string(),
        ),
        (
            "%KUMA_SOURCE_ADDRESS_WITHOUT_PORT%",
            proxy.address.to_string(),
        ),
        ("%KUMA_SOURCE_SERVICE%", source.to_owned()),
        ("%KUMA_DESTINATION_SERVICE%", destination.to_owned()),
        ("%KUMA_MESH%", proxy.mesh.to_owned()),
        ("%KUMA_TRAFFIC_DIRECTION%", direction.to_owned()),
        ("%KUMA_ZONE%", proxy.zone.to_owned()),
        ("%KUMA_WORKLOAD%", String::new()),
    ];
    let fill = |text: &str| {
        let fill = |text: String, (command, value): &(&str, String)| text.replace(command, value);
        commands.iter().fold(text.to_owned(), fill)
    };
    let files = backends.iter().filter_map(|backend| backend.file.as_ref());
    files.map(|file| log(file, otherwise, &fill)).collect()
}

fn log(backend: &FileBackend, otherwise: &str, fill: &impl Fn(&str) -> String) -> AccessLog {
    let format = backend.format.as_ref();
    let plain = |text: &str| LogFormat::Plain(fill(text) + "\n");
    AccessLog {
        file: backend.path.clone(),
        format: match format.map(|format| (&format.plain, &format.json)) {
            None | Some((None, None)) => plain(otherwise),
            Some((Some(text), _)) => plain(text),
            Some((None, Some(fields))) => LogFormat::Json(
                fields
                    .iter()
                    .map(|field| (field.key.clone(), fill(&field.value)))
                    .collect(),
            ),
        },
        omit_empty: format.is_some_and(|format| format.omit_empty_values),
    }
}
