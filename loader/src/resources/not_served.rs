//! Fields that are known and not served yet. To serve one, remove its row.
//!
//! A row is an error where leaving the field out could let a request in that Kuma keeps out, or send one elsewhere;
//! where it could not, it is a warning.

use crate::diagnostic::{Code, Diagnostic, Severity};
use crate::source::node::snake_case;
use crate::source::{Node, Path, Value};

use super::report::Report;

use Severity::{Error, Warning};

/// A field that has no effect.
struct Field {
    kind: &'static str,
    /// From the specification, with `[]` for each element of a list.
    path: &'static str,
    /// The values without effect; all that mean something if there are none here.
    values: &'static [&'static str],
    severity: Severity,
    /// What the field would have done.
    effect: &'static str,
}

const MESH: &str = "proxies go without";

#[rustfmt::skip] // One row, one line.
const FIELDS: &[Field] = &[
    any("MeshExternalService", "extension", Error, "only a control plane with that extension knows where the service is"),
    any("HostnameGenerator", "selector.meshService", Warning, "no host names are made for services of the mesh"),
    any("HostnameGenerator", "selector.meshMultiZoneService", Warning, "no host names are made for services of the mesh"),
    any("HostnameGenerator", "extension", Warning, "only a control plane with that extension makes these host names"),
    any("ExternalService", "networking.tls.sni", Warning, "Kuma drops it in silence too; `serverName` is the name that is asked for, or else the address"),
    any("Mesh", "tracing", Warning, MESH),
    any("Mesh", "metrics", Warning, MESH),
    any("Mesh", "routing.localityAwareLoadBalancing", Warning, "all endpoints of a service are used in turn"),
    any("Mesh", "constraints", Warning, "any Dataplane may be in the mesh: whoever writes the files decides"),
    only("Mesh", "meshServices.mode", &["Exclusive", "3"], Warning, "services are found by the tags of their Dataplanes"),
    any("Dataplane", "metrics", Warning, MESH),
    any("Dataplane", "probes", Warning, "there is no port for probes: probe the service itself"),
    any("Dataplane", "networking.admin", Warning, "the admin port is set when Envoy is started"),
    any("Dataplane", "networking.transparentProxying.directAccessServices", Warning, "endpoints are reached by the service's own port, and by their addresses as what leaves the mesh"),
    only("Dataplane", "networking.listeners[].type", &["ZoneIngress", "1"], Warning, "nobody gets in from other zones"),
    any("Dataplane", "networking.inbound[].serviceProbe", Warning, "endpoints are not probed"),
    only("MeshCircuitBreaker", "to[].targetRef.kind", &["MeshMultiZoneService"], Warning, "the entry has no effect on what gateways send to it"),
    only("MeshHealthCheck", "to[].targetRef.kind", &["MeshMultiZoneService"], Warning, "the entry has no effect on what gateways send to it"),
    only("MeshRetry", "to[].targetRef.kind", &["MeshExternalService", "MeshMultiZoneService"], Warning, "the entry has no effect on what gateways send to it"),
    only("MeshTimeout", "to[].targetRef.kind", &["MeshMultiZoneService"], Warning, "the entry has no effect on what gateways send to it"),
    any("MeshOpenTelemetryBackend", "env", Warning, "nothing is taken from the environment of a `kuma-dp`"),
    only("MeshOpenTelemetryBackend", "protocol", &["http"], Warning, "records are sent with gRPC only, and to this collector none"),
    any("MeshRateLimit", "to[].default.local.tcp", Error, "connections that it would refuse would get in"),
    any("Gateway", "servers[].defaultEndpoint", Warning, "Istio does not implement it either"),
    any("Gateway", "servers[].tls.tlsCertificates[].caCertificates", Warning, "as in Istio, the authorities of clients are those of `caCertificates` beside `tlsCertificates`"),
    any("ZoneEgress", "networking.admin", Warning, "the admin port is set when Envoy is started"),
    any("ZoneIngress", "networking.admin", Warning, "its own proxy is somebody else's"),
    any("VirtualService", "tls[].match[].destinationSubnets", Warning, "gateways do not look at it, in Istio either"),
    any("VirtualService", "tls[].match[].sourceLabels", Warning, "gateways do not look at it, in Istio either"),
    any("VirtualService", "tls[].match[].sourceNamespace", Warning, "gateways do not look at it, in Istio either"),
    any("VirtualService", "tcp[].match[].destinationSubnets", Warning, "gateways do not look at it, in Istio either"),
    any("VirtualService", "tcp[].match[].sourceLabels", Warning, "gateways do not look at it, in Istio either"),
    any("VirtualService", "tcp[].match[].sourceNamespace", Warning, "gateways do not look at it, in Istio either"),
    any("VirtualService", "tcp[].match[].sourceSubnet", Error, "Istio does not look at it either, and connections from everywhere would get in"),
    any("AuthorizationPolicy", "rules[].from[].source.principals", Error, "what certificates of clients say is not compared, and others would be let in or kept out"),
    any("AuthorizationPolicy", "rules[].from[].source.notPrincipals", Error, "what certificates of clients say is not compared, and others would be let in or kept out"),
    any("AuthorizationPolicy", "rules[].from[].source.namespaces", Error, "what certificates of clients say is not compared, and others would be let in or kept out"),
    any("AuthorizationPolicy", "rules[].from[].source.notNamespaces", Error, "what certificates of clients say is not compared, and others would be let in or kept out"),
    any("AuthorizationPolicy", "rules[].from[].source.serviceAccounts", Error, "what certificates of clients say is not compared, and others would be let in or kept out"),
    any("AuthorizationPolicy", "rules[].from[].source.notServiceAccounts", Error, "what certificates of clients say is not compared, and others would be let in or kept out"),
    any("AuthorizationPolicy", "rules[].from[].source.trustDomains", Error, "what certificates of clients say is not compared, and others would be let in or kept out"),
    any("AuthorizationPolicy", "rules[].from[].source.notTrustDomains", Error, "what certificates of clients say is not compared, and others would be let in or kept out"),
    only("AuthorizationPolicy", "action", &["CUSTOM", "3"], Error, "nobody is asked, and requests that would be refused get in"),
    only("AuthorizationPolicy", "action", &["AUDIT", "2"], Warning, "nothing is written down"),
    any("DestinationRule", "workloadSelector", Warning, "the rule is for the clients that it selects, and the gateway goes without"),
];

