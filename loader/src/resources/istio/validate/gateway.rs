//! `ValidateGateway`.

use std::collections::BTreeSet;

use crate::diagnostic::Code;
use crate::resources::istio::gateway::{Gateway, Port, Protocol, Server};
use crate::resources::report::{Report, Validate};
use crate::source::Path;

use super::{names, port, server_tls, tls_effects, warn};

impl Validate for Gateway {
    fn validate(&self, report: &mut Report<'_>) {
        let name = report.meta().name.clone();
        if !names::is_label(&name) && !name.is_empty() {
            report.about_name(&format!(
                "invalid gateway name: {name:?}: it must be a label, without dots"
            ));
        }
        let path = Path::of("servers");
        if self.servers.is_empty() {
            report.violation(&path, "gateway must have at least one server");
        }
        let mut port_names = BTreeSet::new();
        for (index, entry) in self.servers.iter().enumerate() {
            let path = path.index(index);
            server(report, &path, entry);
            let Some(port) = &entry.port else {
                continue;
            };
            if !port_names.insert(&port.name) {
                let text = format!(
                    "port names in servers must be unique: duplicate name {}",
                    port.name
                );
                report.advise(
                    &path.field("port").field("name"),
                    text,
                    format!("write `name: {}-{}`", port.name, port.number),
                );
            }
            let redirects = entry.tls.as_ref().is_some_and(|tls| tls.https_redirect);
            let is_http = Protocol::parse(&port.protocol).is_some_and(Protocol::is_http);
            if redirects && !is_http {
                let text = "tls.httpsRedirect should only be used with http servers";
                let path = path.field("tls").field("httpsRedirect");
                warn(report, &path, Code::IneffectiveSetting, text);
            }
        }
    }
}

/// `validateServer`.
fn server(report: &mut Report<'_>, path: &Path, server: &Server) {
    let hosts = path.field("hosts");
    if server.hosts.is_empty() {
        report.advise(
            &hosts,
            "server config must contain at least one host",
            "write `hosts: [\"*\"]` for all hosts",
        );
    }
    for (index, host) in server.hosts.iter().enumerate() {
        server_host(report, &hosts.index(index), host);
    }
    let at = path.field("port");
    let is_unix = server.bind.starts_with("unix://");
    let is_sound = match &server.port {
        Some(port) => server_port(report, &at, port, is_unix),
        None => {
            report.violation(&at, "port is required");
            false
        }
    };
    bind(report, path, server);
    if let Some(tls) = &server.tls {
        server_tls::check(report, &path.field("tls"), tls);
        tls_effects::check(report, &path.field("tls"), tls);
    }
    if is_sound && let Some(port) = &server.port {
        fitting_tls(report, path, server, Protocol::parse(&port.protocol));
    }
}

/// That HTTPS and TLS have settings, and others have none.
fn fitting_tls(report: &mut Report<'_>, path: &Path, server: &Server, protocol: Option<Protocol>) {
    let is_tls = protocol.is_some_and(Protocol::is_tls);
    let is_http = protocol.is_some_and(Protocol::is_http);
    let path = path.field("tls");
    match &server.tls {
        None if is_tls => {
            report.advise(
                &path,
                "server must have TLS settings for HTTPS/TLS protocols",
                "add `tls: {mode: SIMPLE, credentialName: …}`, or `mode: PASSTHROUGH`",
            );
        }
        Some(tls) if is_http => {
            let files = [
                &tls.ca_certificates,
                &tls.private_key,
                &tls.server_certificate,
            ];
            if tls.mode.terminates() || files.iter().any(|file| !file.is_empty()) {
                report.advise(
                    &path,
                    "server cannot have TLS settings for plain text HTTP ports",
                    "write `protocol: HTTPS`, or leave only `httpsRedirect`",
                );
            }
        }
        Some(_) if !is_tls => report.advise(
            &path,
            "server cannot have TLS settings for non HTTPS/TLS ports",
            "write `protocol: TLS`",
        ),
        _ => {}
    }
}

/// `validateServerPort`; whether all is right.
fn server_port(report: &mut Report<'_>, path: &Path, value: &Port, is_unix: bool) -> bool {
    let mut is_sound = true;
    let mut said = |report: &mut Report<'_>, field: &str, text: String, help: &str| {
        is_sound = false;
        report.advise(&path.field(field), text, help);
    };
    if Protocol::parse(&value.protocol).is_none() {
        let text = format!(
            "invalid protocol {:?}, supported protocols are HTTP, HTTP2, GRPC, GRPC-WEB, MONGO, REDIS, MYSQL, TCP",
            value.protocol
        );
        said(report, "protocol", text, "HTTPS and TLS are supported too");
    }
    if value.target_port > 0 {
        let text = "targetPort has no impact on Gateways".to_owned();
        said(report, "targetPort", text, "remove it");
    }
    if value.name.is_empty() {
        let text = format!(
            "port name must be set: number:{} protocol:{:?}",
            value.number, value.protocol
        );
        let help = format!(
            "write `name: {}-{}`",
            value.protocol.to_ascii_lowercase(),
            value.number
        );
        said(report, "name", text, &help);
    }
    if value.number > 0 || !is_unix {
        port(report, &path.field("number"), value.number);
        is_sound &= (1..=65535).contains(&value.number);
    }
    is_sound
}

/// `validateServerBind`.
fn bind(report: &mut Report<'_>, path: &Path, server: &Server) {
    let at = path.field("bind");
    let Some(address) = server.bind.strip_prefix("unix://") else {
        if !server.bind.is_empty()
            && let Err(text) = names::ip(&server.bind)
        {
            report.advise(&at, text, "write an IP address, or `unix://` and a path");
        }
        return;
    };
    if let Err(text) = names::unix(address) {
        report.violation(&at, text);
    }
    if let Some(port) = server.port.as_ref().filter(|port| port.number != 0) {
        let text = format!(
            "port number must be 0 for unix domain socket: number:{} protocol:{:?} name:{:?}",
            port.number, port.protocol, port.name
        );
        report.advise(
            &path.field("port").field("number"),
            text,
            "write `number: 0`",
        );
    }
}

/// `ValidateNamespaceSlashWildcardHostname`.
fn server_host(report: &mut Report<'_>, path: &Path, host: &str) {
    let name = match host.split_once('/') {
        None => host,
        Some((namespace, name)) => {
            if namespace.is_empty() || name.is_empty() {
                report.violation(
                    path,
                    "config namespace and dnsName in host entry cannot be empty",
                );
            }
            if !matches!(namespace, "*" | ".") && !names::is_label(namespace) {
                report.violation(
                    path,
                    format!("invalid namespace value {namespace:?} in gateway"),
                );
            }
            name
        }
    };
    if name != "*" && !name.contains('.') {
        report.advise(
            path,
            "short names (non FQDN) are not allowed",
            format!("write the whole name, as `{name}.example.com`, or `*`"),
        );
    }
    if let Err(text) = names::wildcard_domain(name)
        && !names::is_ip(name)
    {
        report.violation(path, text);
    }
    if let Err(text) = names::whole_wildcard(name) {
        report.advise(
            path,
            text,
            "`*` stands alone or for the whole first label: `*.example.com`",
        );
    }
}
