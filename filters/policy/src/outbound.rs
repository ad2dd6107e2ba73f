//! Where a request or connection of the own side may go: gateways of meshes, and what is outside the mesh.

use crate::address::{Cidr, Destination};
use crate::authority::{Authority, InvalidAuthority};
use crate::client::Client;
use crate::config::{Access, Passthrough};
use crate::decision::{Reason, Refusal, RequestView};
use crate::hostname::Hostname;
use crate::pattern::HostPattern;
use crate::permissions::{Facts, Permissions, Permit};
use crate::places::{Found, Places};

mod build;

pub use build::InvalidOutbound;

/// The port of a request that names none: what Envoy calls `http`.
const HTTP: u16 = 80;

/// All destinations, ready for look-up by host.
#[derive(Debug)]
pub struct Outbound {
    targets: Box<[Target]>,
    places: Places,
    external: Option<External>,
    steers: bool,
}

/// What is outside the mesh.
#[derive(Debug)]
struct External {
    default: Access,
    passthrough: Passthrough,
    matches: Box<[Match]>,
    /// The target of the mode `all`.
    everything: usize,
    /// The service of the filter chain.
    chain: Option<usize>,
    client: Option<Box<str>>,
}

/// A place to which requests go.
#[derive(Debug)]
pub struct Target {
    /// The name in logs and counters.
    pub name: Box<str>,
    cluster: Option<Box<str>>,
    /// Whether it is a gateway of a mesh, which asks its clients itself.
    is_gateway: bool,
    is_service: bool,
    permissions: Option<Permissions>,
}

/// A destination of the mode `matched`.
#[derive(Debug)]
struct Match {
    hosts: Hosts,
    port: Option<u16>,
    is_http: bool,
    target: usize,
}

#[derive(Debug)]
enum Hosts {
    Names(HostPattern),
    Addresses(Cidr),
}

/// What is decided: the target, as far as it is known, and whether it may be reached.
#[derive(Clone, Copy, Debug)]
pub struct Way<'a> {
    /// Where it goes to, or would go to.
    pub target: Option<&'a Target>,
    /// Whether it may.
    pub verdict: Result<Permit, Refusal<'static>>,
}

/// What a connection tells, besides [`Facts`].
pub trait ConnectionFacts: Facts {
    /// The name in the client's TLS greeting.
    fn server_name(&self) -> Option<impl core::ops::DerefMut<Target = [u8]>>;

    /// The address and port that the client connected to: `10.0.0.1:443`, `[::1]:443`.
    fn destination(&self) -> Option<impl core::ops::DerefMut<Target = [u8]>>;
}

impl Outbound {
    /// Decides about a request.
    pub fn decide(&self, request: &RequestView<'_>, facts: &impl Facts) -> Way<'_> {
        let found = request
            .authority
            .and_then(|authority| Ok((Destination::of(authority.host)?, authority.port)))
            .map_err(Refusal::malformed)
            .and_then(|(host, port)| self.target(host, port));
        let index = match found {
            Ok(index) => index,
            Err(refusal) => return Way::refused(None, refusal),
        };
        let Some(target) = self.targets.get(index) else {
            return Way::refused(None, Refusal::new(Reason::UnknownDestination));
        };
        if target.is_gateway {
            return Way::open(target);
        }
        // Of what follows in a tunnel, only the first request would be seen.
        let method = facts.method();
        let method = method.as_deref();
        let is_tunnel = method == Some(b"CONNECT")
            || facts
                .upgrade()
                .is_some_and(|name| !name.eq_ignore_ascii_case(b"websocket"));
        if is_tunnel {
            return Way::refused(Some(target), Refusal::new(Reason::Tunnel));
        }
        self.judge(target, &Known { facts, method })
    }

    /// Decides about a connection.
    pub fn decide_connection(&self, facts: &impl ConnectionFacts) -> Way<'_> {
        let chain = self.external.as_ref().and_then(|external| external.chain);
        let index = match chain.map_or_else(|| self.target_of_connection(facts), Ok) {
            Ok(index) => index,
            Err(refusal) => return Way::refused(None, refusal),
        };
        match self.targets.get(index) {
            Some(target) => self.judge(target, facts),
            None => Way::refused(None, Refusal::new(Reason::UnknownDestination)),
        }
    }

    /// All targets, in the order of the configuration.
    pub fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// The place of a target of these in [`targets`](Self::targets).
    pub fn index_of(&self, target: &Target) -> Option<usize> {
        self.targets.element_offset(target)
    }

