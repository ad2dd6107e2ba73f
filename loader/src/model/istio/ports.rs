//! The ports of a gateway with their listeners.

use std::collections::HashSet;
use std::net::IpAddr;
use std::time::Duration;

use policy::{HostPattern, Tags};

use super::bindings::Bindings;
use super::clusters::Clusters;
use super::connections::To;
use super::http::Shadows;
use super::secrets::Certificates;
use super::servers::{Class, GatewayServer, Slot};
use super::workload::Workload;
use super::{ANY_ADDRESS, connections, http, tls};
use crate::diagnostic::{Code, Diagnostic};
use crate::model::kuma::Input;
use crate::model::policy::ListenerPolicy;
use crate::model::{Listener, Port, Protocol, Role, ServerTls};
use crate::resources::istio::gateway;

/// What the parts of a port are made from.
pub(super) struct Maker<'a, 'b> {
    pub(super) input: Input<'a>,
    pub(super) workload: &'b Workload,
    pub(super) bindings: &'b Bindings<'a>,
    /// Whether any token is verified, so that routes may ask for claims.
    pub(super) knows_claims: bool,
    pub(super) clusters: &'b mut Clusters<'a>,
    pub(super) shadows: Shadows<'a>,
    pub(super) certificates: Certificates,
    pub(super) findings: &'b mut Vec<Diagnostic>,
}

/// The ports that anything is served on.
pub(super) fn ports<'a>(mut maker: Maker<'a, '_>, slots: &[Slot<'a>]) -> Vec<Port> {
    let ports = slots.iter().filter_map(|slot| maker.port(slot));
    ports.filter(|port| !port.listeners.is_empty()).collect()
}

