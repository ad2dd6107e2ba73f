//! Redirected connections that are for none of the proxy's ports (Kuma `pkg/xds/generator/transparent_proxy_generator.go`
//! at 2.14.3).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Sidecar;
use super::passthrough::{self, Mode};
use crate::model::Cluster;
use crate::model::kuma::policies::{self, Policies};
use crate::model::policy::ListenerPolicy;
use crate::model::transparent::{
    Catch, Content, Direction, Original, Passage, SOURCES, Transparent,
};
use crate::resources::kuma::dataplane::IpFamilyMode;
use crate::source::Path;

/// What the Dataplane says about redirected connections; nothing if it has none. Collectors of logs are added to
/// `clusters`.
pub(super) fn transparent(own: &Sidecar<'_>, clusters: &mut Vec<Cluster>) -> Option<Transparent> {
    let said = own
        .dataplane
        .spec
        .networking
        .transparent_proxying
        .as_ref()?;
    let families = match said.ip_family_mode {
        IpFamilyMode::IPv4 => &SOURCES[..1],
        _ => &SOURCES[..],
    };
    let mut catches = Vec::new();
    for &source in families {
        if let Some(port) = port(said.redirect_port_inbound) {
            catches.push(inbound(own, source, port));
        }
        if let Some(port) = port(said.redirect_port_outbound) {
            catches.push(outbound(own, source, port, clusters));
        }
    }
    (!catches.is_empty()).then_some(Transparent { catches })
}

fn port(number: u32) -> Option<u16> {
    u16::try_from(number).ok().filter(|&port| port > 0)
}

fn catch(own: &Sidecar<'_>, direction: Direction, source: IpAddr, port: u16) -> Catch {
    let (family, address) = match source {
        IpAddr::V4(_) => (4, IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        IpAddr::V6(_) => (6, IpAddr::V6(Ipv6Addr::UNSPECIFIED)),
    };
    let name = match direction {
        Direction::Inbound => "inbound",
        Direction::Outbound => "outbound",
    };
    let path = Path::of("networking.transparentProxying");
    Catch {
        name: format!("{name}:passthrough:ipv{family}"),
        direction,
        address,
        port,
        passages: Vec::new(),
        connections: ListenerPolicy::default(),
        requests: ListenerPolicy::default(),
        origin: own.input.origin(own.dataplane, &path),
    }
}

/// Where mTLS is a must, only connections to the ports of inbounds go on: what is for another address of the machine
/// (Kuma's `KUMA_DATAPLANE_RUNTIME_STRICT_INBOUND_PORTS_ENABLED`, which is on by default).
fn inbound(own: &Sidecar<'_>, source: IpAddr, port: u16) -> Catch {
    let mut catch = catch(own, Direction::Inbound, source, port);
    let inbounds = &own.dataplane.spec.networking.inbound;
    let is_strict = own.around.is_permissive() == Some(false);
    let mut ports: Vec<Option<u16>> = if is_strict && !inbounds.is_empty() {
        let ports = inbounds
            .iter()
            .filter_map(|inbound| self::port(inbound.port));
        ports.map(Some).collect()
    } else {
        vec![None]
    };
    ports.sort_unstable();
    ports.dedup();
    let passage = |port| Passage {
        name: catch.name.clone(),
        port,
        range: None,
        content: Content::Any(Original {
            cluster: catch.name.clone(),
            is_http2: false,
            source: Some(source),
        }),
        origin: catch.origin.clone(),
    };
    let passages = ports.into_iter().map(passage).collect();
    catch.passages = passages;
    catch
}

fn outbound(own: &Sidecar<'_>, source: IpAddr, port: u16, clusters: &mut Vec<Cluster>) -> Catch {
    let mut catch = catch(own, Direction::Outbound, source, port);
    catch.passages = match passthrough::mode(own) {
        Mode::None => Vec::new(),
        Mode::All => vec![Passage {
            name: catch.name.clone(),
            port: None,
            range: None,
            content: Content::Any(Original {
                cluster: catch.name.clone(),
                is_http2: false,
                source: None,
            }),
            origin: catch.origin.clone(),
        }],
        Mode::Matched(matches) => passthrough::passages(&matches, source.is_ipv6()),
    };
    let policies = Policies::of_any(own.input.resources, own.side(), &own.tags);
    let for_logs = own.for_logs();
    let logs = policies::passing(&policies, &for_logs, clusters);
    [catch.connections.access_logs, catch.requests.access_logs] = logs;
    catch
}
