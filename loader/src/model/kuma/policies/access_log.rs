//! `TrafficLog` with the logging backends of its mesh, and `MeshAccessLog`.

mod format;
mod otel;

use std::net::IpAddr;

use ::policy::Tags;

use self::format::{Commands, Traffic};
use super::select::{Destination, Policies, To};
use crate::model::kuma::{Input, SERVICE_TAG, of_mesh};
use crate::model::policy::{AccessLog, LogTarget, OtelLog};
use crate::model::{Cluster, Listener, Protocol};
use crate::resources::kuma::mesh::LoggingBackend;
use crate::resources::kuma::mesh_access_log::{LogBackend, MeshLogs};
use crate::resources::kuma::policy::ClientMatch;

/// The service that Kuma chooses a gateway's `TrafficLog` for: its listeners have many destinations
/// (`newHTTPFilterChain` in `pkg/plugins/runtime/gateway/filter_chain_generator.go` at 2.14.3).
const PASS_THROUGH: &str = "pass_through";

/// The proxy, for Kuma's commands.
pub(in crate::model::kuma) struct Proxy<'a> {
    pub(in crate::model::kuma) input: Input<'a>,
    pub(in crate::model::kuma) mesh: &'a str,
    pub(in crate::model::kuma) service: &'a str,
    pub(in crate::model::kuma) address: IpAddr,
    /// The zone, or nothing.
    pub(in crate::model::kuma) zone: &'a str,
    /// The identifier of its workload, or nothing.
    pub(in crate::model::kuma) workload: String,
}

/// The logs of a gateway's listener: that of a `TrafficLog`, those of `to`, in which the gateway is the source and `*`
/// the destination, and those of `rules`, in which it is the destination. Collectors are added to the clusters.
pub(super) fn listener(
    policies: &Policies<'_>,
    proxy: &Proxy<'_>,
    protocol: Protocol,
    clusters: &mut Vec<Cluster>,
) -> Vec<AccessLog> {
    let mut logs = Logs::new(policies, proxy, protocol, clusters);
    logs.older(PASS_THROUGH, Traffic::OlderOfGateway);
    logs.outbound(To::Listener, Traffic::Outbound("*"));
    logs.inbound(Traffic::Inbound(proxy.service));
    logs.made
}

/// The logs of an inbound of this service.
pub(super) fn inbound(
    policies: &Policies<'_>,
    proxy: &Proxy<'_>,
    listener: &Listener,
    clusters: &mut Vec<Cluster>,
) -> Vec<AccessLog> {
    let mut logs = Logs::new(policies, proxy, protocol(listener), clusters);
    let service = listener.tags.get(SERVICE_TAG).unwrap_or_default();
    logs.inbound(Traffic::Inbound(service));
    logs.made
}

/// The logs of what is sent to a service.
pub(super) fn outbound(
    policies: &Policies<'_>,
    proxy: &Proxy<'_>,
    service: &Destination,
    listener: &Listener,
    clusters: &mut Vec<Cluster>,
) -> Vec<AccessLog> {
    let mut logs = Logs::new(policies, proxy, protocol(listener), clusters);
    let name = &service.kuma_service;
    logs.older(name, Traffic::Older(name));
    logs.outbound(To::Destination(service), Traffic::Outbound(name));
    logs.made
}

/// Those of what leaves the mesh for no service that it knows: of connections, and of requests. Kuma calls all of it
/// `external` (`pkg/xds/generator/transparent_proxy_generator.go` at 2.14.3).
pub(in crate::model::kuma) fn passing(
    policies: &Policies<'_>,
    proxy: &Proxy<'_>,
    clusters: &mut Vec<Cluster>,
) -> [Vec<AccessLog>; 2] {
    let name = "external";
    let service = Destination {
        kuma_service: name.to_owned(),
        ..Destination::default()
    };
    [Protocol::Tcp, Protocol::Http].map(|protocol| {
        let mut logs = Logs::new(policies, proxy, protocol, clusters);
        logs.outbound(To::Destination(&service), Traffic::Outbound(name));
        logs.made
    })
}

fn protocol(listener: &Listener) -> Protocol {
    if listener.connections.is_empty() {
        Protocol::Http
    } else {
        Protocol::Tcp
    }
}

