//! How connections to a cluster begin and stay.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Locality;

/// What is not said is not done.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Upstream {
    /// How many retries there may be, in place of a number.
    pub retry_budget: Option<RetryBudget>,
    /// How new endpoints get less at first; only where they take turns or have few requests at work.
    pub warmup: Option<Warmup>,
    /// Pings on connections of HTTP/2.
    pub pings: Option<Pings>,
    /// Each connection begins with the client's address, in this form.
    pub proxy_protocol: Option<ProxyProtocol>,
    /// What each locality gets of the requests, compared to the others of its priority, and not each endpoint; where
    /// one is missing, the sum of what its endpoints have.
    pub shares: Option<BTreeMap<Locality, u32>>,
}

/// How many retries there may be at a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RetryBudget {
    /// Of the requests at work.
    pub percent: f64,
    /// As many are always allowed.
    pub always: u32,
}

/// How new endpoints get less at first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Warmup {
    /// For how long.
    pub duration: Duration,
    /// What they get at least, in percent of their weight.
    pub least: f64,
    /// How the rest comes: evenly for 1, later for less, sooner for more.
    pub aggression: f64,
}

/// Pings on connections of HTTP/2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pings {
    /// The time between them.
    pub interval: Duration,
    /// How long an answer may take.
    pub timeout: Duration,
}

/// The form of the PROXY protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyProtocol {
    /// Text.
    V1,
    /// Binary.
    V2,
}
