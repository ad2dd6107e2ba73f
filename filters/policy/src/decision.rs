//! The one place that decides whether a request may enter.

use core::fmt;

use crate::authority::{Authority, Host, InvalidAuthority};
use crate::config::Reasons;
use crate::table::{HostTable, Listener};
use crate::trace::{Step, Trace};

/// What is decided by: the listeners of a port, and on TLS the one that the connection belongs to.
#[derive(Clone, Copy, Debug)]
pub struct Policy<'a> {
    /// All listeners of the port.
    pub table: &'a HostTable,
    /// On TLS: the listener of the filter chain that Envoy chose by SNI.
    pub chain: Option<&'a Listener>,
}

/// What is decided about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestView<'a> {
    /// The request's `:authority`.
    pub authority: Result<Authority<'a>, InvalidAuthority>,
}

impl<'a> RequestView<'a> {
    /// A request with this `:authority`; its bytes are put into lower case in place.
    pub fn new(authority: Option<&'a mut [u8]>) -> Self {
        Self {
            authority: authority.map_or(Err(InvalidAuthority::Missing), Authority::parse),
        }
    }
}

/// A verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision<'a> {
    /// On to the routes of this listener.
    Forward(&'a Listener),
    /// No further.
    Reject(Refusal<'a>),
}

/// Why a request goes no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal<'a> {
    /// The reason.
    pub reason: Reason,
    /// The listener that owns the host, where it is not the connection's.
    pub owner: Option<&'a Listener>,
    /// What is wrong with the authority, if the reason is [`Reason::MalformedAuthority`].
    pub authority: Option<InvalidAuthority>,
}

/// A stable name for each kind of refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// `:authority` is no host: 400 (RFC 9112 §3.2).
    MalformedAuthority,
    /// No listener of the port owns the host: 404.
    NoListener,
    /// The host is served on this port, but not on this connection: 421 (RFC 9110 §15.5.20).
    Misdirected,
    /// The filter has no valid configuration: 503.
    NoConfig,
    /// No gateway of a mesh has the hostname and port: 404.
    NoCrossMeshGateway,
    /// The rules for the listener or the external service do not permit it: 403.
    ClientNotAllowed,
    /// The destination is no external service, and nothing else lets it pass: 403.
    UnknownDestination,
    /// External services are forbidden unless rules say otherwise: 403.
    ForbiddenByDefault,
    /// `CONNECT`, or an upgrade to something else than WebSocket, to a destination outside the mesh: 403.
    Tunnel,
    /// The rules speak of paths, and the path can be read in more than one way: 400.
    AmbiguousPath,
}

impl Reason {
    /// Each of them once.
    pub const ALL: [Self; 10] = [
        Self::MalformedAuthority,
        Self::NoListener,
        Self::Misdirected,
        Self::NoConfig,
        Self::NoCrossMeshGateway,
        Self::ClientNotAllowed,
        Self::UnknownDestination,
        Self::ForbiddenByDefault,
        Self::Tunnel,
        Self::AmbiguousPath,
    ];

