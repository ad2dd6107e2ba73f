//! From the configuration to look-up tables.

use core::net::IpAddr;

use super::{External, Hosts, Match, Outbound, Target};
use crate::address::{AmbiguousAddress, Cidr, Destination, InvalidCidr};
use crate::client::{Client, UriPattern};
use crate::config::{
    CrossMeshConfig, CrossMeshGatewayConfig, ExternalAccessConfig, ExternalServiceConfig,
    Passthrough, PassthroughConfig, Protocol,
};
use crate::hostname::{Hostname, InvalidHostname};
use crate::pattern::HostPattern;
use crate::permissions::{InvalidRule, Permissions};
use crate::places::Places;

/// The name of the target of the mode `all` in logs and counters.
const EVERYTHING: &str = "passthrough";

/// Targets and the places that they have.
#[derive(Default)]
struct Builder {
    targets: Vec<Target>,
    places: Vec<(Destination<Box<str>>, Option<u16>, usize)>,
}

impl Outbound {
    /// Reads a configuration. `chain` is the service of the filter chain.
    pub fn new(
        cross_mesh: Option<&CrossMeshConfig>,
        external: Option<&ExternalAccessConfig>,
        chain: Option<&str>,
    ) -> Result<Self, InvalidOutbound> {
        let mut builder = Builder::default();
        for gateway in cross_mesh.into_iter().flat_map(|config| &config.gateways) {
            builder.gateway(gateway)?;
        }
        let external = external.map(|config| builder.external(config, chain));
        let external = external.transpose()?;
        if let (Some(chain), None) = (chain, &external) {
            return Err(InvalidOutbound::NoSuchService(chain.to_owned()));
        }
        let Builder { targets, places } = builder;
        let places = Places::new(places).map_err(|(first, second)| {
            let name = |index: usize| targets.get(index).map(|t| t.name.clone());
            InvalidOutbound::TwoOwners {
                first: name(first).unwrap_or_default(),
                second: name(second).unwrap_or_default(),
            }
        })?;
        Ok(Self {
            steers: targets.iter().any(|target| target.cluster.is_some()),
            targets: targets.into(),
            places,
            external,
        })
    }
}

impl Builder {
    fn add(
        &mut self,
        target: Target,
        hosts: &[String],
        port: Option<u16>,
    ) -> Result<usize, InvalidOutbound> {
        let index = self.targets.len();
        for text in hosts {
            let host = host(text).map_err(|why| InvalidOutbound::Host {
                target: target.name.clone(),
                host: text.clone(),
                why,
            })?;
            self.places.push((host, port, index));
        }
        self.targets.push(target);
        Ok(index)
    }

    fn gateway(&mut self, gateway: &CrossMeshGatewayConfig) -> Result<(), InvalidOutbound> {
        let name: Box<str> = format!("{}/{}", gateway.mesh, gateway.gateway).into();
        if gateway.cluster.is_empty() {
            return Err(InvalidOutbound::NoCluster(name));
        }
        let target = Target {
            name,
            cluster: Some(gateway.cluster.as_str().into()),
            is_gateway: true,
            is_service: false,
            permissions: None,
        };
        self.add(target, &gateway.hostnames, gateway.port)?;
        Ok(())
    }

    fn external(
        &mut self,
        config: &ExternalAccessConfig,
        chain: Option<&str>,
    ) -> Result<External, InvalidOutbound> {
        let mut of_chain = None;
        for service in &config.services {
            let index = self.service(service)?;
            if chain == Some(service.name.as_str()) {
                of_chain = of_chain.or(Some(index));
            }
        }
        if let (Some(chain), None) = (chain, of_chain) {
            return Err(InvalidOutbound::NoSuchService(chain.to_owned()));
        }
        let needs_matches = config.passthrough == Passthrough::Matched;
        if needs_matches == config.matches.is_empty() {
            return Err(InvalidOutbound::Matches);
        }
        if config.cluster.is_some() && config.passthrough != Passthrough::All {
            return Err(InvalidOutbound::Cluster);
        }
        let client = config.client.as_deref().map(own_client).transpose()?;
        let matches = config.matches.iter().map(|config| self.passthrough(config));
        let matches = matches.collect::<Result<_, _>>()?;
        let everything = Target::outside(EVERYTHING, config.cluster.as_deref());
        Ok(External {
            default: config.default,
            passthrough: config.passthrough,
            matches,
            everything: self.add(everything, &[], None)?,
            chain: of_chain,
            client,
        })
    }

    fn service(&mut self, service: &ExternalServiceConfig) -> Result<usize, InvalidOutbound> {
        let permissions = service.permissions.as_ref().map(Permissions::try_from);
        let permissions = permissions
            .transpose()
            .map_err(|why| InvalidOutbound::Rule {
                service: service.name.clone(),
                why,
            })?;
        let target = Target {
            is_service: true,
            permissions,
            ..Target::outside(&service.name, service.cluster.as_deref())
        };
        self.add(target, &service.hostnames, service.port)
    }

