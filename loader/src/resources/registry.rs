//! Every kind of Kuma 2.14 and of Istio 1.32, and what becomes of it here.
//!
//! A kind that is known and not served is an error where leaving it out could let a request in that Kuma keeps out, or
//! send one elsewhere; where it could not, it is a warning. The text says what the kind would have done.

mod istio;

use crate::diagnostic::Severity;

/// A kind of resource.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// `MeshGateway`.
    pub name: &'static str,
    /// The part of `apiVersion` before the `/`; empty for Kubernetes' oldest kinds.
    pub group: &'static str,
    /// Whether a resource of it lies in a mesh.
    pub in_mesh: bool,
    /// What becomes of it.
    pub fate: Fate,
}

/// Whose kinds: several of them have some of the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Kuma and Kong Mesh.
    Kuma,
    /// Istio.
    Istio,
    /// Kubernetes itself.
    Kubernetes,
}

impl Kind {
    /// Whether a resource of it in a cluster lies in a namespace.
    pub fn has_namespace(&self) -> bool {
        (self.group, self.name) != ("", "Node")
    }

    /// Whose kind it is.
    pub fn dialect(&self) -> Dialect {
        match self.group {
            KUMA => Dialect::Kuma,
            group if group.ends_with(".istio.io") => Dialect::Istio,
            _ => Dialect::Kubernetes,
        }
    }
}

/// What becomes of the resources of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// They are served.
    Served,
    /// Nothing: they are reports of a control plane, which every export has.
    Report,
    /// They are named and left out.
    LeftOut(Severity, &'static str),
    /// They are named and left out, after their own validation.
    Checked(Severity, &'static str),
}

impl Fate {
    /// Whether it is looked into what the resources say.
    pub fn is_read(self) -> bool {
        matches!(self, Self::Served | Self::Checked(..))
    }
}

use Fate::{Checked, LeftOut, Report, Served};
use Severity::{Error, Warning};

/// The group of Kuma's kinds in a cluster.
pub const KUMA: &str = "kuma.io";

const SIGNALS: &str = "its traces and metrics are not written";
const ENVOY: &str = "what it changes in Envoy's configuration, refusals included, would be missing";
const ZONES: &str = "other zones are not reached";
const SIDECARS: &str = "it would change the proxies next to services, not gateways";
const ROUTES: &str =
    "proxies send requests where newer routes say; only zone egresses look at its destinations";
const PLANE: &str = "only a control plane uses it";

/// All kinds of Kuma, by name.
#[rustfmt::skip] // One row, one line.
pub const KINDS: &[Kind] = &[
    kind("CircuitBreaker", Served),
    global("Config", Report),
    kind("ContainerPatch", LeftOut(Warning, SIDECARS)),
    kind("Dataplane", Served),
    kind("DataplaneInsight", Report),
    kind("DataplaneOverview", Report),
    kind("ExternalService", Served),
    kind("FaultInjection", LeftOut(Warning, "nothing goes wrong on purpose; Kuma does not apply it to gateways either")),
    global("GlobalSecret", LeftOut(Warning, PLANE)),
    kind("HealthCheck", Served),
    global("HostnameGenerator", Served),
    global("Mesh", Served),
    kind("MeshAccessLog", Served),
    kind("MeshCircuitBreaker", Served),
    kind("MeshExternalService", Served),
    kind("MeshFaultInjection", Served),
    kind("MeshGateway", Served),
    global("MeshGatewayConfig", LeftOut(Warning, "it has Kubernetes create gateways")),
    kind("MeshGatewayInstance", LeftOut(Warning, "it has Kubernetes create a gateway; write a Dataplane instead")),
    kind("MeshGatewayRoute", Served),
    kind("MeshHTTPRoute", Served),
    kind("MeshHealthCheck", Served),
    kind("MeshIdentity", LeftOut(Warning, "requests go to services without mTLS")),
    global("MeshInsight", Report),
    kind("MeshLoadBalancingStrategy", LeftOut(Warning, "all endpoints of a service are used in turn")),
    kind("MeshMetric", LeftOut(Warning, SIGNALS)),
    kind("MeshMultiZoneService", Served),
    kind("MeshOpenTelemetryBackend", Served),
    kind("MeshPassthrough", Served),
    kind("MeshProxyPatch", LeftOut(Error, ENVOY)),
    kind("MeshRateLimit", Served),
    kind("MeshRetry", Served),
    kind("MeshService", Served),
    kind("MeshTCPRoute", Served),
    kind("MeshTLS", Served),
    kind("MeshTimeout", Served),
    kind("MeshTrace", LeftOut(Warning, SIGNALS)),
    kind("MeshTrafficPermission", Served),
    kind("MeshTrust", LeftOut(Warning, "requests go to services without mTLS")),
    kind("MeshZoneAddress", LeftOut(Warning, ZONES)),
    kind("ProxyTemplate", LeftOut(Error, ENVOY)),
    kind("RateLimit", Served),
    kind("Retry", Served),
    kind("Secret", Served),
    kind("ServiceInsight", Report),
    kind("ServiceOverview", Report),
    kind("Timeout", Served),
    kind("TrafficLog", Served),
    kind("TrafficPermission", Served),
    kind("TrafficRoute", Checked(Warning, ROUTES)),
    kind("TrafficTrace", LeftOut(Warning, SIGNALS)),
    kind("VirtualOutbound", Checked(Warning, SIDECARS)),
    kind("Workload", LeftOut(Warning, PLANE)),
    global("Zone", LeftOut(Warning, ZONES)),
    global("ZoneEgress", Served),
    global("ZoneEgressInsight", Report),
    global("ZoneEgressOverview", Report),
    global("ZoneIngress", Served),
    global("ZoneIngressInsight", Report),
    global("ZoneIngressOverview", Report),
    global("ZoneInsight", Report),
    global("ZoneOverview", Report),
];

const fn kind(name: &'static str, fate: Fate) -> Kind {
    Kind {
        name,
        group: KUMA,
        in_mesh: true,
        fate,
    }
}

const fn global(name: &'static str, fate: Fate) -> Kind {
    Kind {
        name,
        group: KUMA,
        in_mesh: false,
        fate,
    }
}

/// Kuma's kind with this name.
pub fn find(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name)
}