impl<'a> Maker<'a, '_> {
    fn port(&mut self, slot: &Slot<'a>) -> Option<Port> {
        let first = slot.servers.first()?;
        let address = match slot.bind {
            "" => self.workload.address.unwrap_or(ANY_ADDRESS),
            bind => bind.parse::<IpAddr>().unwrap_or(ANY_ADDRESS),
        };
        let socket = slot.bind.strip_prefix("unix://").map(str::to_owned);
        let listeners = match slot.class {
            Class::Http => self.plain(slot).into_iter().collect(),
            Class::Tls => self.by_sni(slot),
            Class::Tcp => self.plain_connections(first).into_iter().collect(),
        };
        let name = match &socket {
            Some(_) => format!("{}_{}", slot.bind, slot.port),
            None => format!("{address}_{}", slot.port),
        };
        Some(Port {
            name,
            role: Role::Gateway,
            address,
            socket,
            number: slot.port,
            protocol: match slot.class {
                Class::Http => Protocol::Http,
                Class::Tls => Protocol::Https,
                Class::Tcp => Protocol::Tcp,
            },
            listeners,
            connection_limit: None,
            clients: None,
            origin: self.input.origin(first.gateway, &first.path()),
        })
    }

    /// All servers of a port without TLS share their routes, and so are one listener.
    fn plain(&mut self, slot: &Slot<'a>) -> Option<Listener> {
        let first = slot.servers.first()?;
        let hostnames = self.hostnames(&slot.servers);
        let virtual_hosts = http::virtual_hosts(self, &slot.servers);
        let mut listener = self.listener(slot.route_table(first), first, hostnames)?;
        listener.virtual_hosts = virtual_hosts;
        let grpc_web = |server: &GatewayServer<'_>| server.protocol == gateway::Protocol::GrpcWeb;
        listener.policy.grpc_web = slot.servers.iter().any(grpc_web);
        Some(listener)
    }

    /// The listeners of a port with TLS: one for each server that takes requests, the others one for each route.
    fn by_sni(&mut self, slot: &Slot<'a>) -> Vec<Listener> {
        let mut listeners: Vec<Listener> = Vec::new();
        let mut taken = HashSet::new();
        for server in &slot.servers {
            self.without_statistics(server);
            if !server.takes_requests() {
                listeners.extend(connections::by_sni(self, slot, server, &mut taken));
                continue;
            }
            let hostnames = self.hostnames(std::slice::from_ref(server));
            let virtual_hosts = http::virtual_hosts(self, std::slice::from_ref(server));
            let name = slot.route_table(server);
            let Some(mut listener) = self.listener(name, server, hostnames) else {
                continue;
            };
            listener.virtual_hosts = virtual_hosts;
            self.terminate(server, &mut listener);
            taken.extend(listener.hostnames().cloned());
            listeners.push(listener);
        }
        listeners.sort_by(|a, b| {
            a.hostname
                .exactness_order()
                .cmp(&b.hostname.exactness_order())
        });
        listeners
    }

    /// Statistics have the name of the port here.
    fn without_statistics(&mut self, server: &GatewayServer<'a>) {
        if server.takes_requests() && !server.server.name.is_empty() {
            let path = server.path().field("name");
            let message = "name is not served: statistics have the address and number of the port";
            let finding = server.gateway.warning(Code::NotServedField, &path, message);
            self.findings.push(finding);
        }
    }

    /// Gives a listener its certificates. Without them it is not served, and its hosts stay its own.
    pub(super) fn terminate(&mut self, server: &GatewayServer<'a>, listener: &mut Listener) {
        let known = &mut self.certificates;
        let made = tls::of_server(self.input, self.workload, server, known, self.findings);
        if let Some(settings) = made {
            listener.certificates = settings.certificates;
            listener.tls = settings.tls;
        }
    }

    fn plain_connections(&mut self, server: &GatewayServer<'a>) -> Option<Listener> {
        let connections = connections::of_tcp(self, server)?;
        let name = format!("tcp.{}", server.number);
        self.connections(name, server, vec![HostPattern::Any], connections)
    }

    /// A listener whose connections go somewhere.
    pub(super) fn connections(
        &mut self,
        name: String,
        server: &GatewayServer<'a>,
        hostnames: Vec<HostPattern>,
        to: To,
    ) -> Option<Listener> {
        let mut listener = self.listener(name, server, hostnames)?;
        listener.connections = vec![to.connections];
        listener.policy.idle = to.idle.or(listener.policy.idle);
        Some(listener)
    }

    fn listener(
        &self,
        name: String,
        server: &GatewayServer<'a>,
        hostnames: Vec<HostPattern>,
    ) -> Option<Listener> {
        let mut hostnames = hostnames.into_iter();
        Some(Listener {
            name,
            hostname: hostnames.next()?,
            other_hostnames: hostnames.collect(),
            tags: Tags::default(),
            certificates: Vec::new(),
            passes_tls: false,
            permission: None,
            tls: ServerTls::default(),
            virtual_hosts: Vec::new(),
            connections: Vec::new(),
            policy: ListenerPolicy {
                idle: Some(Duration::from_hours(1)),
                request_headers: Some(Duration::ZERO),
                stream_idle: Some(Duration::ZERO),
                ..ListenerPolicy::default()
            },
            origin: self.input.origin(server.gateway, &server.path()),
        })
    }

    /// The hosts of servers, each once, the narrowest first.
    fn hostnames(&mut self, servers: &[GatewayServer<'a>]) -> Vec<HostPattern> {
        let mut all: Vec<HostPattern> = Vec::new();
        let mut seen = HashSet::new();
        for server in servers {
            for (index, host) in server.hosts().iter().enumerate() {
                match host.host.parse::<HostPattern>() {
                    Ok(pattern) => {
                        if seen.insert(pattern.clone()) {
                            all.push(pattern);
                        }
                    }
                    Err(why) => {
                        let path = server.path().field("hosts").index(index);
                        let message = format!("`{}` is not served: {why}", host.host);
                        let finding = server.gateway.error(Code::NotServedField, &path, message);
                        self.findings.push(finding);
                    }
                }
            }
        }
        all.sort_by(|a, b| a.exactness_order().cmp(&b.exactness_order()));
        all
    }
}
