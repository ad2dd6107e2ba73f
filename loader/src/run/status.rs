//! What a running gateway can say about itself.

use std::fmt::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use envoy_types::pb::envoy::config::bootstrap::v3::Bootstrap;
use envoy_types::pb::envoy::config::core::v3::data_source::Specifier;
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::{Secret, secret::Type};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use x509_parser::pem::Pem;

use super::overview::{Served, kind, served, table};
use crate::model::Proxy;

/// The answer of `/status`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Status {
    /// `gateway`, `sidecar` or `zone egress`; `proxy` as long as that is not known.
    #[serde(default)]
    pub kind: String,
    /// The Dataplane, on Istio the workload.
    pub gateway: String,
    /// Its mesh; empty on Istio.
    pub mesh: String,
    /// Its namespace, on Istio only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The process of meshgate.
    pub pid: u32,
    /// The Envoy that it runs.
    pub envoy: EnvoyStatus,
    /// The configuration that is served.
    pub loaded: Loaded,
    /// The change that was not taken, until one is.
    pub refused: Option<Refused>,
    /// What has come of changes.
    pub reloads: Reloads,
}

/// An Envoy as its parent sees it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct EnvoyStatus {
    /// Its process, if there is one.
    pub pid: Option<i32>,
    /// Whether it takes connections.
    pub ready: bool,
    /// Whether it lets its connections end.
    pub draining: bool,
    /// How often it was started again after it had ended by itself.
    pub restarts: u64,
    /// Its admin interface.
    pub admin: String,
}

/// A configuration that Envoy has taken.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Loaded {
    /// The beginning of its SHA-256.
    pub hash: String,
    /// When it was loaded, RFC 3339.
    pub since: String,
    /// The same in seconds of the Unix epoch.
    pub since_seconds: i64,
    /// Whether it is one of an earlier run, because the resources could not be used when this one began.
    pub last_good: bool,
    /// What is served where; not known for one of an earlier run.
    pub listeners: Vec<Served>,
    /// The certificates that are served.
    pub certificates: Vec<CertificateStatus>,
}

/// A certificate.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CertificateStatus {
    /// Its name in the configuration.
    pub name: String,
    /// The end of its validity, RFC 3339.
    pub not_after: String,
    /// The same in seconds of the Unix epoch.
    pub not_after_seconds: i64,
}

/// A change that was not taken.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Refused {
    /// When, RFC 3339.
    pub at: String,
    /// Why, in a few words.
    pub why: String,
    /// All findings, as `meshgate validate --format json` prints them.
    pub findings: Value,
}

/// How many changes have come, by what came of them.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Reloads {
    /// Taken by Envoy.
    pub applied: u64,
    /// Nothing in them that Envoy would notice.
    pub unchanged: u64,
    /// Refused: by the checks of meshgate or by Envoy.
    pub refused: u64,
}

/// The status that the main thread writes and the endpoint reads.
#[derive(Clone, Debug, Default)]
pub(super) struct Shared(Arc<Mutex<Status>>);

impl Shared {
    /// A writer that panicked has left it whole enough to look at.
    pub(super) fn lock(&self) -> MutexGuard<'_, Status> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is shown of a configuration as soon as Envoy has taken it.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) kind: &'static str,
    pub(super) loaded: Loaded,
}

impl Shown {
    pub(super) fn new(
        hash: String,
        proxy: Option<&Proxy>,
        certificates: Vec<CertificateStatus>,
    ) -> Self {
        let loaded = Loaded {
            hash,
            last_good: proxy.is_none(),
            listeners: proxy.map(served).unwrap_or_default(),
            certificates,
            ..Loaded::default()
        };
        let kind = proxy.map_or("proxy", kind);
        Self { kind, loaded }
    }
}

impl Status {
    /// Shows the configuration that has just been taken.
    pub(super) fn show(&mut self, shown: &Shown) {
        let (since, since_seconds) = now();
        shown.kind.clone_into(&mut self.kind);
        self.loaded = Loaded {
            since,
            since_seconds,
            ..shown.loaded.clone()
        };
    }
}

/// The certificates that are served.
pub(super) fn certificates(bootstrap: &Bootstrap) -> Vec<CertificateStatus> {
    let secrets = bootstrap.static_resources.iter().flat_map(|r| &r.secrets);
    secrets.filter_map(certificate).collect()
}

fn certificate(secret: &Secret) -> Option<CertificateStatus> {
    let Some(Type::TlsCertificate(pair)) = &secret.r#type else {
        return None;
    };
    let Some(Specifier::InlineString(pem)) = &pair.certificate_chain.as_ref()?.specifier else {
        return None;
    };
    let first = Pem::iter_from_buffer(pem.as_bytes()).next()?.ok()?;
    let end = first.parse_x509().ok()?.validity().not_after;
    Some(CertificateStatus {
        name: secret.name.clone(),
        not_after: written(end.to_datetime()),
        not_after_seconds: end.timestamp(),
    })
}

/// The time, as RFC 3339 and in seconds of the Unix epoch.
pub(super) fn now() -> (String, i64) {
    let now = OffsetDateTime::now_utc();
    (written(now), now.unix_timestamp())
}

fn written(time: OffsetDateTime) -> String {
    let time = time.replace_nanosecond(0).unwrap_or(time);
    time.format(&Rfc3339).unwrap_or_default()
}

/// For a terminal.
impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => writeln!(f, "{} {namespace}/{}", self.kind, self.gateway)?,
            None if self.mesh.is_empty() => writeln!(f, "{} {}", self.kind, self.gateway)?,
            None => writeln!(f, "{} {} (mesh {})", self.kind, self.gateway, self.mesh)?,
        }
        let envoy = &self.envoy;
        let state = match (envoy.pid, envoy.ready, envoy.draining) {
            (None, ..) => "not running".to_owned(),
            (Some(pid), _, true) => format!("process {pid}, draining"),
            (Some(pid), true, _) => format!("process {pid}, ready"),
            (Some(pid), ..) => format!("process {pid}, starting"),
        };
        writeln!(
            f,
            "  envoy     {state}, {} restarts, admin http://{}",
            envoy.restarts, envoy.admin
        )?;
        let earlier = if self.loaded.last_good {
            ", the last good one of an earlier run"
        } else {
            ""
        };
        writeln!(
            f,
            "  loaded    {} since {}{earlier}",
            self.loaded.hash, self.loaded.since
        )?;
        let reloads = &self.reloads;
        writeln!(
            f,
            "  reloads   {} applied, {} without effect, {} refused",
            reloads.applied, reloads.unchanged, reloads.refused
        )?;
        for line in table(&self.loaded.listeners, |one| {
            format!("{}:{}", one.file, one.line)
        }) {
            f.write_str(&line)?;
        }
        for one in &self.loaded.certificates {
            writeln!(f, "  certificate {} until {}", one.name, one.not_after)?;
        }
        match &self.refused {
            None => f.write_str("  the resources are served as they are"),
            Some(refused) => {
                writeln!(f, "  NOT SERVED: the change of {}", refused.at)?;
                f.write_str(&indented(&refused.why))
            }
        }
    }
}

fn indented(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "    {line}");
    }
    out.trim_end().to_owned()
}
