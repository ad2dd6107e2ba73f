//! `MeshGateway` (Kuma `pkg/core/resources/apis/mesh/gateway_validator.go` at 2.14.3).

use std::collections::{BTreeMap, BTreeSet};

use crate::diagnostic::{Code, Diagnostic};
use crate::resources::kuma::mesh_gateway::{Listener, MeshGateway, Protocol, Tls, TlsMode};
use crate::resources::report::{Report, Validate};
use crate::source::Path;

use super::{is_domain, port, tags};

impl Validate for MeshGateway {
    fn validate(&self, report: &mut Report<'_>) {
        let listeners = self.listeners();
        let only_one = listeners.iter().any(|listener| listener.cross_mesh);
        tags::selectors(report, &self.selectors, only_one);
        tags::additional(report, &Path::of("tags"), &self.tags);
        if self.conf.is_none() {
            return report.violation(&Path::of("conf"), "cannot be empty");
        }
        let path = Path::of("conf.listeners");
        if listeners.is_empty() {
            report.violation(&path, "cannot be empty");
        }
        for (index, entry) in listeners.iter().enumerate() {
            listener(report, &path.index(index), entry);
        }
        together(report, &path, listeners);
    }

    fn pitfalls(&self, report: &mut Report<'_>) {
        let path = Path::of("conf.listeners");
        for (index, listener) in self.listeners().iter().enumerate() {
            alone(report, &path.index(index), listener);
        }
        for indexes in by_port(self.listeners()).values() {
            on_one_port(report, &path, self.listeners(), indexes);
        }
    }
}

impl MeshGateway {
    fn listeners(&self) -> &[Listener] {
        self.conf.as_ref().map_or(&[], |conf| &conf.listeners)
    }
}

fn listener(report: &mut Report<'_>, path: &Path, listener: &Listener) {
    hostname(report, &path.field("hostname"), &listener.hostname);
    port(report, &path.field("port"), listener.port);
    let protocol = path.field("protocol");
    let tls = path.field("tls");
    match (listener.protocol, &listener.tls) {
        (Protocol::None, _) => {
            report.advise(
                &protocol,
                "cannot be empty",
                "write one of HTTP, HTTPS, TCP, TLS",
            );
        }
        (Protocol::Https, _) if listener.cross_mesh => {
            report.violation(&protocol, "protocol is not supported with crossMesh");
        }
        (Protocol::Https, None) => report.violation(&tls, "cannot be empty"),
        (Protocol::Https, Some(conf)) if conf.mode == TlsMode::Passthrough => {
            report.violation(
                &tls.field("mode"),
                "mode is not supported on HTTPS listeners",
            );
        }
        _ => {}
    }
    match &listener.tls {
        Some(conf) if !listener.cross_mesh => termination(report, &tls, conf),
        Some(conf) if conf.mode != TlsMode::None || !conf.certificates.is_empty() => {
            report.violation(&tls, "must be empty with crossMesh");
        }
        _ => {}
    }
    tags::additional(report, &path.field("tags"), &listener.tags);
}

fn termination(report: &mut Report<'_>, path: &Path, tls: &Tls) {
    let certificates = path.field("certificates");
    match (tls.mode, tls.certificates.len()) {
        (TlsMode::None, _) => {
            report.advise(
                &path.field("mode"),
                "cannot be empty",
                "write `mode: TERMINATE`",
            );
        }
        (TlsMode::Terminate, 0) => {
            report.violation(&certificates, "cannot be empty in TLS termination mode");
        }
        (TlsMode::Terminate, 3..) => {
            report.advise(
                &certificates,
                "cannot have more than 2 certificates",
                "one with an RSA key and one with an ECDSA key",
            );
        }
        _ => {}
    }
}

/// `ValidateHostname`.
fn hostname(report: &mut Report<'_>, path: &Path, hostname: &str) {
    if matches!(hostname, "" | "*") {
        return;
    }
    if hostname.len() > 253 {
        report.violation(path, "must be at most 253 characters");
    }
    let (domain, text) = match hostname.strip_prefix("*.") {
        Some(domain) => (domain, "invalid wildcard domain"),
        None => (hostname, "invalid hostname"),
    };
    if is_domain(domain) {
        return;
    }
    let lower = domain.to_ascii_lowercase();
    let trimmed = lower.trim_end_matches('.');
    if is_domain(trimmed) {
        let better = hostname.replace(domain, trimmed);
        report.advise(path, text, format!("write `{better}`"));
    } else {
        report.violation(path, text);
    }
}

