//! From documents to typed resources: which kind, which name, and everything that is wrong with each by itself.

mod head;
mod secret;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use serde::de::DeserializeOwned;

use crate::diagnostic::{Code, Diagnostic, Severity};
use crate::source::{Document, Node, Path, Span, Value};

use super::decode::{Reader, decode};
use super::kuma::schema;
use super::not_served;
use super::registry::{self, Dialect, Fate, Kind};
use super::report::{Report, Validate};
use super::{Meta, Place, Resource, Resources};

use head::Head;
pub(crate) use head::is_subdomain;

/// Reads the resources of all documents.
///
/// With `resource_only`, the findings are Kuma's own verdicts on each resource by itself: what Kuma accepts and
/// nobody can serve is not among them.
pub fn load(documents: Vec<Document>, resource_only: bool) -> (Resources, Vec<Diagnostic>) {
    let mut loader = Loader {
        resource_only,
        resources: Resources::default(),
        findings: Vec::new(),
        unused: Vec::new(),
        unread: Vec::new(),
        seen: HashMap::new(),
    };
    for document in documents {
        loader.unwrap(document.root);
    }
    if resource_only {
        // Kuma's readers allow them (`AllowUnknownFields` in `pkg/util/proto/proto.go` at 2.14.3, and schemas of the
        // newer kinds without `additionalProperties`).
        let unknown = |finding: &&mut Diagnostic| finding.code == Code::UnknownField;
        for finding in loader.findings.iter_mut().filter(unknown) {
            finding.severity = Severity::Warning;
        }
    }
    // Istio's gateways take their certificates from any Secret, Kuma's do not.
    let secrets = if loader.resources.istio.is_empty() {
        loader.unused
    } else {
        loader.unread
    };
    loader.findings.extend(secrets);
    (loader.resources, loader.findings)
}

struct Loader {
    resource_only: bool,
    resources: Resources,
    findings: Vec<Diagnostic>,
    /// Secrets of Kubernetes, as nobody but Istio reads them.
    unused: Vec<Diagnostic>,
    /// What cannot be read of them.
    unread: Vec<Diagnostic>,
    /// The first resource of each dialect, namespace, kind, mesh and name.
    seen: HashMap<String, Span>,
}

impl Loader {
    /// Takes lists apart: Kubernetes' `List`, `MeshList` and so on, and what `kumactl get -o yaml` prints.
    fn unwrap(&mut self, mut node: Node) {
        let kind = node.get("kind").and_then(Node::text);
        let is_list = match kind {
            Some(kind) => kind == "List" || (kind.ends_with("List") && node.get("items").is_some()),
            None => node.get("type").is_none() && node.get("items").is_some(),
        };
        if !is_list {
            return self.resource(node);
        }
        let Value::Mapping(entries) = &mut node.value else {
            return;
        };
        let items = entries
            .iter_mut()
            .find(|(key, _)| key.name == "items")
            .map(|(_, items)| std::mem::replace(&mut items.value, Value::Null));
        match items {
            Some(Value::Sequence(items)) => {
                for item in items {
                    self.unwrap(item);
                }
            }
            None | Some(Value::Null) => {}
            Some(_) => self.findings.push(
                Diagnostic::error(Code::WrongType, "`items` of a list is no list")
                    .at(node.locate(&Path::of("items"))),
            ),
        }
    }

    fn resource(&mut self, node: Node) {
        let before = self.findings.len();
        let Some(head) = Head::read(&node, &mut self.findings) else {
            return;
        };
        if self.resource_only && head.kind.dialect() == Dialect::Istio && !head.meta.name.is_empty()
        {
            // A cluster refuses capitals and the like, before Istio sees them.
            let own = self.findings.split_off(before).into_iter();
            self.findings
                .extend(own.filter(|f| f.code != Code::InvalidName));
        }
        self.resources.total += 1;
        match head.kind.fate {
            Fate::Report => {}
            Fate::LeftOut(severity, effect) => self.left_out(&head, &node, severity, effect),
            Fate::Checked(severity, effect) => {
                self.left_out(&head, &node, severity, effect);
                self.checked(head, node);
            }
            Fate::Served => match head.kind.dialect() {
                Dialect::Kuma => self.served(head, node),
                Dialect::Istio => self.istio(head, node),
                Dialect::Kubernetes => self.kubernetes(head, node),
            },
        }
    }