    fn passthrough(&mut self, config: &PassthroughConfig) -> Result<Match, InvalidOutbound> {
        let text = config.destination.as_str();
        let hosts = hosts(text).map_err(|why| InvalidOutbound::Match(text.to_owned(), why))?;
        let target = Target::outside(text, config.cluster.as_deref());
        Ok(Match {
            hosts,
            port: config.port,
            is_http: matches!(
                config.protocol,
                Protocol::Http | Protocol::Http2 | Protocol::Grpc
            ),
            target: self.add(target, &[], None)?,
        })
    }
}

impl Target {
    fn outside(name: &str, cluster: Option<&str>) -> Self {
        Self {
            name: name.into(),
            cluster: cluster.map(Into::into),
            is_gateway: false,
            is_service: false,
            permissions: None,
        }
    }
}

/// The URIs of the client that is known beforehand, in Envoy's form.
fn own_client(uris: &[String]) -> Result<Box<str>, InvalidOutbound> {
    let is_whole = |uri: &String| !uri.ends_with('*') && UriPattern::parse(uri).is_ok();
    match uris.iter().find(|uri| !is_whole(uri)) {
        Some(uri) => Err(InvalidOutbound::Client(uri.clone())),
        None if uris.is_empty() => Err(InvalidOutbound::NoClient),
        None => {
            let uris = uris.join(",");
            Client::new(uris.as_bytes()).ok_or(InvalidOutbound::NoMesh)?;
            Ok(uris.into())
        }
    }
}

fn host(text: &str) -> Result<Destination<Box<str>>, InvalidHost> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(Destination::Address(address.to_canonical()));
    }
    let mut bytes = text.as_bytes().to_vec();
    Ok(Destination::of_name(Hostname::parse(&mut bytes)?)?.to_owned())
}

fn hosts(text: &str) -> Result<Hosts, InvalidHost> {
    if text.contains('/') {
        return Ok(Hosts::Addresses(text.parse()?));
    }
    if let Ok(address) = text.parse() {
        return Ok(Hosts::Addresses(Cidr::of(address)));
    }
    let pattern: HostPattern = text.parse()?;
    if let HostPattern::Exact(name) | HostPattern::Suffix(name) = &pattern {
        Destination::of_name(Hostname::from_lower_case(name.as_str().as_bytes())?)?;
    }
    Ok(Hosts::Names(pattern))
}

/// Why a text is no host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHost {
    /// It is no name.
    #[error(transparent)]
    Name(#[from] InvalidHostname),
    /// It is no name and no address.
    #[error(transparent)]
    Address(#[from] AmbiguousAddress),
    /// It is no range of addresses.
    #[error(transparent)]
    Cidr(#[from] InvalidCidr),
}

/// Why `cross_mesh` or `external_access` cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidOutbound {
    /// A host is none.
    #[error("`{target}`: host `{host}`: {why}")]
    Host {
        /// Whose it is.
        target: Box<str>,
        /// What stands there.
        host: String,
        /// What is wrong with it.
        why: InvalidHost,
    },
    /// A destination of `matches` is none.
    #[error("`matches`: destination `{0}`: {1}")]
    Match(String, InvalidHost),
    /// A rule of a service can match nothing.
    #[error("service `{service}`: {why}")]
    Rule {
        /// The service's name.
        service: String,
        /// What is wrong with the rule.
        why: InvalidRule,
    },
    /// Two have one host and port.
    #[error("`{first}` and `{second}` have a host and port in common")]
    TwoOwners {
        /// The one that comes first.
        first: Box<str>,
        /// The other one.
        second: Box<str>,
    },
    /// A gateway is in no cluster.
    #[error("gateway `{0}` has an empty `cluster`")]
    NoCluster(Box<str>),
    /// The chain is of no service.
    #[error("`chain` names `{0}`, which is none of the external services")]
    NoSuchService(String),
    /// The client that is known beforehand is none.
    #[error("`client` has `{0}`, which is no `spiffe://` or `kuma://` URI")]
    Client(String),
    /// A client without an identity matches no rule.
    #[error("`client` is empty: give the client's URIs, or leave it out")]
    NoClient,
    /// A client that would never be let in.
    #[error("`client` has to begin with a SPIFFE ID, and all SPIFFE IDs have to be of one mesh")]
    NoMesh,
    /// A cluster that nothing would go to.
    #[error("`cluster` is for the `passthrough` mode `all`")]
    Cluster,
    /// A list that would do nothing, or a mode that needs it.
    #[error("`matches` and the `passthrough` mode `matched` belong together")]
    Matches,
}
