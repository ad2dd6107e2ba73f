//! Records for a collector of OpenTelemetry (Kuma `pkg/plugins/policies/meshaccesslog/plugin/xds` at 2.14.3).

use std::net::IpAddr;

use ::policy::Tags;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::Proxy;
use super::format::Commands;
use crate::model::kuma::Input;
use crate::model::policy::{AnyValue, ClusterPolicy, OtelLog};
use crate::model::{Cluster, Endpoint, Origin, UpstreamProtocol};
use crate::resources::Resource;
use crate::resources::kuma::mesh_access_log::{MeshLogs, OtelBackend};
use crate::resources::kuma::mesh_open_telemetry_backend::MeshOpenTelemetryBackend;
use crate::source::Path;

/// The port of a collector that none is given for.
const PORT: u16 = 4317;

/// Where the records go: to the endpoint, or to the oldest collector with the labels (`ResolveOtelBackend`).
pub(super) fn endpoint<'a>(
    backend: &OtelBackend,
    all: impl Iterator<Item = &'a Resource<MeshOpenTelemetryBackend>>,
) -> Option<Endpoint> {
    let Some(reference) = &backend.backend_ref else {
        return (!backend.endpoint.is_empty()).then(|| parse(&backend.endpoint));
    };
    let collector = chosen(&reference.labels, all)?;
    // What Envoy sends is gRPC.
    if collector.spec.protocol.as_deref() == Some("http") {
        return None;
    }
    let endpoint = collector.spec.endpoint.clone().unwrap_or_default();
    let port = endpoint.port.and_then(|port| u16::try_from(port).ok());
    Some(Endpoint {
        address: endpoint.address.unwrap_or_else(|| "127.0.0.1".to_owned()),
        port: port.unwrap_or(PORT),
        priority: 0,
        tls: None,
        weight: None,
        locality: None,
    })
}

/// The oldest collector with all of these labels.
pub(crate) fn chosen<'a>(
    labels: &std::collections::BTreeMap<String, String>,
    all: impl Iterator<Item = &'a Resource<MeshOpenTelemetryBackend>>,
) -> Option<&'a Resource<MeshOpenTelemetryBackend>> {
    let has = |name: &String, value: &String, resource: &Resource<_>| {
        resource.meta.labels.get(name) == Some(value)
    };
    all.filter(|collector| {
        let mut labels = labels.iter();
        labels.all(|(name, value)| has(name, value, collector))
    })
    .min_by_key(|collector| &collector.meta.created)
}

/// `host`, `host:port` or `[address]:port` (`ParseOtelEndpoint`).
fn parse(text: &str) -> Endpoint {
    let whole = |host: &str| (host.to_owned(), PORT);
    let is_bare_ipv6 = text.parse::<IpAddr>().is_ok();
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !is_bare_ipv6 && !host.is_empty() => (
            host.to_owned(),
            port.parse().ok().filter(|port| *port > 0).unwrap_or(PORT),
        ),
        _ => whole(text),
    };
    let host = host.strip_prefix('[').unwrap_or(&host);
    Endpoint {
        address: host.strip_suffix(']').unwrap_or(host).to_owned(),
        port,
        priority: 0,
        tls: None,
        weight: None,
        locality: None,
    }
}

/// What the names of the clusters of collectors begin with.
const CLUSTER: &str = "meshaccesslog:opentelemetry:";

/// The cluster of a collector, which all logs for it share.
pub(super) fn collector(
    proxy: &Proxy<'_>,
    endpoint: Endpoint,
    clusters: &mut Vec<Cluster>,
) -> String {
    let collectors = clusters
        .iter()
        .filter(|cluster| cluster.name.starts_with(CLUSTER));
    let known = |cluster: &&Cluster| cluster.endpoints.first() == Some(&endpoint);
    if let Some(cluster) = collectors.clone().find(known) {
        return cluster.name.clone();
    }
    let name = format!("{CLUSTER}{}", collectors.count());
    clusters.push(Cluster {
        name: name.clone(),
        protocol: UpstreamProtocol::Grpc,
        origin: origin(proxy.input, proxy.mesh, &endpoint),
        endpoints: vec![endpoint],
        tls: None,
        origination: None,
        destination: Tags::default(),
        source: Tags::default(),
        policy: ClusterPolicy::default(),
    });
    name
}

