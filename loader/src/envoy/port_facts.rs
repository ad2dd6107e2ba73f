//! What filter chains have to know about all listeners of their port.
//!
//! A port with TLS has a chain for each listener. Each chain that looked through all listeners for itself would make the
//! time grow with their square.

use std::cell::OnceCell;

use super::access_log::logs_ask_whose;
use super::hosts::Hosts;
use super::{filter, policy};
use crate::model::{Port, Proxy};

/// A port of a proxy, looked through once.
pub(super) struct PortFacts<'a> {
    pub(super) proxy: &'a Proxy,
    pub(super) port: &'a Port,
    pub(super) hosts: Hosts<'a>,
    /// Whether it matters to a listener who its client is.
    pub(super) has_permissions: bool,
    /// Whether a log of a policy asks the filter whose the requests are.
    pub(super) logs_ask_whose: bool,
    /// Whether a route says what scripts of other sites may do.
    pub(super) has_cors: bool,
    /// How many faults the route with the most of them has.
    pub(super) faults: usize,
    is_in_meshes: OnceCell<bool>,
}

impl<'a> PortFacts<'a> {
    pub(super) fn new(proxy: &'a Proxy, port: &'a Port) -> Self {
        Self {
            proxy,
            port,
            hosts: Hosts::new(port),
            has_permissions: filter::has_permissions(port),
            logs_ask_whose: logs_ask_whose(port),
            has_cors: policy::has_cors(port),
            faults: policy::most_faults(&port.listeners),
            is_in_meshes: OnceCell::new(),
        }
    }

    /// Whether the filters of the proxy may call more than those of other proxies. Most ports of a sidecar have none,
    /// and do not look at all others.
    pub(super) fn is_in_meshes(&self) -> bool {
        let any = || self.proxy.ports.iter().any(filter::asks_for_more);
        *self.is_in_meshes.get_or_init(any)
    }
}
