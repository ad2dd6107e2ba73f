//! Which requests go where, and what is changed on the way.

use ::policy::HostPattern;

use super::policy::RoutePolicy;
use super::{ClaimMatch, Origin};

/// Routes for some of a listener's hosts.
#[derive(Clone, Debug)]
pub struct VirtualHost {
    /// Its name in statistics: the host on Kuma, on Istio `<host>:<port of the server>`.
    pub name: String,
    /// The hosts: the listener's, or some of them. No other virtual host of the port has the same.
    pub domain: HostPattern,
    /// Only those of the hosts that end with this and have something before it, as `-foo.example.com`; all if absent.
    pub ending: Option<String>,
    /// The routes; the first that matches serves.
    pub routes: Vec<Route>,
    /// Whether requests without TLS are sent to the same URL with `https`.
    pub requires_tls: bool,
    /// The listener or the route resource that it is there for.
    pub origin: Origin,
}

impl VirtualHost {
    /// Routes for one host.
    pub fn new(domain: HostPattern, routes: Vec<Route>, origin: Origin) -> Self {
        Self {
            name: domain.to_string(),
            domain,
            ending: None,
            routes,
            requires_tls: false,
            origin,
        }
    }

    /// The hosts as Envoy writes them: of several it takes the name itself, and then the longest end.
    pub fn hosts(&self) -> String {
        match &self.ending {
            Some(ending) => format!("*{ending}"),
            None => self.domain.to_string(),
        }
    }
}

/// What happens to some requests.
#[derive(Clone, Debug)]
pub struct Route {
    /// Its name in logs and statistics; empty for none.
    pub name: String,
    /// What its own statistics are called; there are none if it is empty.
    pub stat_prefix: String,
    /// The paths that it takes.
    pub path: PathMatch,
    /// Whether letters of the path match in both cases; not with an expression.
    pub ignores_path_case: bool,
    /// The method that it takes; all if absent.
    pub method: Option<String>,
    /// What the headers have to be, all of them.
    pub headers: Vec<HeaderMatch>,
    /// What the parameters of the query have to be, all of them.
    pub query: Vec<QueryMatch>,
    /// What the claims of the request's token have to be, all of them.
    pub claims: Vec<ClaimMatch>,
    /// Changes of the request's headers.
    pub request_headers: HeaderChanges,
    /// Changes of the response's headers.
    pub response_headers: HeaderChanges,
    /// What happens to them.
    pub action: Action,
    /// What policies say.
    pub policy: RoutePolicy,
    /// The rule.
    pub origin: Origin,
    /// Other rules with the same matches.
    pub also: Vec<Part>,
}

impl Route {
    /// A route for every path.
    pub fn new(action: Action, origin: Origin) -> Self {
        Self {
            name: String::new(),
            stat_prefix: String::new(),
            path: PathMatch::Prefix("/".to_owned()),
            ignores_path_case: false,
            method: None,
            headers: Vec::new(),
            query: Vec::new(),
            claims: Vec::new(),
            request_headers: HeaderChanges::default(),
            response_headers: HeaderChanges::default(),
            action,
            policy: RoutePolicy::default(),
            origin,
            also: Vec::new(),
        }
    }
}

/// A set of paths, compared without the query.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PathMatch {
    /// This path only.
    Exact(String),
    /// Every path that begins with these characters.
    Prefix(String),
    /// Every path that the whole RE2 expression matches.
    Regex(String),
}

/// What a header has to be.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HeaderMatch {
    /// The header.
    pub name: String,
    /// What it has to be.
    pub test: HeaderTest,
}

/// What the value of a header has to be. Values of a header that is there twice are joined by `,`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum HeaderTest {
    /// This.
    Exact(String),
    /// Anything that begins with this.
    Prefix(String),
    /// Anything that the whole RE2 expression matches.
    Regex(String),
    /// Anything.
    Present,
    /// Nothing: the header is not there.
    Absent,
    /// Not this. A header that is not there counts as an empty one.
    Not(Box<HeaderTest>),
}