    fn left_out(&mut self, head: &Head, node: &Node, severity: Severity, effect: &str) {
        if self.resource_only {
            return;
        }
        let message = format!("{} is not served: {effect}", head.kind.name);
        let mut finding = match severity {
            Severity::Error => Diagnostic::error(Code::NotServedKind, message),
            Severity::Warning => Diagnostic::warning(Code::NotServedKind, message),
        };
        finding.span = Some(node.locate(&head.kind_path));
        finding.resource = Some(head.meta.to_string());
        self.findings.push(finding);
    }

    /// Validates a resource of a kind that is not served.
    fn checked(&mut self, head: Head, node: Node) {
        self.once(&head, &node);
        match head.kind.name {
            "TrafficRoute" => {
                let route = self.typed(head, node, Reader::Proto);
                self.resources.traffic_routes.push(route);
            }
            "VirtualOutbound" => {
                let outbound = self.typed(head, node, Reader::Proto);
                self.resources.virtual_outbounds.push(outbound);
            }
            _ => {}
        }
    }

    fn served(&mut self, head: Head, node: Node) {
        self.once(&head, &node);
        macro_rules! keep {
            ($list:ident, $reader:ident) => {{
                let resource = self.typed(head, node, Reader::$reader);
                self.resources.$list.push(resource);
            }};
        }
        match head.kind.name {
            "Mesh" => keep!(meshes, Proto),
            "Dataplane" => keep!(dataplanes, Proto),
            "MeshGateway" => keep!(mesh_gateways, Proto),
            "MeshGatewayRoute" => keep!(mesh_gateway_routes, Proto),
            "MeshHTTPRoute" => keep!(mesh_http_routes, Json),
            "ExternalService" => keep!(external_services, Proto),
            "MeshExternalService" => keep!(mesh_external_services, Json),
            "HostnameGenerator" => keep!(hostname_generators, Json),
            "MeshService" => keep!(mesh_services, Json),
            "MeshMultiZoneService" => keep!(mesh_multi_zone_services, Json),
            "MeshTCPRoute" => keep!(mesh_tcp_routes, Json),
            "MeshAccessLog" => keep!(mesh_access_logs, Json),
            "TrafficLog" => keep!(traffic_logs, Proto),
            "MeshOpenTelemetryBackend" => keep!(mesh_open_telemetry_backends, Json),
            "HealthCheck" => keep!(health_checks, Proto),
            "MeshHealthCheck" => keep!(mesh_health_checks, Json),
            "MeshTimeout" => keep!(mesh_timeouts, Json),
            "Timeout" => keep!(timeouts, Proto),
            "MeshRetry" => keep!(mesh_retries, Json),
            "Retry" => keep!(retries, Proto),
            "MeshCircuitBreaker" => keep!(mesh_circuit_breakers, Json),
            "CircuitBreaker" => keep!(circuit_breakers, Proto),
            "MeshRateLimit" => keep!(mesh_rate_limits, Json),
            "RateLimit" => keep!(rate_limits, Proto),
            "MeshFaultInjection" => keep!(mesh_fault_injections, Json),
            "MeshTLS" => keep!(mesh_tls, Json),
            "MeshPassthrough" => keep!(mesh_passthroughs, Json),
            "MeshTrafficPermission" => keep!(mesh_traffic_permissions, Json),
            "TrafficPermission" => keep!(traffic_permissions, Proto),
            "ZoneEgress" => keep!(zone_egresses, Proto),
            "ZoneIngress" => keep!(zone_ingresses, Proto),
            "Secret" => {
                let Some(secret) = secret::read(&head, &node, &mut self.findings) else {
                    return;
                };
                self.resources.secrets.add(placed(head, node, secret));
            }
            _ => {}
        }
    }

    fn istio(&mut self, head: Head, node: Node) {
        self.once(&head, &node);
        macro_rules! keep {
            ($list:ident) => {{
                let resource = self.typed(head, node, Reader::Istio);
                self.resources.istio.$list.push(resource);
            }};
        }
        match head.kind.name {
            "Gateway" => keep!(gateways),
            "VirtualService" => keep!(virtual_services),
            "DestinationRule" => keep!(destination_rules),
            "ServiceEntry" => keep!(service_entries),
            "WorkloadEntry" => keep!(workload_entries),
            "AuthorizationPolicy" => keep!(authorization_policies),
            "RequestAuthentication" => keep!(request_authentications),
            _ => {}
        }
    }

