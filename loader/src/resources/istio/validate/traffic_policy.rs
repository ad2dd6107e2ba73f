//! `validateTrafficPolicy`.

use std::collections::BTreeSet;

use crate::resources::Duration;
use crate::resources::istio::traffic_policy::{
    ClientTls, ClientTlsMode, ConnectionPool, ConsistentHash, H2Upgrade, HttpSettings,
    LoadBalancer, OutlierDetection, TcpSettings, TrafficPolicy, Tunnel,
};
use crate::resources::report::Report;
use crate::source::Path;

use super::virtual_service::deprecated;
use super::{duration, locality, names, only_one, percent, unchecked_duration};

pub(super) fn check(report: &mut Report<'_>, path: &Path, policy: &TrafficPolicy) {
    let is_empty = policy.outlier_detection.is_none()
        && policy.connection_pool.is_none()
        && policy.load_balancer.is_none()
        && policy.tls.is_none()
        && policy.port_level_settings.is_empty()
        && policy.tunnel.is_none()
        && policy.proxy_protocol.is_none()
        && policy.retry_budget.is_none();
    if is_empty {
        return report.violation(path, "traffic policy must have at least one field");
    }
    if policy.tunnel.is_some() && policy.proxy_protocol.is_some() {
        let text = "tunnel and proxyProtocol must not be set together";
        return report.violation(path, text);
    }
    let outliers = policy.outlier_detection.as_ref();
    parts(
        report,
        path,
        outliers,
        policy.connection_pool.as_ref(),
        policy.load_balancer.as_ref(),
        policy.tls.as_ref(),
    );
    for (index, entry) in policy.port_level_settings.iter().enumerate() {
        let path = path.field("portLevelSettings").index(index);
        if entry.port.is_none() {
            let text = "portTrafficPolicy must have valid port";
            report.violation(&path.field("port"), text);
        }
        let is_empty = entry.outlier_detection.is_none()
            && entry.connection_pool.is_none()
            && entry.load_balancer.is_none()
            && entry.tls.is_none();
        if is_empty {
            report.violation(&path, "port traffic policy must have at least one field");
        }
        report.errors_only(|report| {
            parts(
                report,
                &path,
                entry.outlier_detection.as_ref(),
                entry.connection_pool.as_ref(),
                entry.load_balancer.as_ref(),
                entry.tls.as_ref(),
            );
        });
    }
    if let Some(value) = &policy.tunnel {
        tunnel(report, &path.field("tunnel"), value);
    }
    if let Some(budget) = &policy.retry_budget {
        let path = path.field("retryBudget").field("budgetInterval");
        unchecked_duration(report, &path, budget.budget_interval.as_ref());
    }
}

/// What a policy and an entry for a port have in common.
fn parts(
    report: &mut Report<'_>,
    path: &Path,
    outliers: Option<&OutlierDetection>,
    pool: Option<&ConnectionPool>,
    balancer: Option<&LoadBalancer>,
    tls: Option<&ClientTls>,
) {
    if let Some(value) = outliers {
        outlier_detection(report, &path.field("outlierDetection"), value);
    }
    if let Some(value) = pool {
        connection_pool(report, &path.field("connectionPool"), value);
    }
    if let Some(value) = balancer {
        let has_outliers = outliers.is_some();
        load_balancer(report, &path.field("loadBalancer"), value, has_outliers);
    }
    if let Some(value) = tls {
        client_tls(report, &path.field("tls"), value);
    }
}

fn tunnel(report: &mut Report<'_>, path: &Path, tunnel: &Tunnel) {
    if !matches!(tunnel.protocol.as_str(), "" | "CONNECT" | "POST") {
        let text = r#"tunnel protocol must be "CONNECT" or "POST""#;
        report.violation(&path.field("protocol"), text);
    }
    if let (Err(name), Err(address)) = (
        names::fqdn(&tunnel.target_host),
        names::ip(&tunnel.target_host),
    ) {
        let text =
            format!("tunnel target host must be valid FQDN or IP address: {name}; {address}");
        report.violation(&path.field("targetHost"), text);
    }
    if !(1..=65535).contains(&tunnel.target_port) {
        let text = format!(
            "tunnel target port is invalid: port number {} must be in the range 1..65535",
            tunnel.target_port
        );
        report.violation(&path.field("targetPort"), text);
    }
}

fn outlier_detection(report: &mut Report<'_>, path: &Path, outliers: &OutlierDetection) {
    let time = outliers.base_ejection_time.as_ref();
    duration(report, &path.field("baseEjectionTime"), time);
    if outliers.consecutive_errors != 0 {
        deprecated(
            report,
            &path.field("consecutiveErrors"),
            "outlier detection consecutive errors is deprecated, use consecutiveGatewayErrors or consecutive5xxErrors \
             instead",
        );
    }
    let local = outliers.consecutive_local_origin_failures.unwrap_or(0);
    if !outliers.split_external_local_origin_errors && local > 0 {
        report.advise(
            &path.field("consecutiveLocalOriginFailures"),
            "outlier detection consecutive local origin failures is specified, but split external local origin errors \
             is set to false",
            "add `splitExternalLocalOriginErrors: true`",
        );
    }
    duration(report, &path.field("interval"), outliers.interval.as_ref());
    for (field, value) in [
        ("maxEjectionPercent", outliers.max_ejection_percent),
        ("minHealthPercent", outliers.min_health_percent),
    ] {
        percent(report, &path.field(field), value);
    }
}