/// What a parameter of the query has to be.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct QueryMatch {
    /// The parameter; the first, if it is there twice.
    pub name: String,
    /// What it has to be.
    pub test: QueryTest,
}

/// What the value of a parameter has to be.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum QueryTest {
    /// This.
    Exact(String),
    /// Anything that begins with this.
    Prefix(String),
    /// Anything that the whole RE2 expression matches.
    Regex(String),
    /// Anything.
    Present,
}

/// Changes of headers. Values may hold Envoy's format commands, `%…%`, as on Kuma.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderChanges {
    /// Headers that get just this value.
    pub set: Vec<(String, String)>,
    /// Headers that get this value too.
    pub add: Vec<(String, String)>,
    /// Headers that go.
    pub remove: Vec<String>,
}

/// What happens to a request.
#[derive(Clone, Debug)]
pub enum Action {
    /// It goes to a backend.
    Forward(Forward),
    /// It goes to the cluster that the filter has decided on.
    ForwardAsDecided,
    /// The client is sent elsewhere.
    Redirect(Redirect),
    /// The gateway answers.
    Respond {
        /// The status.
        status: u16,
        /// The body, text/plain unless the headers of the route say something else.
        body: Body,
    },
}

/// The body of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// Text.
    Text(String),
    /// Anything.
    Bytes(Vec<u8>),
}

impl From<&str> for Body {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

/// To which backend a request goes, and as what.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Forward {
    /// The clusters, one of which is chosen by weight.
    pub clusters: Vec<WeightedCluster>,
    /// The path that the backend sees; the client's if absent.
    pub path: Option<PathRewrite>,
    /// The host that the backend sees; the client's if absent.
    pub host: Option<HostRewrite>,
    /// Who gets a copy.
    pub mirrors: Vec<Mirror>,
}

/// Another path. The query stays as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathRewrite {
    /// In place of the whole path.
    Full(String),
    /// In place of the characters that the route's prefix matched.
    Prefix(String),
    /// In place of all that the RE2 expression matches; `\1` is its first group.
    Regex {
        /// The expression.
        pattern: String,
        /// What takes its place.
        substitution: String,
    },
}

/// Another host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostRewrite {
    /// This.
    To(String),
    /// The name that the chosen endpoint has in the configuration; the client's if it is an address.
    ToBackend,
}

/// A copy of some requests, whose response nobody waits for.
#[derive(Clone, Debug, PartialEq)]
pub struct Mirror {
    /// The name of a [`Cluster`](super::Cluster).
    pub cluster: String,
    /// Of how many requests, in percent; more than 0.
    pub percent: f64,
}

/// An answer that sends the client elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// 301, 302, 303, 307 or 308.
    pub status: u16,
    /// The scheme; the request's if absent.
    pub scheme: Option<String>,
    /// The host; the request's if absent.
    pub host: Option<String>,
    /// The port; that of the request or its scheme if 0.
    pub port: u16,
    /// The path; the request's if absent.
    pub path: Option<PathRewrite>,
    /// Whether the query of the request is kept.
    pub keeps_query: bool,
}

/// A cluster with its share of the requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightedCluster {
    /// The name of a [`Cluster`](super::Cluster), or of none: then requests get 500.
    pub cluster: String,
    /// Its share of the sum of all weights.
    pub weight: u32,
    /// What is changed for it alone.
    pub changes: Option<Box<BackendChanges>>,
}

/// What is changed on the way to one of the clusters of a route.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BackendChanges {
    /// Of the request.
    pub request: HeaderChanges,
    /// Of the response.
    pub response: HeaderChanges,
    /// The host that the backend sees.
    pub host: Option<String>,
}

/// A rule that a route was made of beside the one that it is named for.
#[derive(Clone, Debug)]
pub struct Part {
    /// The rule.
    pub origin: Origin,
    /// Whether anything of it is left.
    pub serves: bool,
}