const fn any(
    kind: &'static str,
    path: &'static str,
    severity: Severity,
    effect: &'static str,
) -> Field {
    only(kind, path, &[], severity, effect)
}

const fn only(
    kind: &'static str,
    path: &'static str,
    values: &'static [&'static str],
    severity: Severity,
    effect: &'static str,
) -> Field {
    Field {
        kind,
        path,
        values,
        severity,
        effect,
    }
}

/// Names the fields of a resource that are not served.
pub(super) fn fields(kind: &str, report: &mut Report<'_>) {
    for field in FIELDS.iter().filter(|field| field.kind == kind) {
        let mut found = Vec::new();
        search(
            report.node(),
            field.path,
            &Path::root(),
            &mut |path, node| {
                if field.values.is_empty() && means_something(node)
                    || node.text().is_some_and(|text| field.values.contains(&text))
                {
                    found.push(path);
                }
            },
        );
        for path in found {
            let message = format!("not served: {}", field.effect);
            let finding = match field.severity {
                Severity::Error => Diagnostic::error(Code::NotServedField, message),
                Severity::Warning => Diagnostic::warning(Code::NotServedField, message),
            };
            report.say(&path, finding);
        }
    }
}

/// Calls `found` for each value at `pattern`.
fn search<'n>(node: &'n Node, pattern: &str, path: &Path, found: &mut impl FnMut(Path, &'n Node)) {
    let (first, rest) = match pattern.split_once('.') {
        Some((first, rest)) => (first, Some(rest)),
        None => (pattern, None),
    };
    let (name, is_list) = match first.strip_suffix("[]") {
        Some(name) => (name, true),
        None => (first, false),
    };
    let Some(value) = node.get(name).or_else(|| node.get(&snake_case(name))) else {
        return;
    };
    let path = path.field(name);
    let mut step = |node, path| match rest {
        Some(rest) => search(node, rest, &path, found),
        None => found(path, node),
    };
    match &value.value {
        Value::Sequence(items) if is_list => {
            for (index, item) in items.iter().enumerate() {
                step(item, path.index(index));
            }
        }
        _ if is_list => {}
        _ => step(value, path),
    }
}

