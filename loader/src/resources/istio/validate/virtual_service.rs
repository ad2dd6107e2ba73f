//! `ValidateVirtualService`.

use policy::istio::matches;

use crate::diagnostic::{Code, Diagnostic};
use crate::resources::istio::virtual_service::VirtualService;
use crate::resources::report::{Report, Validate};
use crate::source::Path;

use super::export_to::{self, Of};
use super::{connections, headers, http_route, names, unreachable, warn};

/// The name that stands for all sidecars.
const MESH: &str = "mesh";

impl Validate for VirtualService {
    fn validate(&self, report: &mut Report<'_>) {
        if self.hosts.is_empty() {
            self.delegate(report);
        }
        gateway_names(report, &Path::of("gateways"), &self.gateways);
        if !self.is_for_gateways() {
            self.claims(report);
        }
        self.hosts(report);
        if self.http.is_empty() && self.tcp.is_empty() && self.tls.is_empty() {
            let text = "http, tcp or tls must be provided in virtual service";
            report.violation(&Path::root(), text);
        }
        for (index, route) in self.http.iter().enumerate() {
            let path = Path::of("http").index(index);
            http_route::check(report, &path, route, self.hosts.is_empty());
        }
        for (index, route) in self.tls.iter().enumerate() {
            connections::tls(report, &Path::of("tls").index(index), route, self);
        }
        for (index, route) in self.tcp.iter().enumerate() {
            connections::tcp(report, &Path::of("tcp").index(index), route);
        }
        let namespace = report.meta().namespace().to_owned();
        export_to::check(report, &namespace, &self.export_to, Of::Configuration);
        unreachable::check(report, self);
    }
}

impl VirtualService {
    /// Whether it is for gateways only.
    pub fn is_for_gateways(&self) -> bool {
        !self.gateways.is_empty() && !self.is_for_mesh_by_name()
    }

    /// Whether it says that it is for sidecars.
    pub(super) fn is_for_mesh_by_name(&self) -> bool {
        self.gateways.iter().any(|name| name == MESH)
    }

    fn delegate(&self, report: &mut Report<'_>) {
        for (is_given, field, text) in [
            (!self.gateways.is_empty(), "gateways", "gateways"),
            (!self.tls.is_empty(), "tls", "tls route"),
            (!self.tcp.is_empty(), "tcp", "tcp route"),
        ] {
            if is_given {
                let text = format!("delegate virtual service must have no {text} specified");
                let help = "add `hosts`, or remove it: without hosts the resource is a delegate";
                report.advise(&Path::of(field), text, help);
            }
        }
    }

    /// Claims of tokens can be looked at where the token was checked, which is a gateway.
    fn claims(&self, report: &mut Report<'_>) {
        for (index, route) in self.http.iter().enumerate() {
            for (at, entry) in route.matches.iter().enumerate() {
                let path = Path::of("http").index(index).field("match").index(at);
                let fields = [
                    ("headers", &entry.headers),
                    ("withoutHeaders", &entry.without_headers),
                ];
                for (field, matches) in fields {
                    for key in matches.keys().filter(|key| headers::is_claim(key)) {
                        let text = format!(
                            "JWT claim based routing (key: {key}) is only supported for gateway, found no gateways: [{}]",
                            self.gateways.join(" ")
                        );
                        report.violation(&path.field(field).key(key), text);
                    }
                }
            }
        }
    }

    fn hosts(&self, report: &mut Report<'_>) {
        let path = Path::of("hosts");
        let is_gateway = self.is_for_gateways();
        let has_sni = self.tls.iter().flat_map(|route| &route.matches);
        let has_sni = { has_sni }.any(|entry| !entry.sni_hosts.is_empty());
        let mut all_valid = true;
        for (index, host) in self.hosts.iter().enumerate() {
            let verdict = names::gateway_domain(is_gateway && has_sni, host);
            let path = path.index(index);
            match verdict {
                Err(text) if !names::is_ip(host) => {
                    all_valid = false;
                    report.violation(&path, text);
                }
                Ok(()) if !is_gateway && host == "*" => {
                    all_valid = false;
                    report.advise(
                        &path,
                        "wildcard host * is not allowed for virtual services bound to the mesh gateway",
                        "name the gateways that it is for in `gateways`, without `mesh`",
                    );
                }
                _ => {}
            }
        }
        if !all_valid {
            return;
        }
        for (index, second) in self.hosts.iter().enumerate() {
            for (other, first) in self.hosts.iter().enumerate().take(index) {
                if matches(first, second) {
                    let text = format!("duplicate hosts in virtual service: {first} & {second}");
                    let first = report.locate(&path.index(other));
                    let finding = Diagnostic::error(Code::RefusedByIstio, text);
                    let finding = finding
                        .also(first, "holds the same hosts")
                        .help("leave the wider one");
                    report.say(&path.index(index), finding);
                }
            }
        }
    }
}

/// `validateGatewayNames`, which ends at the first name without a namespace.
pub(super) fn gateway_names(report: &mut Report<'_>, path: &Path, gateways: &[String]) {
    for (index, name) in gateways.iter().enumerate() {
        let path = path.index(index);
        let Some((namespace, gateway)) = name.split_once('/') else {
            let mut parts = name.split('.');
            if let (Some(gateway), Some(namespace)) = (parts.next(), parts.next()) {
                let text = format!(
                    "using legacy gatewayName format {name:?}; prefer the <namespace>/<name> format: \"{namespace}/{gateway}\" [IST0002]"
                );
                let finding = Diagnostic::warning(Code::DeprecatedSetting, text);
                report.say(
                    &path,
                    finding.help(format!("write `{namespace}/{gateway}`")),
                );
            }
            if let Err(text) = names::fqdn(name) {
                report.violation(&path, text);
            }
            return;
        };
        if namespace.is_empty() || gateway.is_empty() {
            let text = "config namespace and gateway name cannot be empty";
            report.violation(&path, text);
        }
        if !names::is_label(namespace) {
            report.advise(
                &path,
                format!("invalid value for namespace: {namespace:?}"),
                format!("write `{gateway}` alone for a Gateway of the same namespace"),
            );
        }
        if !names::is_label(gateway) {
            report.violation(
                &path,
                format!("invalid value for gateway name: {gateway:?}"),
            );
        }
    }
}

/// Says that something has another, newer form.
pub(super) fn deprecated(report: &mut Report<'_>, path: &Path, text: impl Into<String>) {
    let text = format!("{} [IST0002]", text.into());
    warn(report, path, Code::DeprecatedSetting, text);
}
