//! `MeshHealthCheck`.

use std::time::Duration as StdDuration;

use super::select::{Policies, To};
use crate::model::policy::{ClusterPolicy, HealthCheck, Probe};
use crate::resources::kuma::mesh_health_check::MeshChecks;
use crate::resources::kuma::policy::{Duration, Fraction};

pub(super) fn cluster(policies: &Policies<'_>, to: To<'_>, policy: &mut ClusterPolicy) {
    let all = &policies.resources.mesh_health_checks;
    let Some(conf) = policies.outbound(all, to) else {
        return;
    };
    let threshold = conf
        .healthy_panic_threshold
        .as_ref()
        .and_then(Fraction::get);
    policy.panic_threshold = threshold.or(policy.panic_threshold);
    policy.fails_on_panic = conf.fail_traffic_on_panic == Some(true);
    policy.health_check = probe(&conf).map(|probe| check(&conf, probe));
}

/// Requests, or connections where those are not wanted.
fn probe(conf: &MeshChecks) -> Option<Probe> {
    if let Some(http) = conf
        .http
        .as_ref()
        .filter(|http| http.disabled != Some(true))
    {
        let headers = http.request_headers_to_add.clone().unwrap_or_default();
        let added = headers.add.into_iter().flatten().map(|h| (h, true));
        let set = headers.set.into_iter().flatten().map(|h| (h, false));
        return Some(Probe::Http {
            path: http.path.clone().unwrap_or_else(|| "/".to_owned()),
            headers: added
                .chain(set)
                .map(|(h, appends)| (h.name, h.value, appends))
                .collect(),
            statuses: http.expected_statuses.clone().unwrap_or_default(),
        });
    }
    let tcp = conf.tcp.as_ref().filter(|tcp| tcp.disabled != Some(true))?;
    Some(Probe::Tcp {
        send: tcp.send.clone(),
        receive: tcp.receive.clone().unwrap_or_default(),
    })
}

fn check(conf: &MeshChecks, probe: Probe) -> HealthCheck {
    let get = |duration: &Option<Duration>| duration.as_ref().and_then(Duration::get);
    HealthCheck {
        probe,
        interval: get(&conf.interval).unwrap_or(StdDuration::from_mins(1)),
        timeout: get(&conf.timeout).unwrap_or(StdDuration::from_secs(15)),
        unhealthy: conf.unhealthy_threshold.unwrap_or(5),
        healthy: conf.healthy_threshold.unwrap_or(1),
        initial_jitter: get(&conf.initial_jitter),
        interval_jitter: get(&conf.interval_jitter),
        jitter_percent: conf.interval_jitter_percent.unwrap_or_default(),
        no_traffic_interval: get(&conf.no_traffic_interval),
        reuses_connections: conf.reuse_connection,
        logs_failures: conf.always_log_health_check_failures == Some(true),
        event_log: conf.event_log_path.clone(),
    }
}
