//! Typed resources: what a document says, in the terms of its own schema.

pub mod decode;
mod duration;
mod files;
pub mod istio;
pub mod kubernetes;
pub mod kuma;
pub mod list;
mod load;
mod not_served;
mod re2;
pub mod registry;
mod report;

pub use duration::Duration;
pub(crate) use load::is_subdomain;
pub use load::load;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use crate::diagnostic::{Code, Diagnostic};
use crate::source::{Node, Path, Span};

use kuma::dataplane::Dataplane;
use kuma::external_service::ExternalService;
use kuma::health_check::HealthCheck;
use kuma::hostname_generator::HostnameGenerator;
use kuma::mesh::Mesh;
use kuma::mesh_access_log::MeshAccessLog;
use kuma::mesh_circuit_breaker::{CircuitBreaker, MeshCircuitBreaker};
use kuma::mesh_external_service::MeshExternalService;
use kuma::mesh_fault_injection::MeshFaultInjection;
use kuma::mesh_gateway::MeshGateway;
use kuma::mesh_gateway_route::MeshGatewayRoute;
use kuma::mesh_health_check::MeshHealthCheck;
use kuma::mesh_http_route::MeshHttpRoute;
use kuma::mesh_open_telemetry_backend::MeshOpenTelemetryBackend;
use kuma::mesh_passthrough::MeshPassthrough;
use kuma::mesh_rate_limit::{MeshRateLimit, RateLimit};
use kuma::mesh_retry::{MeshRetry, Retry};
use kuma::mesh_service::{MeshMultiZoneService, MeshService};
use kuma::mesh_tcp_route::MeshTcpRoute;
use kuma::mesh_timeout::{MeshTimeout, Timeout};
use kuma::mesh_tls::MeshTls;
use kuma::mesh_traffic_permission::MeshTrafficPermission;
use kuma::secret::Secrets;
use kuma::traffic_log::TrafficLog;
use kuma::traffic_permission::TrafficPermission;
use kuma::traffic_route::TrafficRoute;
use kuma::virtual_outbound::VirtualOutbound;
use kuma::zone_egress::ZoneEgress;
use kuma::zone_ingress::ZoneIngress;
use list::List;

/// All resources of the kinds that are served, in the order of the input.
#[derive(Clone, Debug, Default)]
pub struct Resources {
    /// How many resources there were, those of kinds that are not served among them.
    pub total: usize,
    /// `Mesh`.
    pub meshes: Vec<Resource<Mesh>>,
    /// `Dataplane`.
    pub dataplanes: Vec<Resource<Dataplane>>,
    /// `MeshGateway`.
    pub mesh_gateways: List<MeshGateway>,
    /// `Secret`.
    pub secrets: Secrets,
    /// `ExternalService`.
    pub external_services: Vec<Resource<ExternalService>>,
    /// `MeshExternalService`.
    pub mesh_external_services: Vec<Resource<MeshExternalService>>,
    /// The virtual addresses of those, by [`vips::key`](crate::vips::key).
    pub vips: BTreeMap<String, IpAddr>,
    /// `HostnameGenerator`.
    pub hostname_generators: Vec<Resource<HostnameGenerator>>,
    /// `ZoneEgress`.
    pub zone_egresses: Vec<Resource<ZoneEgress>>,
    /// `ZoneIngress`.
    pub zone_ingresses: Vec<Resource<ZoneIngress>>,
    /// `TrafficRoute`, for its destinations.
    pub traffic_routes: Vec<Resource<TrafficRoute>>,
    /// `VirtualOutbound`, for the tags in its names.
    pub virtual_outbounds: Vec<Resource<VirtualOutbound>>,
    /// `MeshService`.
    pub mesh_services: Vec<Resource<MeshService>>,
    /// `MeshMultiZoneService`.
    pub mesh_multi_zone_services: Vec<Resource<MeshMultiZoneService>>,
    /// `MeshHTTPRoute`.
    pub mesh_http_routes: List<MeshHttpRoute>,
    /// `MeshTCPRoute`.
    pub mesh_tcp_routes: List<MeshTcpRoute>,
    /// `MeshGatewayRoute`.
    pub mesh_gateway_routes: List<MeshGatewayRoute>,
    /// `MeshAccessLog`.
    pub mesh_access_logs: List<MeshAccessLog>,
    /// `TrafficLog`.
    pub traffic_logs: List<TrafficLog>,
    /// `MeshOpenTelemetryBackend`.
    pub mesh_open_telemetry_backends: Vec<Resource<MeshOpenTelemetryBackend>>,
    /// `HealthCheck`.
    pub health_checks: List<HealthCheck>,
    /// `MeshHealthCheck`.
    pub mesh_health_checks: List<MeshHealthCheck>,
    /// `MeshTimeout`.
    pub mesh_timeouts: List<MeshTimeout>,
    /// `Timeout`.
    pub timeouts: List<Timeout>,
    /// `MeshRetry`.
    pub mesh_retries: List<MeshRetry>,
    /// `Retry`.
    pub retries: List<Retry>,
    /// `MeshCircuitBreaker`.
    pub mesh_circuit_breakers: List<MeshCircuitBreaker>,
    /// `CircuitBreaker`.
    pub circuit_breakers: List<CircuitBreaker>,
    /// `MeshRateLimit`.
    pub mesh_rate_limits: List<MeshRateLimit>,
    /// `RateLimit`.
    pub rate_limits: List<RateLimit>,
    /// `MeshFaultInjection`.
    pub mesh_fault_injections: List<MeshFaultInjection>,
    /// `MeshTLS`.
    pub mesh_tls: List<MeshTls>,
    /// What may leave a mesh without being a service.
    pub mesh_passthroughs: List<MeshPassthrough>,
    /// `MeshTrafficPermission`.
    pub mesh_traffic_permissions: List<MeshTrafficPermission>,
    /// `TrafficPermission`.
    pub traffic_permissions: List<TrafficPermission>,
    /// Istio's.
    pub istio: istio::Istio,
    /// Kubernetes' own.
    pub kubernetes: kubernetes::Kubernetes,
}