fn connection_pool(report: &mut Report<'_>, path: &Path, pool: &ConnectionPool) {
    if pool.http.is_none() && pool.tcp.is_none() {
        let text = "connection pool must have at least one field";
        report.violation(path, text);
    }
    if let Some(http) = &pool.http {
        http_settings(report, &path.field("http"), http);
    }
    if let Some(tcp) = &pool.tcp {
        tcp_settings(report, &path.field("tcp"), tcp);
    }
}

fn http_settings(report: &mut Report<'_>, path: &Path, http: &HttpSettings) {
    for (value, field, noun) in [
        (
            http.http1_max_pending_requests,
            "http1MaxPendingRequests",
            "http1 max pending requests",
        ),
        (
            http.http2_max_requests,
            "http2MaxRequests",
            "http2 max requests",
        ),
        (
            http.max_requests_per_connection,
            "maxRequestsPerConnection",
            "max requests per connection",
        ),
        (http.max_retries, "maxRetries", "max retries"),
        (
            http.max_concurrent_streams,
            "maxConcurrentStreams",
            "max concurrent streams",
        ),
    ] {
        if value < 0 {
            report.violation(&path.field(field), format!("{noun} must be non-negative"));
        }
    }
    duration(
        report,
        &path.field("idleTimeout"),
        http.idle_timeout.as_ref(),
    );
    if http.h2_upgrade_policy == H2Upgrade::Upgrade && http.use_client_protocol {
        let text = "use client protocol must not be true when H2UpgradePolicy is UPGRADE";
        report.violation(&path.field("useClientProtocol"), text);
    }
    if let Some(pings) = &http.http2_keep_alive {
        let path = path.field("http2KeepAlive");
        for (field, value) in [("interval", &pings.interval), ("timeout", &pings.timeout)] {
            let path = path.field(field);
            if value.is_none() {
                report.violation(&path, format!("http2 keepalive {field} is required"));
            }
            duration(report, &path, value.as_ref());
        }
    }
}

fn tcp_settings(report: &mut Report<'_>, path: &Path, tcp: &TcpSettings) {
    if tcp.max_connections < 0 {
        let text = "max connections must be non-negative";
        report.violation(&path.field("maxConnections"), text);
    }
    // Less than a millisecond switches it off.
    let idle = tcp.idle_timeout.as_ref();
    let is_off = |time: &&Duration| time.get().is_some_and(|time| time.as_millis() == 0);
    for (field, value) in [
        ("connectTimeout", tcp.connect_timeout.as_ref()),
        (
            "maxConnectionDuration",
            tcp.max_connection_duration.as_ref(),
        ),
        ("idleTimeout", idle.filter(|time| !is_off(time))),
    ] {
        duration(report, &path.field(field), value);
    }
    if let Some(probes) = &tcp.tcp_keepalive {
        let path = path.field("tcpKeepalive");
        duration(report, &path.field("time"), probes.time.as_ref());
        duration(report, &path.field("interval"), probes.interval.as_ref());
    }
}

fn load_balancer(report: &mut Report<'_>, path: &Path, value: &LoadBalancer, has_outliers: bool) {
    if value.simple.is_some() && value.consistent_hash.is_some() {
        only_one(report, path, &["simple", "consistentHash"]);
    }
    if let Some(hash) = &value.consistent_hash {
        consistent_hash(report, &path.field("consistentHash"), hash);
    }
    if value.locality_lb_setting.is_some() && value.zone_aware_lb_setting.is_some() {
        let text = "only one of localityLbSetting and zoneAwareLbSetting can be set";
        report.violation(path, text);
    }
    if let Some(setting) = &value.locality_lb_setting {
        let path = path.field("localityLbSetting");
        locality::near(report, &path, setting, has_outliers);
    }
    if let Some(setting) = &value.zone_aware_lb_setting {
        let path = path.field("zoneAwareLbSetting");
        locality::zones(report, &path, setting, has_outliers);
    }
    let older = value.warmup_duration_secs.as_ref();
    unchecked_duration(report, &path.field("warmupDurationSecs"), older);
    let Some(warmup) = &value.warmup else {
        return;
    };
    let path = path.field("warmup");
    let time = path.field("duration");
    if warmup.duration.is_none() {
        report.violation(&time, "duration is required");
    }
    duration(report, &time, warmup.duration.as_ref());
    if warmup
        .minimum_percent
        .is_some_and(|percent| percent > 100.0)
    {
        let text = "minimumPercent value should be less than or equal to 100";
        report.violation(&path.field("minimumPercent"), text);
    }
    if warmup.aggression.is_some_and(|steep| steep <= 0.0) {
        let text = "aggression should be greater than 0";
        report.violation(&path.field("aggression"), text);
    }
}

