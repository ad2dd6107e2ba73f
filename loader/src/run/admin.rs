//! What Envoy says about itself on its admin interface.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use ureq::Agent;

/// How long an answer may take: Envoy's main thread answers between other things.
const PATIENCE: Duration = Duration::from_secs(10);
/// Statistics of many clusters are long.
const MAX_ANSWER: u64 = 256 << 20;

/// The admin interface of an Envoy.
#[derive(Clone, Debug)]
pub(super) struct Admin {
    address: SocketAddr,
    agent: Agent,
}

/// What Envoy has done with the files that it watches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Updates {
    /// The versions that it uses.
    pub(super) versions: BTreeSet<String>,
    /// How many it has refused since it began, by the name of the counter.
    pub(super) refused: BTreeMap<String, u64>,
    /// Listeners and clusters that wait for something.
    pub(super) warming: u64,
}

impl Updates {
    /// The counters of refusals that have gone up since.
    pub(super) fn refused_since(&self, before: &Self) -> Vec<&str> {
        let was = |name: &String| before.refused.get(name).copied().unwrap_or(0);
        let new = self
            .refused
            .iter()
            .filter(|(name, count)| **count > was(name));
        new.map(|(name, _)| name.as_str()).collect()
    }
}

impl Admin {
    pub(super) fn new(address: SocketAddr) -> Self {
        let config = Agent::config_builder().timeout_global(Some(PATIENCE));
        Self {
            address,
            agent: config.build().into(),
        }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn get(&self, path: &str) -> anyhow::Result<String> {
        self.get_within(PATIENCE, path)
    }

    fn get_within(&self, patience: Duration, path: &str) -> anyhow::Result<String> {
        let url = format!("http://{}/{path}", self.address);
        let request = self.agent.get(url).config();
        let request = request.timeout_global(Some(patience.min(PATIENCE)));
        let mut response = request.build().call()?;
        let body = response.body_mut().with_config().limit(MAX_ANSWER);
        Ok(body.read_to_string()?)
    }

    pub(super) fn post_within(&self, patience: Duration, path: &str) -> anyhow::Result<()> {
        let url = format!("http://{}/{path}", self.address);
        let request = self.agent.post(url).config();
        let request = request.timeout_global(Some(patience.min(PATIENCE)));
        request.build().send_empty()?;
        Ok(())
    }

    /// Whether the Envoy that answers is the one of this epoch, and its listeners take connections. While one Envoy
    /// takes over from another, the older one answers first.
    pub(super) fn is_ready(&self, epoch: u32) -> bool {
        const FILTER: &str = "^(listener_manager.workers_started|server.hot_restart_epoch)$";
        let expected = [
            "listener_manager.workers_started: 1".to_owned(),
            format!("server.hot_restart_epoch: {epoch}"),
        ];
        let ready = self.get("ready").is_ok();
        let stats = self.get(&format!("stats?filter={FILTER}"));
        ready && stats.is_ok_and(|text| expected.iter().all(|line| text.lines().any(|l| l == line)))
    }

    pub(super) fn updates(&self) -> anyhow::Result<Updates> {
        const FILTER: &str = "(version_text|update_rejected|config_reload_rejected|total_listeners_warming|warming_clusters)$";
        let mut updates = Updates::default();
        for line in self.get(&format!("stats?filter={FILTER}"))?.lines() {
            let Some((name, value)) = line.rsplit_once(": ") else {
                continue;
            };
            let number = || value.parse::<u64>().unwrap_or(0);
            if name.ends_with("version_text") {
                updates.versions.insert(value.trim_matches('"').to_owned());
            } else if name.ends_with("warming") || name.ends_with("warming_clusters") {
                updates.warming += number();
            } else {
                updates.refused.insert(name.to_owned(), number());
            }
        }
        Ok(updates)
    }

    /// The requests and TCP connections that are being served; none if Envoy does not say. Connections that are only
    /// kept open for the next request do not count.
    pub(super) fn in_service(&self, patience: Duration) -> u64 {
        const SERVED: &str = "^(http\\..*\\.downstream_rq_active|tcp\\..*\\.downstream_cx_active)$";
        let text = self
            .get_within(patience, &format!("stats?filter={SERVED}"))
            .unwrap_or_default();
        text.lines()
            .filter(|line| !line.starts_with("http.admin."))
            .filter_map(|line| line.rsplit_once(": ")?.1.parse::<u64>().ok())
            .sum()
    }
}
