//! Meshes of which something is there in any number, each thing with what belongs to it.
//!
//! Whoever looks at all of one for each of another takes the square of the time, so the time for ten times as many
//! says whether anybody does.

mod istio;
mod kuma;

use self::kuma::{
    MTLS, dataplane, gateway_route, https, mesh_service, of_listener, of_service, of_services,
    older, outside, permission, sidecar, tcp_route,
};
use crate::input::{HEAD, gateway, listeners, route};

/// What there is a number of.
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    /// Whether all of it is checked; if not, the configuration of its gateway is made, too.
    pub(crate) is_checked: bool,
    pub(crate) yaml: fn(usize) -> anyhow::Result<String>,
}

const fn made(name: &'static str, yaml: fn(usize) -> anyhow::Result<String>) -> Shape {
    Shape {
        name,
        is_checked: false,
        yaml,
    }
}

const fn checked(name: &'static str, yaml: fn(usize) -> anyhow::Result<String>) -> Shape {
    Shape {
        name,
        is_checked: true,
        yaml,
    }
}

pub(crate) const SHAPES: [Shape; 12] = [
    made("listeners with a MeshHTTPRoute", |n| Ok(gateway(n))),
    made(
        "the same with a MeshTimeout, MeshRetry and MeshCircuitBreaker for each listener",
        |n| Ok(gateway(n) + &each(n, of_listener)),
    ),
    made("the same for each service, on which the routes are", |n| {
        Ok(of_services(n) + &each(n, of_service))
    }),
    made("the same with a Timeout, Retry and CircuitBreaker", |n| {
        Ok(of_services(n) + &each(n, older))
    }),
    made("HTTPS listeners with all of the first two", |n| {
        let listeners = https(n)?;
        let routes = each(n, |host| route(host, "backend"));
        Ok(listeners + &routes + &each(n, of_listener))
    }),
    made("TLS listeners that pass, with a MeshTCPRoute", |n| {
        let tls = listeners(n, "protocol: TLS, tls: {mode: PASSTHROUGH}");
        Ok(format!("{HEAD}{tls}{}", each(n, tcp_route)))
    }),
    made("listeners with a MeshGatewayRoute", |n| {
        let routes = each(n, |host| {
            gateway_route(host, &format!(", host: h{host}"), "")
        });
        Ok(format!("{HEAD}{}{routes}", listeners(n, "protocol: HTTP")))
    }),
    made("hostnames of MeshGatewayRoutes on one listener", |n| {
        let routes = each(n, |host| {
            gateway_route(host, "", &format!("h{host}.example.com"))
        });
        let listener = listeners(0, "") + "  - {port: 8080, protocol: HTTP}\n";
        Ok(format!("{HEAD}{listener}{routes}"))
    }),
    made("routes to a MeshService", |n| {
        let services = each(n, |service| dataplane(service, "") + &mesh_service(service));
        let routes = each(n, |host| route(host, &format!("s{host}, port: 80")));
        Ok(format!(
            "{HEAD}{services}{}{routes}",
            listeners(n, "protocol: HTTP")
        ))
    }),
    checked(
        "sidecars with a MeshService, permissions and policies",
        |n| {
            let parts = each(n, |service| {
                sidecar(service, n)
                    + &mesh_service(service)
                    + &permission(service, n)
                    + &of_service(service)
            });
            Ok(format!("{MTLS}{parts}"))
        },
    ),
    checked("MeshExternalServices for one sidecar", |n| {
        Ok(format!("{MTLS}{}{}", sidecar(0, 1), each(n, outside)))
    }),
    made(
        "Istio's servers with a credential, VirtualService, DestinationRule and Service",
        istio::servers,
    ),
];

fn each(number: usize, document: impl Fn(usize) -> String) -> String {
    (0..number).map(document).collect()
}