    /// What the steering header says for a request that goes on, if there is one: nothing for a target without
    /// a cluster, so that it is not the client who says it.
    pub fn cluster<'a>(&self, target: Option<&'a Target>) -> Option<&'a str> {
        let cluster = target.and_then(|target| target.cluster.as_deref());
        self.steers.then_some(cluster.unwrap_or_default())
    }

    fn target(
        &self,
        host: Destination<Hostname<'_>>,
        port: Option<u16>,
    ) -> Result<usize, Refusal<'static>> {
        let found = self.places.find(host, port);
        let Some(external) = &self.external else {
            return match found {
                Found::Owner(index) => Ok(index),
                _ => Err(Refusal::new(Reason::NoCrossMeshGateway)),
            };
        };
        match (external.chain, found) {
            (Some(chain), Found::Owner(index)) if chain == index => Ok(index),
            // A service without hostnames takes any, but none that is another's.
            (Some(chain), Found::Nobody) if !self.places.has(chain) => Ok(chain),
            (Some(_), _) => Err(Refusal::new(Reason::Misdirected)),
            (None, Found::Owner(index)) => Ok(index),
            (None, Found::OtherPort) => Err(Refusal::new(Reason::UnknownDestination)),
            (None, Found::Nobody) => {
                let matches = |m: &Match| m.is_http && m.holds(host, port.unwrap_or(HTTP));
                external.without_service(matches)
            }
        }
    }

    fn target_of_connection(
        &self,
        facts: &impl ConnectionFacts,
    ) -> Result<usize, Refusal<'static>> {
        let unknown = Refusal::new(Reason::UnknownDestination);
        let external = self.external.as_ref().ok_or(unknown)?;
        let mut address = facts.destination().ok_or(unknown)?;
        let Authority { host, port } =
            Authority::parse(&mut address).map_err(Refusal::malformed)?;
        let port = port.ok_or(unknown)?;
        let address = Destination::of(host).map_err(|why| Refusal::malformed(why.into()))?;
        let mut name = facts.server_name();
        let name = match name.as_deref_mut() {
            None | Some([]) => None,
            Some(name) => {
                let name = Authority::parse(name).map_err(Refusal::malformed)?;
                let name = Destination::of(name.host);
                Some(name.map_err(|why| Refusal::malformed(why.into()))?)
            }
        };
        let by_name = name.map_or(Found::Nobody, |name| self.places.find(name, Some(port)));
        match (by_name, self.places.find(address, Some(port))) {
            (Found::Owner(a), Found::Owner(b)) if a != b => Err(Refusal::new(Reason::Misdirected)),
            (Found::Owner(index), _) | (_, Found::Owner(index)) => Ok(index),
            (Found::OtherPort, _) | (_, Found::OtherPort) => Err(unknown),
            (Found::Nobody, Found::Nobody) => external.without_service(|m| {
                let holds = |host| m.holds(host, port);
                !m.is_http && (holds(address) || name.is_some_and(holds))
            }),
        }
    }

    fn judge<'a>(&'a self, target: &'a Target, facts: &impl Facts) -> Way<'a> {
        let external = self.external.as_ref();
        let verdict = match &target.permissions {
            Some(permissions) => {
                let client = external.and_then(|external| external.client.as_deref());
                let client = client.and_then(|uris| Client::new(uris.as_bytes()));
                permissions.permit(client, facts)
            }
            None if target.is_service
                && external.is_none_or(|external| external.default == Access::Forbid) =>
            {
                Err(Refusal::new(Reason::ForbiddenByDefault))
            }
            None => Ok(Permit::Allowed),
        };
        Way {
            target: Some(target),
            verdict,
        }
    }
}

impl External {
    fn without_service(&self, matches: impl Fn(&Match) -> bool) -> Result<usize, Refusal<'static>> {
        let target = match self.passthrough {
            Passthrough::All => Some(self.everything),
            Passthrough::Matched => {
                let found = self.matches.iter().find(|m| matches(m));
                found.map(|found| found.target)
            }
            Passthrough::None => None,
        };
        target.ok_or(Refusal::new(Reason::UnknownDestination))
    }
}

impl Match {
    fn holds(&self, host: Destination<Hostname<'_>>, port: u16) -> bool {
        let is_host = match (&self.hosts, host) {
            (Hosts::Names(pattern), Destination::Name(name)) => pattern.matches(name),
            (Hosts::Addresses(range), Destination::Address(address)) => range.holds(address),
            _ => false,
        };
        is_host && self.port.is_none_or(|own| own == port)
    }
}

impl<'a> Way<'a> {
    fn open(target: &'a Target) -> Self {
        Self {
            target: Some(target),
            verdict: Ok(Permit::Allowed),
        }
    }

    fn refused(target: Option<&'a Target>, refusal: Refusal<'static>) -> Self {
        Self {
            target,
            verdict: Err(refusal),
        }
    }
}

/// [`Facts`] of which one is known.
struct Known<'a, F> {
    facts: &'a F,
    method: Option<&'a [u8]>,
}

impl<F: Facts> Facts for Known<'_, F> {
    fn client(&self) -> Option<impl core::ops::Deref<Target = [u8]>> {
        self.facts.client()
    }

    fn method(&self) -> Option<impl core::ops::Deref<Target = [u8]>> {
        self.method
    }

    fn path(&self) -> Option<impl core::ops::Deref<Target = [u8]>> {
        self.facts.path()
    }

    fn upgrade(&self) -> Option<impl core::ops::Deref<Target = [u8]>> {
        self.facts.upgrade()
    }
}

impl From<crate::address::AmbiguousAddress> for InvalidAuthority {
    fn from(_: crate::address::AmbiguousAddress) -> Self {
        Self::AmbiguousAddress
    }
}

#[cfg(test)]
mod tests;