/// The logs of one listener, while they are made.
struct Logs<'a> {
    policies: &'a Policies<'a>,
    proxy: &'a Proxy<'a>,
    protocol: Protocol,
    clusters: &'a mut Vec<Cluster>,
    made: Vec<AccessLog>,
}

impl<'a> Logs<'a> {
    fn new(
        policies: &'a Policies<'a>,
        proxy: &'a Proxy<'a>,
        protocol: Protocol,
        clusters: &'a mut Vec<Cluster>,
    ) -> Self {
        Self {
            policies,
            proxy,
            protocol,
            clusters,
            made: Vec::new(),
        }
    }

    fn commands(&self, traffic: Traffic<'_>) -> Commands {
        Commands::new(self.proxy, traffic, self.protocol)
    }

    /// That of the `TrafficLog` for a service.
    fn older(&mut self, service: &str, traffic: Traffic<'_>) {
        let backend = older(self.policies, self.proxy, service);
        let target = backend.and_then(|backend| format::of_mesh(backend, &self.commands(traffic)));
        let log = target.map(|target| AccessLog { target, sni: None });
        self.made.extend(log);
    }

    fn outbound(&mut self, to: To<'_>, traffic: Traffic<'_>) {
        let all = &self.policies.resources.mesh_access_logs;
        if let Some(conf) = self.policies.outbound(all, to) {
            self.add(&conf, None, &self.commands(traffic));
        }
    }

    /// They are not merged: each of them logs what it is for (`BuildAccessLogBuildersFromRules` in
    /// `pkg/plugins/policies/meshaccesslog/plugin/xds/rules.go` at 2.14.3).
    fn inbound(&mut self, traffic: Traffic<'_>) {
        let policies = self.policies;
        let commands = self.commands(traffic);
        for (matches, conf) in policies.each_inbound(&policies.resources.mesh_access_logs) {
            if matches.is_empty() {
                self.add(conf, None, &commands);
            }
            for sni in matches.iter().filter_map(server_name) {
                self.add(conf, Some(sni), &commands);
            }
        }
    }

    fn add(&mut self, conf: &MeshLogs, sni: Option<&str>, commands: &Commands) {
        for backend in conf.backends.iter().flatten() {
            if let Some(target) = target(self.proxy, backend, commands, self.clusters) {
                let sni = sni.map(ToOwned::to_owned);
                self.made.push(AccessLog { target, sni });
            }
        }
    }
}

/// The server name that a match asks for, if it asks for nothing else.
fn server_name(client: &ClientMatch) -> Option<&str> {
    let sni = client.sni.as_ref().filter(|sni| sni.kind == "Exact")?;
    client.spiffe_id.is_none().then_some(&*sni.value)
}

/// The backend of the `TrafficLog` that fits best, or of none.
fn older<'a>(
    policies: &Policies<'a>,
    proxy: &Proxy<'_>,
    service: &str,
) -> Option<&'a LoggingBackend> {
    let destination: Tags = [(SERVICE_TAG, service)].into_iter().collect();
    let chosen = policies.connection(&policies.resources.traffic_logs, &destination)?;
    let mut meshes = policies.resources.meshes.iter();
    let mesh = meshes.find(|mesh| mesh.meta.name == proxy.mesh)?;
    mesh.spec.logging.backend(&chosen.spec.conf.backend)
}

fn target(
    proxy: &Proxy<'_>,
    backend: &LogBackend,
    commands: &Commands,
    clusters: &mut Vec<Cluster>,
) -> Option<LogTarget> {
    match backend.kind.as_str() {
        "File" => {
            let file = backend.file.as_ref()?;
            let lines = commands.lines(file.format.as_ref());
            Some(LogTarget::File(file.path.clone(), lines))
        }
        "Tcp" => {
            let tcp = backend.tcp.as_ref()?;
            let lines = commands.lines(tcp.format.as_ref());
            Some(LogTarget::Tcp(tcp.address.clone(), lines))
        }
        "OpenTelemetry" => {
            let otel = backend.open_telemetry.as_ref()?;
            let all = &proxy.input.resources.mesh_open_telemetry_backends;
            let endpoint = otel::endpoint(otel, of_mesh(all, proxy.mesh))?;
            let log = otel::log(otel, commands, proxy, &endpoint);
            let cluster = otel::collector(proxy, endpoint, clusters);
            Some(LogTarget::OpenTelemetry(OtelLog { cluster, ..log }))
        }
        _ => None,
    }
}