    /// The name that logs, counters and answers use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MalformedAuthority => "malformed_authority",
            Self::NoListener => "no_listener",
            Self::Misdirected => "misdirected",
            Self::NoConfig => "no_config",
            Self::NoCrossMeshGateway => "no_cross_mesh_gateway",
            Self::ClientNotAllowed => "client_not_allowed",
            Self::UnknownDestination => "unknown_destination",
            Self::ForbiddenByDefault => "forbidden_by_default",
            Self::Tunnel => "tunnel",
            Self::AmbiguousPath => "ambiguous_path",
        }
    }

    /// What it means, where no host is known.
    fn text(self) -> &'static str {
        match self {
            Self::MalformedAuthority => "the request has no valid host",
            Self::NoListener => "no listener owns the host",
            Self::Misdirected => "the host belongs to another connection",
            Self::NoConfig => "the gateway has no valid configuration",
            Self::NoCrossMeshGateway => "no gateway of a mesh is called so",
            Self::ClientNotAllowed => "the rules do not permit this client to do this",
            Self::UnknownDestination => "the destination is no external service",
            Self::ForbiddenByDefault => "external services are forbidden by default",
            Self::Tunnel => "tunnels are not permitted",
            Self::AmbiguousPath => "the path can be read in more than one way",
        }
    }

    /// The HTTP status of the answer.
    pub fn status(self) -> u16 {
        match self {
            Self::MalformedAuthority | Self::AmbiguousPath => 400,
            Self::ClientNotAllowed
            | Self::UnknownDestination
            | Self::ForbiddenByDefault
            | Self::Tunnel => 403,
            Self::NoListener | Self::NoCrossMeshGateway => 404,
            Self::Misdirected => 421,
            Self::NoConfig => 503,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Refusal<'_> {
    /// The refusal of a filter that has no valid configuration.
    pub const NO_CONFIG: Self = Self::new(Reason::NoConfig);
    /// The refusal of what a client may not do.
    pub const CLIENT: Self = Self::new(Reason::ClientNotAllowed);

    pub(crate) const fn new(reason: Reason) -> Self {
        Self {
            reason,
            owner: None,
            authority: None,
        }
    }

    pub(crate) fn malformed(why: InvalidAuthority) -> Self {
        Self {
            authority: Some(why),
            ..Self::new(Reason::MalformedAuthority)
        }
    }

    /// The line that the client gets: without a line break, and without any byte of the request that was not checked.
    pub fn answer<'a>(
        &'a self,
        request: &'a RequestView<'_>,
        reasons: Reasons,
        port: Option<u16>,
    ) -> impl fmt::Display + 'a {
        fmt::from_fn(move |f| {
            match reasons {
                Reasons::None => return Ok(()),
                Reasons::Short => return f.write_str(self.reason.as_str()),
                Reasons::Full => write!(f, "{}: ", self.reason)?,
            }
            match (self.reason, self.authority, request.authority) {
                (Reason::MalformedAuthority, Some(why), _) => write!(f, "{why}"),
                (Reason::NoListener, _, Ok(authority)) => match port {
                    Some(port) => write!(f, "no listener on port {port} owns {}", authority.host),
                    None => write!(f, "no listener owns {}", authority.host),
                },
                (Reason::Misdirected, _, Ok(authority)) => write!(
                    f,
                    "{} is served on this port under another certificate",
                    authority.host
                ),
                (Reason::NoCrossMeshGateway, _, Ok(Authority { host, port })) => {
                    write!(f, "no gateway of a mesh is called {host}")?;
                    port.map_or(Ok(()), |port| write!(f, " on port {port}"))
                }
                (Reason::UnknownDestination, _, Ok(authority)) => write!(
                    f,
                    "{} is no external service and may not be reached",
                    authority.host
                ),
                (reason, ..) => f.write_str(reason.text()),
            }
        })
    }
}

/// Decides about one request.
///
/// A request is forwarded only to the one listener that owns its host, so that what holds for that listener (its
/// certificate, its tags, its policies) holds for every request to its routes.
pub fn decide<'a>(
    policy: &Policy<'a>,
    request: &RequestView<'_>,
    trace: &mut impl Trace,
) -> Decision<'a> {
    let decision =
        owner_of(policy, request, trace).map_or_else(Decision::Reject, Decision::Forward);
    trace.step(|| Step::Decision(decision));
    decision
}

fn owner_of<'a>(
    policy: &Policy<'a>,
    request: &RequestView<'_>,
    trace: &mut impl Trace,
) -> Result<&'a Listener, Refusal<'a>> {
    let authority = request.authority.map_err(Refusal::malformed)?;
    trace.step(|| Step::Authority(authority));
    let owner = match authority.host {
        Host::Name(name) => policy.table.owner(name),
        Host::Absolute(_) | Host::Ipv6(_) => policy.table.owner_of_the_rest(),
    };
    trace.step(|| Step::Owner(owner));
    let owner = owner.ok_or(Refusal::new(Reason::NoListener))?;
    if let Some(chain) = policy.chain {
        trace.step(|| Step::Chain(chain));
        if !core::ptr::eq(chain, owner) {
            return Err(Refusal {
                owner: Some(owner),
                ..Refusal::new(Reason::Misdirected)
            });
        }
    }
    Ok(owner)
}

#[cfg(test)]
mod tests;