    fn kubernetes(&mut self, head: Head, node: Node) {
        macro_rules! keep {
            ($list:ident) => {{
                self.once(&head, &node);
                let resource = self.typed(head, node, Reader::Kubernetes);
                self.resources.kubernetes.$list.push(resource);
            }};
        }
        match head.kind.name {
            "Service" => keep!(services),
            "Endpoints" => keep!(endpoints),
            "EndpointSlice" => keep!(endpoint_slices),
            "ConfigMap" => keep!(config_maps),
            "Pod" => keep!(pods),
            "Node" => keep!(nodes),
            "Deployment" => keep!(deployments),
            "Secret" => {
                self.unused.push(secret::unused(&head, &node));
                let findings = self.findings.len();
                self.once(&head, &node);
                self.unread.extend(self.findings.drain(findings..));
                let secret = secret::read_kubernetes(&head, &node, &mut self.unread);
                let list = &mut self.resources.kubernetes.secrets;
                list.push(placed(head, node, secret));
            }
            _ => {}
        }
    }

    /// Names a resource that has been there before.
    fn once(&mut self, head: &Head, node: &Node) {
        if head.meta.name.is_empty() {
            return;
        }
        let name = head.meta.to_string();
        let dialect = head.kind.dialect();
        let namespace = head.meta.namespace();
        let here = node.locate(&head.name_path);
        match self.seen.entry(format!("{dialect:?}/{namespace}/{name}")) {
            Entry::Vacant(entry) => {
                entry.insert(here);
            }
            Entry::Occupied(entry) => self.findings.push(
                Diagnostic::error(Code::DuplicateResource, format!("{name} is given twice"))
                    .at(here)
                    .also(*entry.get(), "first here")
                    .about(&name, ""),
            ),
        }
    }

    fn typed<T>(&mut self, head: Head, node: Node, reader: Reader) -> Resource<T>
    where
        T: DeserializeOwned + Default + Validate,
    {
        let null = Node {
            span: node.span,
            value: Value::Null,
        };
        let spec = match head.spec.segments() {
            [] => &node,
            _ => node.get("spec").unwrap_or(&null),
        };
        let decoded = decode::<T>(spec, reader, head.skip);
        let name = head.meta.to_string();
        let prefix = said_path(head.kind);
        let refusal = match head.kind.dialect() {
            Dialect::Kuma => Code::InvalidValue,
            Dialect::Istio | Dialect::Kubernetes => Code::RefusedByIstio,
        };
        self.findings.extend(
            decoded
                .findings
                .into_iter()
                .map(|finding| about(finding, &name, &prefix)),
        );
        let mut faults = decoded.named;
        // Kuma says what is missing, and not why.
        if !self.resource_only {
            faults.extend(decoded.misspelt);
            faults.extend(head.is_misplaced.then(Path::root));
        }
        let mut resource = Resource {
            meta: head.meta,
            spec: decoded.value,
            place: Place {
                root: Arc::new(node),
                spec: head.spec,
                faults,
            },
        };
        let mut report = Report::new(
            &resource.meta,
            &resource.place,
            prefix,
            refusal,
            self.resource_only,
        );
        resource.spec.validate(&mut report);
        if registry::has_spec(head.kind.name) {
            schema::check(head.kind.name, &mut report);
        }
        if !self.resource_only {
            resource.spec.pitfalls(&mut report);
            not_served::fields(head.kind.name, &mut report);
        }
        let (findings, faults) = report.finish();
        self.findings.extend(findings);
        resource.place.faults.extend(faults);
        resource
    }
}

/// A resource whose document is its specification.
fn placed<T>(head: Head, node: Node, spec: T) -> Resource<T> {
    let place = Place {
        root: Arc::new(node),
        spec: Path::root(),
        faults: Vec::new(),
    };
    Resource {
        meta: head.meta,
        spec,
        place,
    }
}

/// A finding of the decoder, with the name of its resource and the path that Kuma would give.
fn about(mut finding: Diagnostic, resource: &str, prefix: &Path) -> Diagnostic {
    finding.resource = Some(resource.to_owned());
    finding.path = match (prefix.segments(), finding.path.as_str()) {
        ([], path) => path.to_owned(),
        (_, "") => prefix.to_string(),
        (_, path) => format!("{prefix}.{path}"),
    };
    if finding.code != Code::UnknownField && !finding.path.is_empty() {
        finding.message = format!("{}: {}", finding.path, finding.message);
    }
    finding
}

/// How Kuma begins the paths of fields: new policies say `spec`, older resources do not.
fn said_path(kind: &Kind) -> Path {
    if kind.dialect() == Dialect::Kuma && registry::has_spec(kind.name) {
        Path::of("spec")
    } else {
        Path::root()
    }
}

/// What a resource of a kind is called before it is read.
fn meta(kind: &Kind, name: String, mesh: String) -> Meta {
    Meta {
        kind: kind.name.to_owned(),
        mesh: if kind.in_mesh { mesh } else { String::new() },
        name,
        ..Meta::default()
    }
}