/// `validateListenerCollapsibility`.
fn together(report: &mut Report<'_>, path: &Path, listeners: &[Listener]) {
    let mut messages = BTreeSet::new();
    for indexes in by_port(listeners).values() {
        // What was already named as wrong is in conflict with nothing.
        let read = |field: &str| {
            indexes
                .iter()
                .copied()
                .filter(|index| !report.is_named(&path.index(*index).field(field)))
                .collect::<Vec<_>>()
        };
        let protocols = read("protocol");
        if !all_equal(protocols.iter().map(|i| listeners[*i].protocol)) {
            for index in protocols {
                messages.insert((
                    index,
                    "",
                    "protocol conflicts with other listeners on this port",
                ));
            }
        }
        let mut hostnames: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for index in read("hostname") {
            let hostname = match listeners[index].hostname.as_str() {
                "" => "*",
                hostname => hostname,
            };
            hostnames.entry(hostname).or_default().push(index);
        }
        for same in hostnames.values().filter(|same| same.len() > 1) {
            for index in same {
                messages.insert((*index, "", "multiple listeners for hostname on this port"));
            }
        }
        let limited: Vec<_> = read("resources")
            .into_iter()
            .filter(|index| limit(&listeners[*index]) != 0)
            .collect();
        if !all_equal(limited.iter().map(|index| limit(&listeners[*index]))) {
            for index in limited {
                messages.insert((
                    index,
                    "resources.connectionLimit",
                    "conflicting values for this port",
                ));
            }
        }
    }
    for (index, field, text) in messages {
        let place = match field {
            "" => path.index(index),
            _ => path.index(index).join(&Path::of(field)),
        };
        report.violation(&place, text);
    }
}

/// A certificate is in one place.
fn sources(report: &mut Report<'_>, path: &Path, tls: &Tls) {
    for (index, source) in tls.certificates.iter().enumerate() {
        let given = [
            source.secret.is_some(),
            source.file.is_some(),
            source.inline.is_some(),
            source.inline_string.is_some(),
        ];
        if given.into_iter().filter(|is_given| *is_given).count() != 1 {
            report.say(
                &path.field("certificates").index(index),
                Diagnostic::error(
                    Code::InvalidCertificate,
                    "a certificate is in exactly one of `secret`, `file`, `inline` and `inlineString`",
                ),
            );
        }
    }
}

/// Kuma accepts it and then cannot serve it as it reads (`pkg/plugins/runtime/gateway/generator.go` at 2.14.3).
fn alone(report: &mut Report<'_>, path: &Path, listener: &Listener) {
    if let Some(tls) = &listener.tls {
        sources(report, &path.field("tls"), tls);
    }
    if listener.protocol == Protocol::Tls && listener.tls.is_none() {
        report.say(
            &path.field("protocol"),
            Diagnostic::error(Code::TlsWithoutTls, "a TLS listener needs `tls`")
                .help("add `tls: {mode: PASSTHROUGH}`, or `mode: TERMINATE` with certificates"),
        );
    }
    if listener.cross_mesh && matches!(listener.protocol, Protocol::Tcp | Protocol::Tls) {
        report.say(
            &path.field("protocol"),
            Diagnostic::error(
                Code::CrossMeshProtocol,
                "cross-mesh listeners speak HTTP only; Kuma would serve HTTP here",
            )
            .help("write `protocol: HTTP`"),
        );
    }
    if listener.protocol == Protocol::Tcp && !matches!(listener.hostname.as_str(), "" | "*") {
        report.say(
            &path.field("hostname"),
            Diagnostic::warning(
                Code::HostnameOnTcp,
                "a hostname means nothing on a TCP listener: it takes every connection to the port",
            )
            .help("remove it"),
        );
    }
}

fn on_one_port(report: &mut Report<'_>, path: &Path, listeners: &[Listener], indexes: &[usize]) {
    if !all_equal(indexes.iter().map(|index| listeners[*index].cross_mesh)) {
        let first = listeners[indexes[0]].cross_mesh;
        for index in indexes
            .iter()
            .filter(|i| listeners[**i].cross_mesh != first)
        {
            report.say(
                &path.index(*index),
                Diagnostic::error(
                    Code::MixedCrossMesh,
                    "cross-mesh and other listeners cannot share a port",
                )
                .help("give it another port"),
            );
        }
    }
    if limit(&listeners[indexes[0]]) == 0 {
        for index in indexes
            .iter()
            .filter(|index| limit(&listeners[**index]) != 0)
        {
            report.say(
                &path
                    .index(*index)
                    .join(&Path::of("resources.connectionLimit")),
                Diagnostic::warning(
                    Code::IgnoredConnectionLimit,
                    "Kuma ignores it: it reads the limit of a port's first listener only",
                )
                .help("write the limit on the first listener of the port too"),
            );
        }
    }
}

fn limit(listener: &Listener) -> u32 {
    listener
        .resources
        .as_ref()
        .map_or(0, |resources| resources.connection_limit)
}

fn by_port(listeners: &[Listener]) -> BTreeMap<u32, Vec<usize>> {
    let mut ports: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (index, listener) in listeners.iter().enumerate() {
        ports.entry(listener.port).or_default().push(index);
    }
    ports
}

fn all_equal<T: PartialEq>(mut values: impl Iterator<Item = T>) -> bool {
    let first = values.next();
    values.all(|value| Some(&value) == first.as_ref())
}
