//! `TrafficLog` with the logging backends of its mesh, and `MeshAccessLog`.

mod format;
mod otel;

use std::net::IpAddr;

use ::policy::Tags;

use self::format::{Commands, Traffic};
use super::select::{Policies, To};
use crate::model::kuma::{Input, SERVICE_TAG, of_mesh};
use crate::model::policy::{AccessLog, LogTarget, OtelLog};
use crate::model::{Cluster, Protocol};
use crate::resources::kuma::mesh::LoggingBackend;
use crate::resources::kuma::mesh_access_log::{LogBackend, MeshLogs};
use crate::resources::kuma::policy::ClientMatch;

/// The service that Kuma chooses a gateway's `TrafficLog` for: its listeners have many destinations
/// (`newHTTPFilterChain` in `pkg/plugins/runtime/gateway/filter_chain_generator.go` at 2.14.3).
const PASS_THROUGH: &str = "pass_through";

/// The gateway, for Kuma's commands.
pub(in crate::model::kuma) struct Proxy<'a> {
    pub(in crate::model::kuma) mesh: &'a str,
    pub(in crate::model::kuma) service: &'a str,
    pub(in crate::model::kuma) address: IpAddr,
    /// The zone, or nothing.
    pub(in crate::model::kuma) zone: &'a str,
    /// The identifier of its workload, or nothing.
    pub(in crate::model::kuma) workload: String,
}

/// The logs of a listener: that of a `TrafficLog`, those of `to`, in which the gateway is the source and `*` the
/// destination, and those of `rules`, in which it is the destination. Collectors are added to the clusters.
pub(super) fn listener(
    input: Input<'_>,
    policies: &Policies<'_>,
    proxy: &Proxy<'_>,
    protocol: Protocol,
    collectors: &mut Vec<Cluster>,
) -> Vec<AccessLog> {
    let all = &policies.resources.mesh_access_logs;
    let commands = |traffic| Commands::new(proxy, traffic, protocol);
    let mut logs: Vec<_> = older(policies, proxy)
        .and_then(|backend| format::of_mesh(backend, &commands(Traffic::Older)))
        .map(|target| AccessLog { target, sni: None })
        .into_iter()
        .collect();
    let mut add = |conf: &MeshLogs, sni: Option<&str>, commands: &Commands| {
        for backend in conf.backends.iter().flatten() {
            if let Some(target) = target(input, proxy, backend, commands, collectors) {
                let sni = sni.map(ToOwned::to_owned);
                logs.push(AccessLog { target, sni });
            }
        }
    };
    if let Some(conf) = policies.outbound(all, To::Listener) {
        add(&conf, None, &commands(Traffic::Outbound));
    }
    // They are not merged: each of them logs what it is for (`BuildAccessLogBuildersFromRules`).
    for (matches, conf) in policies.each_inbound(all) {
        let commands = commands(Traffic::Inbound);
        if matches.is_empty() {
            add(conf, None, &commands);
        }
        for sni in matches.iter().filter_map(server_name) {
            add(conf, Some(sni), &commands);
        }
    }
    logs
}

/// The server name that a match asks for. No client of a gateway has an identity of the mesh.
fn server_name(client: &ClientMatch) -> Option<&str> {
    let sni = client.sni.as_ref().filter(|sni| sni.kind == "Exact")?;
    client.spiffe_id.is_none().then_some(&*sni.value)
}

/// The backend of the `TrafficLog` that fits best, or of none.
fn older<'a>(policies: &Policies<'a>, proxy: &Proxy<'_>) -> Option<&'a LoggingBackend> {
    let destination: Tags = [(SERVICE_TAG, PASS_THROUGH)].into_iter().collect();
    let chosen = policies.connection(&policies.resources.traffic_logs, &destination)?;
    let mut meshes = policies.resources.meshes.iter();
    let mesh = meshes.find(|mesh| mesh.meta.name == proxy.mesh)?;
    mesh.spec.logging.backend(&chosen.spec.conf.backend)
}

fn target(
    input: Input<'_>,
    proxy: &Proxy<'_>,
    backend: &LogBackend,
    commands: &Commands,
    collectors: &mut Vec<Cluster>,
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
            let all = &input.resources.mesh_open_telemetry_backends;
            let endpoint = otel::endpoint(otel, of_mesh(all, proxy.mesh))?;
            let log = otel::log(otel, commands, proxy, &endpoint);
            let cluster = otel::collector(input, proxy.mesh, endpoint, collectors);
            Some(LogTarget::OpenTelemetry(OtelLog { cluster, ..log }))
        }
        _ => None,
    }
}
