//! Hosts that are no services', on the port where the service reaches what is outside by hostname.
//!
//! Without redirection a connection has no destination but its `Host`. To look up any host that a client writes would
//! open the loopback addresses of the machine and what gated services are behind, so a `MeshPassthrough` opens here what
//! it names whole: a domain and a port, as a cluster of its own.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use policy::{Destination as Place, HostPattern, Hostname, Tags};

use super::Sidecar;
use super::passthrough::{self, Destination, DestinationHost};
use crate::diagnostic::{Code, Diagnostic};
use crate::model::policy::{ClusterPolicy, RoutePolicy};
use crate::model::role::OtherHost;
use crate::model::{
    Action, Cluster, Endpoint, Forward, HeaderMatch, HeaderTest, Route, UpstreamProtocol,
    VirtualHost, WeightedCluster,
};
use crate::resources::Resource;
use crate::resources::kuma::mesh_passthrough::MeshPassthrough;
use crate::source::Path;

/// The port of a request that names none.
const HTTP: u16 = 80;

/// How long a request may be without data: Envoy's own limit, as for what is redirected on Kuma.
const IDLE: Duration = Duration::from_mins(5);

/// The hosts of a port.
#[derive(Default)]
pub(super) struct Others {
    pub(super) hosts: Vec<OtherHost>,
    pub(super) virtual_hosts: Vec<VirtualHost>,
    pub(super) clusters: Vec<Cluster>,
}

/// What policies open besides services. A name in `taken` stays a service's, at every port.
pub(super) fn others(
    own: &Sidecar<'_>,
    taken: &HashSet<String>,
    findings: &mut Vec<Diagnostic>,
) -> Others {
    // What is redirected goes where it was going to, and policies are about that.
    let transparent = own.dataplane.spec.networking.transparent_proxying.as_ref();
    let is_caught = transparent.is_some_and(|said| said.redirect_port_outbound > 0);
    let mut places: BTreeMap<(String, u16), Destination> = BTreeMap::new();
    let mut left_out = |policy: &Resource<MeshPassthrough>, path: &Path, message: String| {
        if !is_caught {
            let finding = policy.warning(Code::PassthroughNeedsRedirection, path, message);
            findings.push(finding.help(
                "give it as a MeshExternalService, or the Dataplane `networking.transparentProxying`",
            ));
        }
    };
    let matched = passthrough::matched(own);
    match passthrough::said(own) {
        Some(passthrough::Mode::All) => {
            let mut said = matched.iter().rev();
            if let Some(policy) = said.find(|p| p.spec.conf.passthrough_mode == "All") {
                let message =
                    "mode `All`: the port for hostnames has no hosts but those that are named";
                left_out(
                    policy,
                    &Path::of("default.passthroughMode"),
                    message.to_owned(),
                );
            }
        }
        Some(passthrough::Mode::Matched(_)) => {
            for policy in matched {
                for (index, entry) in policy.spec.conf.append_match.iter().enumerate() {
                    let path = Path::of("default.appendMatch").index(index);
                    let origin = own.input.origin(policy, &path);
                    let Some(destination) = Destination::read(entry, origin) else {
                        continue;
                    };
                    match place(own, &destination, taken) {
                        // The first one counts, as for what is redirected.
                        Ok(place) => {
                            places.entry(place).or_insert(destination);
                        }
                        Err(why) => left_out(policy, &path, format!("`{}`: {why}", entry.value)),
                    }
                }
            }
        }
        _ => {}
    }
    open(places)
}

/// The name and port that an entry opens, or why it opens none.
fn place(
    own: &Sidecar<'_>,
    destination: &Destination,
    taken: &HashSet<String>,
) -> Result<(String, u16), String> {
    let because = |why: &str| Err(why.to_owned());
    if own.around.forbids_outside() {
        return because(
            "the Mesh forbids what is outside (`routing.defaultForbidMeshExternalServiceAccess`)",
        );
    }
    if !destination.is_http() {
        return because("connections do not come to the port for hostnames, requests do");
    }
    let DestinationHost::Name(name) = &destination.host else {
        return because("the port for hostnames is for names, not for addresses");
    };
    if name.contains('*') {
        return because("the port for hostnames leads to whole names only");
    }
    let name = name.strip_suffix('.').unwrap_or(name);
    let is_name = Hostname::from_lower_case(name.as_bytes())
        .is_ok_and(|name| matches!(Place::of_name(name), Ok(Place::Name(_))));
    if !is_name {
        return because("the port for hostnames is for names, not for addresses");
    }
    // Behind them are the admin port of Envoy and the ports of other services (RFC 6761 §6.3).
    if name == "localhost" || name.ends_with(".localhost") {
        return because("this machine is not outside");
    }
    if taken.contains(name) {
        return because("it is the hostname of a service, whose rules count");
    }
    if let Some(service) = own.around.outside().gated(name) {
        return Err(format!(
            "it is an endpoint of MeshExternalService `{service}`, which is not for everybody"
        ));
    }
    Ok((name.to_owned(), destination.port.unwrap_or(HTTP)))
}

/// One virtual host for each name, and in it a route for each port: Envoy looks for the host without its port.
fn open(places: BTreeMap<(String, u16), Destination>) -> Others {
    let mut others = Others::default();
    for ((name, port), destination) in places {
        let Ok(domain) = name.parse::<HostPattern>() else {
            continue;
        };
        let protocol = &destination.protocol;
        let cluster = format!("external-services_{protocol}_{name}_{port}");
        let route = route(port, &cluster, &destination);
        match others.virtual_hosts.last_mut() {
            Some(host) if host.domain == domain => host.routes.push(route),
            _ => others.virtual_hosts.push(VirtualHost::new(
                domain,
                vec![route],
                destination.origin.clone(),
            )),
        }
        others.clusters.push(Cluster {
            name: cluster,
            protocol: match protocol.as_str() {
                "http2" => UpstreamProtocol::Http2,
                "grpc" => UpstreamProtocol::Grpc,
                _ => UpstreamProtocol::Http1,
            },
            endpoints: vec![Endpoint {
                address: name.clone(),
                port,
                priority: 0,
                tls: None,
                weight: None,
                locality: None,
            }],
            tls: None,
            origination: None,
            destination: Tags::default(),
            source: Tags::default(),
            policy: ClusterPolicy::default(),
            origin: destination.origin,
        });
        others.hosts.push(OtherHost { name, port });
    }
    others
}

fn route(port: u16, cluster: &str, destination: &Destination) -> Route {
    let written = if port == HTTP {
        "[^:]*(:80)?".to_owned()
    } else {
        format!("[^:]*:{port}")
    };
    let forward = Forward {
        clusters: vec![WeightedCluster {
            cluster: cluster.to_owned(),
            weight: 1,
            changes: None,
        }],
        ..Forward::default()
    };
    Route {
        headers: vec![HeaderMatch {
            name: ":authority".to_owned(),
            test: HeaderTest::Regex(written),
        }],
        policy: RoutePolicy {
            idle: Some(IDLE),
            ..RoutePolicy::default()
        },
        ..Route::new(Action::Forward(forward), destination.origin.clone())
    }
}
