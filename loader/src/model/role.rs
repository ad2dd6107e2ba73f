//! What a port is there for, and who may use it.

use std::collections::BTreeMap;

use ::policy::config::{PermissionsConfig, RuleConfig};
use ::policy::{HostPattern, Tags};

use super::{Identity, MeshClients, Origin, SpiffeIds};

/// What a port is there for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// Clients reach the services of a mesh through it.
    Gateway,
    /// Others reach the service next to the proxy.
    Inbound(Inbound),
    /// The service next to the proxy reaches others.
    Outbound(Outbound),
    /// Proxies of meshes reach what is outside of their mesh or zone.
    Egress(Egress),
}

/// A port for those who leave their mesh or zone. The name that a client asks for in TLS says whose it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Egress {
    /// The ways out, by the name of their [`Listener`](super::Listener).
    pub ways: BTreeMap<String, WayOut>,
    /// Who the proxy is in each mesh that it serves, where it is in none itself.
    pub identities: Vec<Identity>,
}

/// The way to a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WayOut {
    /// The names that clients ask for in TLS.
    pub server_names: Vec<String>,
    /// The end of TLS; it goes on to the service's own zone if absent.
    pub end: Option<TlsEnd>,
}

/// Where clients of a mesh prove who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsEnd {
    /// The mesh, as which the proxy shows itself.
    pub mesh: String,
    /// The clients.
    pub clients: MeshClients,
    /// Which of them may go on, as Envoy's own filters ask; all of them if absent.
    pub permission: Option<Permission>,
    /// Which requests may go on, as the filter asks; all of them if absent.
    pub outside: Option<Outside>,
}

/// A port for those who call the service next to the proxy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inbound {
    /// Whether clients are let in that do not prove who they are.
    pub is_permissive: bool,
    /// Which of the clients that prove who they are may call; all of them if absent.
    pub permission: Option<Permission>,
}

/// A port for the service next to the proxy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outbound {
    /// The tags of the caller, of all its inbounds.
    pub caller: Vec<Tags>,
    /// The gateways of other meshes that requests reach by hostname; none on a port with one destination.
    pub gateways: Vec<CrossMeshGateway>,
    /// What is outside of the mesh and may be reached; nothing where nothing is, or where nobody is kept from it.
    pub outside: Option<Outside>,
    /// The names of the one destination, if it has any; those of `gateways` and `outside` stand there.
    pub hostnames: Vec<String>,
    /// Whether the one destination is outside of the mesh.
    pub is_outside: bool,
    /// How connections get to it.
    pub opening: Opening,
}

impl Outbound {
    /// Whether requests for a host leave the mesh.
    pub fn leaves_the_mesh(&self, host: &HostPattern) -> bool {
        let outside = self.outside.iter().filter(|outside| !outside.is_alone);
        let host = host.to_string();
        let mut names = outside.flat_map(|outside| {
            let services = outside.services.iter().flat_map(|s| &s.hostnames);
            services.chain(outside.others.iter().map(|other| &other.name))
        });
        self.is_outside || names.any(|name| *name == host)
    }
}

/// How connections get to an outbound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Opening {
    /// To its address, which the machine has.
    #[default]
    Address,
    /// To the virtual address of its service, which the machine has, or gets some time.
    Vip,
    /// To the virtual address of its service, which no machine has: they are caught, and handed over by the listener that
    /// looks where they were going.
    Caught,
}

impl Outbound {
    /// Whether it has many destinations, and requests name theirs.
    pub fn is_by_hostname(&self) -> bool {
        let outside = self.outside.as_ref();
        !self.gateways.is_empty() || outside.is_some_and(|outside| !outside.is_alone)
    }
}

/// Services outside of the mesh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outside {
    /// The services.
    pub services: Vec<OutsideService>,
    /// Whether those without a permission are for nobody.
    pub is_forbidden: bool,
    /// The URIs that the caller's certificate has; none if nothing proves who it is.
    pub client: Vec<String>,
    /// Whether there is one service, which gets everything whatever its hostname is.
    pub is_alone: bool,
    /// The hosts besides that requests may be for.
    pub others: Vec<OtherHost>,
}

/// A host that is no service's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherHost {
    /// Its name.
    pub name: String,
    /// The port that requests have to be for.
    pub port: u16,
}

/// A service outside of the mesh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutsideService {
    /// Its name in logs and counters.
    pub name: String,
    /// Its hostnames.
    pub hostnames: Vec<String>,
    /// Who may call it; as all others without one, if absent.
    pub permission: Option<Permission>,
}

/// A listener of another mesh's gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrossMeshGateway {
    /// The mesh.
    pub mesh: String,
    /// The gateway's `kuma.io/service`.
    pub service: String,
    /// The name that requests are for.
    pub hostname: String,
    /// The port that a request has to name, where listeners share a hostname.
    pub port: Option<u16>,
    /// The name of a [`Cluster`](super::Cluster).
    pub cluster: String,
    /// The listener.
    pub origin: Origin,
}

