//! How many files Envoy can watch.
//!
//! Envoy takes an inotify instance for each file that it watches, and aborts when the kernel has no more of them for its
//! user (`fs.inotify.max_user_instances`, 128 on many machines). So what there is too much of stays in listeners and
//! clusters: a change then replaces the filter chain or the cluster, whose connections end with their next answer.

use std::fs;

use envoy_types::pb::envoy::config::bootstrap::v3::Bootstrap;

/// The number of instances of one user.
const LIMIT: &str = "/proc/sys/fs/inotify/max_user_instances";
/// What Linux gives if nobody says otherwise.
const USUAL: usize = 128;
/// Others of the user need some, and while one Envoy takes over from another there are two.
const PART: usize = 3;
/// The files with listeners, clusters and limits.
const ALWAYS: usize = 3;

/// What has files of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one thing that has files or not"
)]
pub(in crate::run) struct Shares {
    /// Certificates.
    pub(super) secrets: bool,
    /// Routes and filters of ports without TLS: one of each for a port.
    pub(super) ports: bool,
    /// Routes of TLS listeners.
    pub(super) routes: bool,
    /// Filters of TLS listeners.
    pub(super) filters: bool,
    /// Endpoints.
    pub(super) endpoints: bool,
}

impl Shares {
    /// As much as Envoy can watch on this machine, the most useful first.
    pub(super) fn of(bootstrap: &Bootstrap) -> Self {
        let limit = fs::read_to_string(LIMIT).ok();
        let limit = limit.and_then(|text| text.trim().parse().ok());
        Self::within(bootstrap, limit.unwrap_or(USUAL) / PART)
    }

    pub(super) fn within(bootstrap: &Bootstrap, budget: usize) -> Self {
        let mut left = budget.saturating_sub(ALWAYS);
        let mut fits = |count: usize| {
            let fits = count <= left;
            left -= if fits { count } else { 0 };
            fits
        };
        let Some(resources) = &bootstrap.static_resources else {
            return Self::default();
        };
        let chains = || resources.listeners.iter().flat_map(|l| &l.filter_chains);
        let of_tls = chains()
            .filter(|chain| chain.transport_socket.is_some())
            .count();
        Self {
            ports: fits(2 * (chains().count() - of_tls)),
            secrets: fits(resources.secrets.len()),
            routes: fits(of_tls),
            filters: fits(of_tls),
            endpoints: fits(resources.clusters.len()),
        }
    }

    /// What a user should know about it.
    pub(in crate::run) fn note(self) -> Option<String> {
        let without = [
            (self.ports, "routes of ports without TLS"),
            (self.secrets, "certificates"),
            (self.routes, "routes of TLS listeners"),
            (self.filters, "hostnames of TLS listeners"),
            (self.endpoints, "endpoints"),
        ];
        let names: Vec<_> = without
            .iter()
            .filter(|(own, _)| !own)
            .map(|(_, name)| *name)
            .collect();
        (!names.is_empty()).then(|| {
            format!(
                "{} are too many for fs.inotify.max_user_instances: a change of them ends connections with their next answer; raise it (sysctl) and start again to keep them",
                names.join(", ")
            )
        })
    }
}
