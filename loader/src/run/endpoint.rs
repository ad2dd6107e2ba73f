//! The HTTP endpoint: `/healthz`, `/readyz`, `/status`, and `/metrics` for Prometheus.
//!
//! It has no access control and tells what is served from which file: a loopback address is the place for it.

use std::fmt::Write;
use std::net::SocketAddr;
use std::thread;

use anyhow::anyhow;
use tiny_http::{Header, Method, Request, Response, Server};

use super::admin::Admin;
use super::status::{Shared, Status};

const TEXT: &str = "text/plain; charset=utf-8";
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";
const JSON: &str = "application/json";

/// Answers on `address` until the process ends, in a thread of its own: a reload takes seconds, and whether the gateway
/// lives may be asked meanwhile. The address that it got.
pub(super) fn serve(
    address: SocketAddr,
    status: Shared,
    admin: Admin,
) -> anyhow::Result<SocketAddr> {
    let server = Server::http(address).map_err(|error| {
        anyhow!("could not listen on {address} for the status endpoint: {error}; choose another address with --status")
    })?;
    let own = server.server_addr().to_ip().unwrap_or(address);
    thread::spawn(move || {
        for request in server.incoming_requests() {
            answer(request, &status, &admin);
        }
    });
    Ok(own)
}

fn answer(request: Request, status: &Shared, admin: &Admin) {
    let path = request.url().split('?').next().unwrap_or_default();
    let status = status.lock().clone();
    let (code, kind, body) = match (request.method(), path) {
        (Method::Get | Method::Head, "/healthz") => (200, TEXT, "meshgate is alive\n".to_owned()),
        (Method::Get | Method::Head, "/readyz") => readiness(&status),
        (Method::Get | Method::Head, "/status") => {
            let json = serde_json::to_string_pretty(&status).unwrap_or_default();
            (200, JSON, json + "\n")
        }
        (Method::Get | Method::Head, "/metrics") => {
            let envoy = admin.get("stats/prometheus").unwrap_or_default();
            (200, METRICS, own_metrics(&status) + &envoy)
        }
        (Method::Get | Method::Head, _) => {
            let paths = "there are /healthz, /readyz, /metrics and /status\n";
            (404, TEXT, paths.to_owned())
        }
        _ => (405, TEXT, "only GET\n".to_owned()),
    };
    let mut response = Response::from_string(body).with_status_code(code);
    if let Ok(header) = Header::from_bytes("content-type", kind) {
        response.add_header(header);
    }
    // The client has gone.
    let _ = request.respond(response);
}

fn readiness(status: &Status) -> (u16, &'static str, String) {
    let envoy = &status.envoy;
    match (envoy.ready, envoy.draining) {
        (true, false) => (200, TEXT, "ready\n".to_owned()),
        (_, true) => (503, TEXT, "draining\n".to_owned()),
        (false, false) => (503, TEXT, "Envoy does not take connections\n".to_owned()),
    }
}

/// The metrics of meshgate itself. What was refused stays visible in `meshgate_reload_last_ok` until it is mended.
fn own_metrics(status: &Status) -> String {
    let mut out = String::new();
    let mut metric = |name: &str, kind: &str, help: &str, values: &[(String, i128)]| {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (labels, value) in values {
            let _ = writeln!(out, "{name}{labels} {value}");
        }
    };
    let label = |name: &str, value: &str| format!("{{{name}=\"{}\"}}", escaped(value));
    let reloads = &status.reloads;
    let by_result = [
        ("applied", reloads.applied),
        ("unchanged", reloads.unchanged),
        ("refused", reloads.refused),
    ];
    metric(
        "meshgate_reloads_total",
        "counter",
        "Changes of the resources by what came of them.",
        &by_result.map(|(result, count)| (label("result", result), count.into())),
    );
    let plain = |value: i128| [(String::new(), value)];
    metric(
        "meshgate_reload_last_ok",
        "gauge",
        "1 if the resources are served as they are, 0 if the last change was refused.",
        &plain(i128::from(status.refused.is_none())),
    );
    metric(
        "meshgate_reload_last_success_timestamp_seconds",
        "gauge",
        "When the configuration that is served was loaded.",
        &plain(status.loaded.since_seconds.into()),
    );
    metric(
        "meshgate_config_info",
        "gauge",
        "The hash of the configuration that is served.",
        &[(label("hash", &status.loaded.hash), 1)],
    );
    metric(
        "meshgate_config_is_last_good",
        "gauge",
        "1 if an earlier run's configuration is served, because the resources could not be used.",
        &plain(i128::from(status.loaded.last_good)),
    );
    let certificates = status.loaded.certificates.iter();
    let ends: Vec<_> = certificates
        .map(|c| (label("name", &c.name), c.not_after_seconds.into()))
        .collect();
    metric(
        "meshgate_certificate_not_after_timestamp_seconds",
        "gauge",
        "The end of a certificate's validity.",
        &ends,
    );
    metric(
        "meshgate_envoy_restarts_total",
        "counter",
        "How often Envoy was started again after it had ended by itself.",
        &plain(status.envoy.restarts.into()),
    );
    metric(
        "meshgate_envoy_ready",
        "gauge",
        "Whether Envoy takes connections.",
        &plain(i128::from(status.envoy.ready)),
    );
    out
}

/// <https://prometheus.io/docs/instrumenting/exposition_formats/>
fn escaped(value: &str) -> String {
    let value = value.replace('\\', "\\\\").replace('"', "\\\"");
    value.replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_labels_are_escaped() {
        assert_eq!(escaped("a\"b\\c\nd"), "a\\\"b\\\\c\\nd");
    }

    #[test]
    fn a_refused_change_shows() {
        let mut status = Status::default();
        assert!(own_metrics(&status).contains("meshgate_reload_last_ok 1\n"));
        status.refused = Some(super::super::status::Refused {
            at: String::new(),
            why: String::new(),
            findings: serde_json::Value::Null,
        });
        assert!(own_metrics(&status).contains("meshgate_reload_last_ok 0\n"));
    }
}