/// Which clients may call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Permission {
    /// How those learn of it who may not.
    pub refusal: Refusal,
    /// These may not, whatever else is said.
    pub denied: Vec<Clients>,
    /// These may; everybody else may not.
    pub allowed: Vec<Clients>,
    /// These are counted as if they were denied.
    pub shadow_denied: Vec<Clients>,
}

impl Permission {
    /// The same for the filter.
    ///
    /// Rules that name an SNI are about more, or fewer, clients than they say: that of meshes' connections to a gateway
    /// is not looked at. Either way nobody gets in who should not.
    pub fn rules(&self) -> PermissionsConfig {
        let denied = |clients: &Clients| RuleConfig {
            client: uris(&clients.who).unwrap_or_default(),
            ..clients.requests.rule()
        };
        let allowed = |clients: &Clients| {
            let client = uris(&clients.who).filter(|_| clients.sni.is_none())?;
            Some(RuleConfig {
                client,
                ..clients.requests.rule()
            })
        };
        PermissionsConfig {
            deny: self.denied.iter().map(denied).collect(),
            shadow_deny: self.shadow_denied.iter().filter_map(allowed).collect(),
            allow: self.allowed.iter().filter_map(allowed).collect(),
        }
    }

    /// The same for connections, of which nobody knows the requests: those who may send some of them only may not
    /// connect, and those who may not send some of them may not either.
    #[must_use]
    pub fn for_connections(mut self) -> Self {
        let is_for_all = |clients: &Clients| clients.requests == Requests::default();
        self.allowed.retain(is_for_all);
        self
    }

    /// Whether it tells paths apart.
    pub fn is_about_paths(&self) -> bool {
        let lists = self
            .denied
            .iter()
            .chain(&self.allowed)
            .chain(&self.shadow_denied);
        lists
            .into_iter()
            .any(|clients| !clients.requests.paths.is_empty())
    }
}

impl Requests {
    fn rule(&self) -> RuleConfig {
        RuleConfig {
            methods: self.methods.clone(),
            paths: self.paths.clone(),
            ..RuleConfig::default()
        }
    }
}

/// The URIs that a client has to have, all of them; nothing for sets that no list of URIs can say.
fn uris(who: &Who) -> Option<Vec<String>> {
    match who {
        Who::Anyone => Some(Vec::new()),
        Who::Is(SpiffeIds::Exact(id)) => Some(vec![id.clone()]),
        Who::Is(SpiffeIds::Prefix(start)) => Some(vec![format!("{start}*")]),
        Who::Has(tag, value) => Some(vec![format!("kuma://{tag}/{value}")]),
        Who::All(sets) => {
            let all: Option<Vec<_>> = sets.iter().map(uris).collect();
            all.map(|all| all.concat())
        }
        Who::Any(_) | Who::Not(_) => None,
    }
}

/// What a client gets that may not call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Refusal {
    /// Its requests are answered with 403; without HTTP the connection is closed.
    #[default]
    Answer,
    /// The connection is closed.
    Close,
}

/// A set of clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clients {
    /// What they prove to be.
    pub who: Who,
    /// The name that they ask for; any if absent.
    pub sni: Option<String>,
    /// Which of their requests; all if it says nothing.
    pub requests: Requests,
}

/// A set of requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requests {
    /// Methods, one of which a request has; any if empty.
    pub methods: Vec<String>,
    /// Paths, at or below one of which it is; any if empty.
    pub paths: Vec<String>,
}

impl Clients {
    /// All these, whatever they ask for.
    pub fn of(who: Who) -> Self {
        Self {
            who,
            sni: None,
            requests: Requests::default(),
        }
    }
}

/// Clients by the URIs in their certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// Everybody.
    Anyone,
    /// Those with such a SPIFFE ID.
    Is(SpiffeIds),
    /// Those with this tag: `kuma://<tag>/<value>`.
    Has(String, String),
    /// Those that are in all of these sets.
    All(Vec<Self>),
    /// Those that are in one of these sets.
    Any(Vec<Self>),
    /// All others.
    Not(Box<Self>),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_connections_nobody_knows_the_requests() {
        let clients = |name: &str, paths: &[&str], methods: &[&str]| Clients {
            requests: Requests {
                methods: methods.iter().map(ToString::to_string).collect(),
                paths: paths.iter().map(ToString::to_string).collect(),
            },
            ..Clients::of(Who::Is(SpiffeIds::Exact(name.to_owned())))
        };
        let all = [
            clients("any", &[], &[]),
            clients("paths", &["/v1"], &[]),
            clients("methods", &[], &["GET"]),
        ];
        let permission = Permission {
            denied: all.to_vec(),
            allowed: all.to_vec(),
            shadow_denied: all.to_vec(),
            ..Permission::default()
        };
        let made = permission.for_connections();
        assert_eq!(made.allowed, all[..1], "some requests are not a connection");
        assert_eq!(
            (made.denied, made.shadow_denied),
            (all.to_vec(), all.to_vec())
        );
    }
}