/// The `apiVersion` of a kind of meshes, or of one of Kubernetes that they are made from.
pub fn api_version(name: &str) -> Option<String> {
    // `kind: Config` is what `kubectl` is configured with.
    if find(name).is_some_and(|kind| kind.fate != Report) && name != "Secret" {
        return Some(format!("{KUMA}/v1alpha1"));
    }
    let kind = istio::KINDS.iter().find(|kind| kind.name == name)?;
    match (kind.group, versions(kind.group).first()?) {
        ("", version) => Some((*version).to_owned()),
        (group, version) => Some(format!("{group}/{version}")),
    }
}

/// The kinds of a group other than Kuma's, if there are some here.
pub fn of_group(group: &str) -> impl Iterator<Item = &'static Kind> + '_ {
    istio::KINDS.iter().filter(move |kind| kind.group == group)
}

/// The groups of meshes.
pub fn groups() -> impl Iterator<Item = &'static str> {
    let istio = istio::VERSIONS.iter().map(|(group, _)| *group);
    istio.chain([KUMA]).filter(|group| group.ends_with(".io"))
}

/// The versions of a group that are read; nothing for groups without a kind here.
pub fn versions(group: &str) -> &'static [&'static str] {
    istio::VERSIONS
        .iter()
        .find(|(name, _)| *name == group)
        .map_or(&[], |(_, versions)| versions)
}

/// Whether it is one of Kuma's newer kinds, whose specification stands below `spec` in both formats.
pub fn has_spec(kind: &str) -> bool {
    matches!(
        kind,
        "HostnameGenerator"
            | "MeshAccessLog"
            | "MeshCircuitBreaker"
            | "MeshExternalService"
            | "MeshFaultInjection"
            | "MeshHTTPRoute"
            | "MeshHealthCheck"
            | "MeshMultiZoneService"
            | "MeshOpenTelemetryBackend"
            | "MeshPassthrough"
            | "MeshRateLimit"
            | "MeshRetry"
            | "MeshService"
            | "MeshTCPRoute"
            | "MeshTLS"
            | "MeshTimeout"
            | "MeshTrafficPermission"
    )
}

/// What becomes of the kinds of other APIs, by the group in `apiVersion`; nothing for groups that are unknown.
pub fn foreign(group: &str) -> Option<Fate> {
    const NONE: Fate = LeftOut(Warning, "it is none of a mesh's resources");
    match group {
        "install.istio.io" => Some(LeftOut(Warning, "it has a control plane installed")),
        "gateway.networking.k8s.io" => Some(LeftOut(
            Warning,
            "resources of the Gateway API are not served",
        )),
        // The groups of Kubernetes itself: `v1`, `apps/v1`, `rbac.authorization.k8s.io/v1`.
        "" | "apps" | "batch" | "autoscaling" | "policy" | "extensions" => Some(NONE),
        _ if group.ends_with(".k8s.io") => Some(NONE),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_kind_twice() {
        assert!(KINDS.is_sorted_by(|a, b| a.name < b.name));
    }
}
