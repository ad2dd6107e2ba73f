//! The kinds of Istio 1.32, and those of Kubernetes that Istio's gateways are made from.

use super::Fate::{self, LeftOut, Served};
use super::Kind;
use super::{SIDECARS, SIGNALS};
use crate::diagnostic::Severity::{Error, Warning};

const NETWORKING: &str = "networking.istio.io";
const SECURITY: &str = "security.istio.io";
const EXTENSIONS: &str = "extensions.istio.io";

/// The versions of each group. Istio's differ in their names only.
pub(super) const VERSIONS: &[(&str, &[&str])] = &[
    (NETWORKING, &["v1", "v1beta1", "v1alpha3"]),
    (SECURITY, &["v1", "v1beta1"]),
    (EXTENSIONS, &["v1alpha1"]),
    ("telemetry.istio.io", &["v1", "v1alpha1"]),
    ("", &["v1"]),
    ("apps", &["v1"]),
    ("discovery.k8s.io", &["v1"]),
];

#[rustfmt::skip] // One row, one line.
pub(super) const KINDS: &[Kind] = &[
    kind(NETWORKING, "DestinationRule", Served),
    kind(NETWORKING, "EnvoyFilter", LeftOut(Error, "what it changes in Envoy's configuration, refusals included, would be missing")),
    kind(NETWORKING, "Gateway", Served),
    kind(NETWORKING, "ProxyConfig", LeftOut(Warning, "settings of the proxy are arguments of meshgate and of Envoy")),
    kind(NETWORKING, "ServiceEntry", Served),
    kind(NETWORKING, "Sidecar", LeftOut(Warning, SIDECARS)),
    kind(NETWORKING, "VirtualService", Served),
    kind(NETWORKING, "WorkloadEntry", Served),
    kind(NETWORKING, "WorkloadGroup", LeftOut(Warning, "it has a control plane make WorkloadEntries")),
    kind(SECURITY, "AuthorizationPolicy", Served),
    kind(SECURITY, "PeerAuthentication", LeftOut(Warning, "Istio does not apply it to gateways either")),
    kind(SECURITY, "RequestAuthentication", Served),
    kind(EXTENSIONS, "TrafficExtension", LeftOut(Error, "requests that it refuses would get in")),
    kind(EXTENSIONS, "WasmPlugin", LeftOut(Error, "requests that it refuses would get in")),
    kind("telemetry.istio.io", "Telemetry", LeftOut(Warning, SIGNALS)),
    kind("", "ConfigMap", Served),
    kind("", "Endpoints", Served),
    kind("", "Node", Served),
    kind("", "Pod", Served),
    kind("", "Secret", Served),
    kind("", "Service", Served),
    kind("apps", "Deployment", Served),
    kind("discovery.k8s.io", "EndpointSlice", Served),
];

const fn kind(group: &'static str, name: &'static str, fate: Fate) -> Kind {
    Kind {
        name,
        group,
        in_mesh: false,
        fate,
    }
}
