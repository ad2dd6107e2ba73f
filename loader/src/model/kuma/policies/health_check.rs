//! `HealthCheck` and `MeshHealthCheck`.

use std::time::Duration as StdDuration;

use ::policy::Tags;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::select::{Policies, To};
use crate::model::policy::{ClusterPolicy, HealthCheck, Probe};
use crate::resources::kuma::health_check::{Checks, LegacyHeader};
use crate::resources::kuma::mesh_health_check::MeshChecks;
use crate::resources::kuma::policy::{Duration, Fraction};

pub(super) fn cluster(
    policies: &Policies<'_>,
    to: To<'_>,
    destination: &Tags,
    is_grpc: bool,
    policy: &mut ClusterPolicy,
) {
    if let Some(older) = policies.connection(&policies.resources.health_checks, destination) {
        let conf = &older.spec.conf;
        policy.panic_threshold = conf.healthy_panic_threshold.or(policy.panic_threshold);
        policy.fails_on_panic = conf.fail_traffic_on_panic;
        policy.health_check = legacy(conf);
    }
    let all = &policies.resources.mesh_health_checks;
    let Some(conf) = policies.outbound(all, to) else {
        return;
    };
    let threshold = conf
        .healthy_panic_threshold
        .as_ref()
        .and_then(Fraction::get);
    policy.panic_threshold = threshold.or(policy.panic_threshold);
    policy.fails_on_panic = conf.fail_traffic_on_panic.unwrap_or(policy.fails_on_panic);
    // Envoy takes one check.
    let newer = probe(&conf, is_grpc).map(|probe| check(&conf, probe));
    policy.health_check = newer.or(policy.health_check.take());
}

/// Calls or requests, or connections where those are not wanted (`selectHealthCheckType` in
/// `pkg/plugins/policies/meshhealthcheck/plugin/xds/configurer.go` at 2.14.3).
fn probe(conf: &MeshChecks, is_grpc: bool) -> Option<Probe> {
    let grpc = conf
        .grpc
        .as_ref()
        .filter(|grpc| grpc.disabled != Some(true));
    if let (true, Some(grpc)) = (is_grpc, grpc) {
        return Some(Probe::Grpc {
            service: grpc.service_name.clone().unwrap_or_default(),
            authority: grpc.authority.clone().unwrap_or_default(),
        });
    }
    let http = conf
        .http
        .as_ref()
        .filter(|http| http.disabled != Some(true));
    if let (false, Some(http)) = (is_grpc, http) {
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
    let bytes = |text: &String| text.clone().into_bytes();
    Some(Probe::Tcp {
        send: tcp.send.as_ref().map(bytes),
        receive: tcp.receive.iter().flatten().map(bytes).collect(),
    })
}

/// Requests, or connections where there are none (`pkg/xds/envoy/clusters/v3/health_check_configurer.go` at 2.14.3).
fn legacy(conf: &Checks) -> Option<HealthCheck> {
    let get = |duration: &Option<Duration>| duration.as_ref().and_then(Duration::get);
    let header = |header: &LegacyHeader| {
        let pair = header.header.clone().unwrap_or_default();
        (pair.key, pair.value, header.append.unwrap_or(true))
    };
    let bytes = |text: &String| STANDARD.decode(text).unwrap_or_default();
    let probe = match (&conf.http, &conf.tcp) {
        (Some(http), _) => Probe::Http {
            path: http.path.clone(),
            headers: http.request_headers_to_add.iter().map(header).collect(),
            statuses: http.expected_statuses.clone(),
        },
        (None, tcp) => {
            let tcp = tcp.clone().unwrap_or_default();
            Probe::Tcp {
                send: tcp.send.as_ref().map(bytes),
                receive: tcp.receive.iter().map(bytes).collect(),
            }
        }
    };
    Some(HealthCheck {
        probe,
        interval: get(&conf.interval)?,
        timeout: get(&conf.timeout)?,
        unhealthy: conf.unhealthy_threshold,
        healthy: conf.healthy_threshold,
        initial_jitter: get(&conf.initial_jitter),
        interval_jitter: get(&conf.interval_jitter),
        jitter_percent: conf.interval_jitter_percent,
        no_traffic_interval: get(&conf.no_traffic_interval),
        reuses_connections: conf.reuse_connection,
        logs_failures: conf.always_log_health_check_failures,
        event_log: Some(conf.event_log_path.clone()).filter(|path| !path.is_empty()),
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