/// A resource with its name and its place.
#[derive(Clone, Debug)]
pub struct Resource<T> {
    /// Kind, name, and what the name is relative to.
    pub meta: Meta,
    /// What it says.
    pub spec: T,
    /// Where it stands.
    pub place: Place,
}

/// What all resources have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meta {
    /// `MeshGateway`.
    pub kind: String,
    /// The mesh; empty for resources that are in none.
    pub mesh: String,
    /// The name.
    pub name: String,
    /// The Kubernetes namespace, if it has one; resources of Istio and Kubernetes always do.
    pub namespace: Option<String>,
    /// When it was created, in RFC 3339; exports have it, hand-written files do not.
    pub created: Option<String>,
    /// The labels, sorted.
    pub labels: BTreeMap<String, String>,
    /// The annotations, sorted. Kuma's universal format has none; here they stand beside `labels`.
    pub annotations: BTreeMap<String, String>,
}

impl Meta {
    /// What Kuma calls the resource within its mesh: `<name>.<namespace>` if it is one of Kubernetes
    /// (`K8sNamespacedNameToCoreName` in `pkg/util/k8s/name_converter.go` at 2.14.3).
    pub fn core_name(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("{}.{namespace}", self.name),
            None => self.name.clone(),
        }
    }

    /// Whether Kuma only computes, for its inspection API, what a policy would change, and does not apply it
    /// (`IsShadowedResource` in `pkg/core/resources/model/resource.go` at 2.14.3).
    pub fn is_shadow(&self) -> bool {
        let effect = self.labels.get("kuma.io/effect");
        effect.is_some_and(|effect| effect == "shadow")
    }

    /// The namespace, or nothing for what is in none.
    pub fn namespace(&self) -> &str {
        self.namespace.as_deref().unwrap_or_default()
    }
}

/// Where a resource stands: its document, and the part of it that holds the specification.
#[derive(Clone, Debug)]
pub struct Place {
    /// The whole document.
    pub root: Arc<Node>,
    /// The way to the specification: nothing, or `spec`.
    pub spec: Path,
    /// Paths in the specification that a finding has named already: what is said about them again is noise.
    pub faults: Vec<Path>,
}

impl Place {
    /// Whether a mistake has been named at `path`, above it or below it.
    pub fn is_faulty(&self, path: &Path) -> bool {
        self.faults
            .iter()
            .any(|fault| path.starts_with(fault) || fault.starts_with(path))
    }
}

impl<T> Resource<T> {
    /// Where to point when something is said about `path` in the specification.
    pub fn span(&self, path: &Path) -> Span {
        self.place.root.locate(&self.place.spec.join(path))
    }
}

impl<T> Resource<T> {
    /// A mistake at `path` that keeps the resource from being served.
    pub fn error(&self, code: Code, path: &Path, message: impl Into<String>) -> Diagnostic {
        self.placed(Diagnostic::error(code, message), path)
    }

    /// Something at `path` that is probably not meant.
    pub fn warning(&self, code: Code, path: &Path, message: impl Into<String>) -> Diagnostic {
        self.placed(Diagnostic::warning(code, message), path)
    }

    fn placed(&self, finding: Diagnostic, path: &Path) -> Diagnostic {
        finding.at(self.span(path)).about(&self.meta, path)
    }
}

impl std::fmt::Display for Meta {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.mesh.as_str(), self.namespace()) {
            ("", "") => write!(f, "{}/{}", self.kind, self.name),
            ("", around) | (around, _) => write!(f, "{}/{around}/{}", self.kind, self.name),
        }
    }
}