/// Whether a value differs from leaving the field out.
fn means_something(node: &Node) -> bool {
    match &node.value {
        Value::Null => false,
        Value::Scalar { text, .. } => {
            !matches!(text.as_str(), "" | "0" | "false" | "no" | "off" | "NONE")
        }
        Value::Sequence(items) => !items.is_empty(),
        Value::Mapping(entries) => !entries.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use serde::de::DeserializeOwned;

    use super::*;
    use crate::resources::decode::{Reader, decode};
    use crate::resources::istio::{
        authorization_policy::AuthorizationPolicy, destination_rule::DestinationRule,
        gateway::Gateway, service_entry::ServiceEntry, virtual_service::VirtualService,
    };
    use crate::resources::kuma::{
        dataplane::Dataplane, external_service::ExternalService,
        hostname_generator::HostnameGenerator, mesh::Mesh,
        mesh_circuit_breaker::MeshCircuitBreaker, mesh_external_service::MeshExternalService,
        mesh_gateway::MeshGateway, mesh_gateway_route::MeshGatewayRoute,
        mesh_health_check::MeshHealthCheck, mesh_http_route::MeshHttpRoute,
        mesh_open_telemetry_backend::MeshOpenTelemetryBackend, mesh_rate_limit::MeshRateLimit,
        mesh_retry::MeshRetry, mesh_timeout::MeshTimeout, zone_egress::ZoneEgress,
        zone_ingress::ZoneIngress,
    };
    use crate::source::read_text;

    fn unknown<T: DeserializeOwned + Default>(yaml: &str) -> Vec<String> {
        let (_, documents, _) = read_text("test.yaml", yaml);
        decode::<T>(&documents[0].root, Reader::Proto, &[])
            .findings
            .into_iter()
            .filter(|finding| finding.code == Code::UnknownField)
            .map(|finding| finding.message)
            .collect()
    }

    #[test]
    fn every_row_is_a_field_of_its_kind() {
        for field in FIELDS {
            let yaml = field
                .path
                .rsplit('.')
                .fold("x".to_owned(), |inner, segment| {
                    match segment.strip_suffix("[]") {
                        Some(name) => format!("{{{name}: [{inner}]}}"),
                        None => format!("{{{segment}: {inner}}}"),
                    }
                });
            let unknown = match field.kind {
                "Mesh" => unknown::<Mesh>(&yaml),
                "Dataplane" => unknown::<Dataplane>(&yaml),
                "MeshGateway" => unknown::<MeshGateway>(&yaml),
                "MeshGatewayRoute" => unknown::<MeshGatewayRoute>(&yaml),
                "MeshRateLimit" => unknown::<MeshRateLimit>(&yaml),
                "MeshHTTPRoute" => unknown::<MeshHttpRoute>(&yaml),
                "MeshHealthCheck" => unknown::<MeshHealthCheck>(&yaml),
                "MeshRetry" => unknown::<MeshRetry>(&yaml),
                "MeshOpenTelemetryBackend" => unknown::<MeshOpenTelemetryBackend>(&yaml),
                "MeshTimeout" => unknown::<MeshTimeout>(&yaml),
                "MeshCircuitBreaker" => unknown::<MeshCircuitBreaker>(&yaml),
                "Gateway" => unknown::<Gateway>(&yaml),
                "VirtualService" => unknown::<VirtualService>(&yaml),
                "AuthorizationPolicy" => unknown::<AuthorizationPolicy>(&yaml),
                "DestinationRule" => unknown::<DestinationRule>(&yaml),
                "ServiceEntry" => unknown::<ServiceEntry>(&yaml),
                "HostnameGenerator" => unknown::<HostnameGenerator>(&yaml),
                "MeshExternalService" => unknown::<MeshExternalService>(&yaml),
                "ExternalService" => unknown::<ExternalService>(&yaml),
                "ZoneEgress" => unknown::<ZoneEgress>(&yaml),
                "ZoneIngress" => unknown::<ZoneIngress>(&yaml),
                kind => vec![format!("unknown kind {kind}")],
            };
            assert_eq!(unknown, [""; 0], "{yaml}");
        }
    }
}