fn consistent_hash(report: &mut Report<'_>, path: &Path, hash: &ConsistentHash) {
    if let Some(cookie) = &hash.http_cookie {
        let path = path.field("httpCookie");
        if cookie.name.is_empty() {
            report.violation(&path.field("name"), "name required for HttpCookie");
        }
        let ttl = cookie.ttl.as_ref().filter(|ttl| !is_zero(ttl));
        unchecked_duration(report, &path.field("ttl"), ttl);
        let mut seen = BTreeSet::new();
        for (index, attribute) in cookie.attributes.iter().enumerate() {
            let path = path.field("attributes").index(index).field("name");
            if attribute.name.is_empty() {
                report.violation(&path, "cookie attribute name cannot be empty");
            } else if !seen.insert(&attribute.name) {
                let text = format!("duplicate cookie attribute name: {}", attribute.name);
                report.violation(&path, text);
            }
        }
    }
    let ring = path.field("minimumRingSize");
    if hash.minimum_ring_size != 0 {
        let text = "consistent hash MinimumRingSize is deprecated, use ConsistentHashLB's RingHash configuration instead";
        deprecated(report, &ring, text);
        if hash.ring_hash.is_some() || hash.maglev.is_some() {
            let text = "only one of MinimumRingSize or Maglev/Ringhash can be specified";
            report.violation(&ring, text);
        }
    }
    let Some(maglev) = &hash.maglev else {
        return;
    };
    let path = path.field("maglev").field("tableSize");
    if maglev.table_size == 0 {
        report.violation(&path, "tableSize must be set for maglev");
    }
    if maglev.table_size >= 5_000_011 {
        report.violation(&path, "tableSize must be less than 5000011 for maglev");
    }
    if is_composite(maglev.table_size) {
        let text = "tableSize must be a prime number for maglev";
        report.advise(&path, text, "write `tableSize: 65537`");
    }
}

/// A cookie of 0 s lives as long as the browser.
fn is_zero(time: &Duration) -> bool {
    time.get().is_some_and(|time| time.is_zero())
}

/// Whether no prime, as far as small factors show: those of each number that is not too large anyway.
fn is_composite(number: u64) -> bool {
    let mut factors = (2..10_000_u64).take_while(|factor| factor * factor <= number);
    number == 0 || factors.any(|factor| number.is_multiple_of(factor))
}

/// `ValidateTLS`.
fn client_tls(report: &mut Report<'_>, path: &Path, tls: &ClientTls) {
    let credential = path.field("credentialName");
    if let Some(name) = tls.credential_name.strip_prefix("configmap://") {
        let own = report.meta().namespace();
        match name.split_once('/') {
            Some((namespace, _)) if namespace == own => {}
            Some(_) => {
                let text = format!(
                    "invalid configmap:// credentialName: namespace must match the configuration namespace {own:?}"
                );
                report.violation(&credential, text);
            }
            None => {
                let text = "invalid configmap:// credentialName: a namespace and a name are wanted";
                report.advise(
                    &credential,
                    text,
                    format!("write `configmap://{own}/{name}`"),
                );
            }
        }
    }
    let is_simple = tls.mode == ClientTlsMode::Simple;
    let is_mutual = tls.mode == ClientTlsMode::Mutual;
    if tls.insecure_skip_verify == Some(true) {
        let has_more = !tls.ca_certificates.is_empty() || !tls.subject_alt_names.is_empty();
        let path = path.field("insecureSkipVerify");
        if is_simple && (has_more || !tls.credential_name.is_empty()) {
            let text = "cannot specify CaCertificates or CredentialName or SubjectAltNames when InsecureSkipVerify is set true";
            report.violation(&path, text);
        }
        if is_mutual && has_more {
            let text = "cannot specify CaCertificates or SubjectAltNames when InsecureSkipVerify is set true";
            report.violation(&path, text);
        }
    }
    if (is_simple || is_mutual) && !tls.credential_name.is_empty() {
        let files = [
            &tls.client_certificate,
            &tls.ca_certificates,
            &tls.private_key,
            &tls.ca_crl,
        ];
        if files.iter().any(|file| !file.is_empty()) {
            let text = "cannot specify client certificates or CA certificate or CA CRL If credentialName is set";
            report.violation(&credential, text);
        }
        return;
    }
    if is_mutual && tls.client_certificate.is_empty() {
        let text = "client certificate required for mutual tls";
        report.violation(&path.field("clientCertificate"), text);
    }
    if is_mutual && tls.private_key.is_empty() {
        let text = "private key required for mutual tls";
        report.violation(&path.field("privateKey"), text);
    }
}