/// The first policy that sends records there.
fn origin(input: Input<'_>, mesh: &str, to: &Endpoint) -> Origin {
    let all = &input.resources.mesh_access_logs;
    let collectors = &input.resources.mesh_open_telemetry_backends;
    let sends = |conf: &MeshLogs| {
        let backends = conf.backends.iter().flatten();
        backends
            .filter_map(|backend| backend.open_telemetry.as_ref())
            .any(|otel| endpoint(otel, super::of_mesh(collectors, mesh)).as_ref() == Some(to))
    };
    let mut policies = super::of_mesh(all, mesh);
    let policy = policies.find(|policy| policy.spec.confs().any(sends));
    policy.map_or_else(Origin::default, |policy| {
        input.origin(policy, &Path::root())
    })
}

/// `OtelBody`, `OtelAttributes` and `OtelResourceAttributes`; the cluster is not known yet.
///
/// The authority is not Kuma's, which leaves it to Envoy: the name of the cluster with its colons, which some servers
/// refuse.
pub(super) fn log(
    backend: &OtelBackend,
    commands: &Commands,
    proxy: &Proxy<'_>,
    endpoint: &Endpoint,
) -> OtelLog {
    let attributes = backend.attributes.iter().flatten();
    let resource = [
        ("kuma.mesh", proxy.mesh),
        ("kuma.zone", proxy.zone),
        ("kuma.workload", &proxy.workload),
    ];
    let host = match endpoint.address.parse::<IpAddr>() {
        Ok(IpAddr::V6(address)) => format!("[{address}]"),
        _ => endpoint.address.clone(),
    };
    OtelLog {
        cluster: String::new(),
        authority: format!("{host}:{}", endpoint.port),
        body: match &backend.body {
            None => AnyValue::String(commands.default()),
            Some(body) => any_value(body, commands)
                .unwrap_or_else(|| AnyValue::String(commands.fill(&body.to_string()))),
        },
        attributes: attributes
            .map(|field| (commands.fill(&field.key), commands.fill(&field.value)))
            .collect(),
        resource: resource
            .into_iter()
            .filter(|(name, value)| *name == "kuma.mesh" || !value.is_empty())
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
    }
}

/// OTLP's `AnyValue` in protobuf's JSON; nothing if it is none.
fn any_value(value: &Value, commands: &Commands) -> Option<AnyValue> {
    let mut fields = value.as_object()?.iter();
    let (name, value) = fields.next()?;
    if fields.next().is_some() {
        return None;
    }
    let number = |value: &Value| match value {
        Value::String(text) => text.parse().ok(),
        other => other.as_i64(),
    };
    let float = |value: &Value| match value {
        Value::String(text) => text.parse().ok(),
        other => other.as_f64(),
    };
    Some(match name.as_str() {
        "stringValue" | "string_value" => AnyValue::String(commands.fill(value.as_str()?)),
        "boolValue" | "bool_value" => AnyValue::Bool(value.as_bool()?),
        "intValue" | "int_value" => AnyValue::Int(number(value)?),
        "doubleValue" | "double_value" => AnyValue::Double(float(value)?),
        "bytesValue" | "bytes_value" => AnyValue::Bytes(STANDARD.decode(value.as_str()?).ok()?),
        "arrayValue" | "array_value" => {
            let values = value.get("values")?.as_array()?.iter();
            AnyValue::Array(
                values
                    .map(|value| any_value(value, commands))
                    .collect::<Option<_>>()?,
            )
        }
        "kvlistValue" | "kvlist_value" => {
            let pairs = value.get("values")?.as_array()?.iter();
            let pair = |pair: &Value| {
                let key = commands.fill(pair.get("key")?.as_str()?);
                Some((key, any_value(pair.get("value")?, commands)?))
            };
            AnyValue::List(pairs.map(pair).collect::<Option<_>>()?)
        }
        _ => return None,
    })
}
