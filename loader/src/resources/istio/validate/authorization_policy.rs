//! `ValidateAuthorizationPolicy`, and what of it is not served.

use crate::diagnostic::{Code, Diagnostic};
use crate::resources::istio::authorization_policy::{
    Action, Attribute, AuthorizationPolicy, Condition, Operation, Rule, Source, network,
};
use crate::resources::report::{Report, Validate};
use crate::source::Path;

use super::headers;
use super::request_authentication::targets;

/// The annotation of policies that are only tried.
const DRY_RUN: &str = "istio.io/dry-run";

impl Validate for AuthorizationPolicy {
    fn validate(&self, report: &mut Report<'_>) {
        let refs = (self.target_ref.as_ref(), self.target_refs.as_slice());
        targets(report, self.selector.as_ref(), refs);
        let named = self.provider.as_ref().map(|own| own.name.as_str());
        let path = Path::of("provider");
        match self.action {
            Action::Custom if named.unwrap_or_default().is_empty() => {
                report.violation(&path, "`provider.name` must not be empty");
            }
            Action::Custom => {}
            _ if self.provider.is_some() => {
                report.violation(&path, "`provider` must not be with non CUSTOM action");
            }
            _ => {}
        }
        if self.rules.is_empty() && matches!(self.action, Action::Deny | Action::Custom) {
            let name = match self.action {
                Action::Deny => "DENY",
                _ => "CUSTOM",
            };
            let text = format!(
                "{name} action without `rules` is meaningless as it will never be triggered, \
                 add an empty rule `{{}}` if you want it be triggered for every request"
            );
            report.violation(&Path::of("rules"), text);
        }
        for (index, own) in self.rules.iter().enumerate() {
            let path = Path::of("rules").index(index);
            if report.is_null(&path) {
                let text = format!("`rule` must not be nil, found at rule {index}");
                report.violation(&path, text);
            }
            rule(report, &path, own, index);
        }
    }

    fn pitfalls(&self, report: &mut Report<'_>) {
        let annotations = &report.meta().annotations;
        if annotations
            .get(DRY_RUN)
            .is_some_and(|value| value == "true")
        {
            let text = "istio.io/dry-run: the policy is left out, and nothing is counted";
            let finding = Diagnostic::warning(Code::NotServedField, text);
            report.beyond(
                &Path::root(),
                finding.help("remove the annotation to have it act"),
            );
        }
        for (index, rule) in self.rules.iter().enumerate() {
            let path = Path::of("rules").index(index);
            for (at, own) in rule.when.iter().enumerate() {
                if !own.key.is_empty() && Attribute::parse(&own.key).is_none() {
                    let text = format!("{} is not served", own.key);
                    let path = path.field("when").index(at).field("key");
                    let finding = Diagnostic::error(Code::NotServedField, text);
                    report.beyond(&path, finding.help(CONDITIONS));
                }
            }
            for (at, to) in rule.to.iter().enumerate() {
                let path = path.field("to").index(at).field("operation");
                let Some(own) = &to.operation else { continue };
                for (field, paths) in [("paths", &own.paths), ("notPaths", &own.not_paths)] {
                    templates(report, &path.field(field), paths);
                }
            }
        }
    }
}

const CONDITIONS: &str = "conditions are about request.headers[…], source.ip, remote.ip, request.auth.principal, \
                          request.auth.audiences, request.auth.presenter, request.auth.claims[…], destination.port and connection.sni";

fn templates(report: &mut Report<'_>, path: &Path, paths: &[String]) {
    for (index, text) in paths.iter().enumerate() {
        if text.contains("{*}") || text.contains("{**}") {
            let text = format!("{text}: templates of paths are not served");
            let finding = Diagnostic::error(Code::NotServedField, text);
            let help = "write a path, or one with `*` at its beginning or end";
            report.beyond(&path.index(index), finding.help(help));
        }
    }
}

fn rule(report: &mut Report<'_>, path: &Path, rule: &Rule, index: usize) {
    for (at, from) in rule.from.iter().enumerate() {
        let path = path.field("from").index(at).field("source");
        match &from.source {
            None => {
                let text = format!("`from.source` must not be nil, found at rule {index}");
                report.violation(&path, text);
            }
            Some(own) => source(report, &path, own, index),
        }
    }
    for (at, to) in rule.to.iter().enumerate() {
        let path = path.field("to").index(at).field("operation");
        match &to.operation {
            None => {
                let text = format!("`to.operation` must not be nil, found at rule {index}");
                report.violation(&path, text);
            }
            Some(own) => operation(report, &path, own, index),
        }
    }
    for (at, own) in rule.when.iter().enumerate() {
        condition(report, &path.field("when").index(at), own);
    }
}

fn source(report: &mut Report<'_>, path: &Path, own: &Source, index: usize) {
    let blocks = [
        ("ipBlocks", "IpBlocks", &own.ip_blocks),
        ("notIpBlocks", "NotIpBlocks", &own.not_ip_blocks),
        ("remoteIpBlocks", "RemoteIpBlocks", &own.remote_ip_blocks),
        (
            "notRemoteIpBlocks",
            "NotRemoteIpBlocks",
            &own.not_remote_ip_blocks,
        ),
    ];
    let others = [
        ("principals", "Principals", &own.principals),
        ("notPrincipals", "NotPrincipals", &own.not_principals),
        (
            "requestPrincipals",
            "RequestPrincipals",
            &own.request_principals,
        ),
        (
            "notRequestPrincipals",
            "NotRequestPrincipals",
            &own.not_request_principals,
        ),
        ("namespaces", "Namespaces", &own.namespaces),
        ("notNamespaces", "NotNamespaces", &own.not_namespaces),
        ("serviceAccounts", "ServiceAccounts", &own.service_accounts),
        (
            "notServiceAccounts",
            "NotServiceAccounts",
            &own.not_service_accounts,
        ),
        ("trustDomains", "TrustDomains", &own.trust_domains),
        ("notTrustDomains", "NotTrustDomains", &own.not_trust_domains),
    ];
    if blocks
        .iter()
        .chain(&others)
        .all(|(.., list)| list.is_empty())
    {
        let text = format!("`from.source` must not be empty, found at rule {index}");
        report.violation(path, text);
    }
    for (field, _, list) in blocks {
        networks(report, &path.field(field), list);
    }
    for (field, name, list) in others {
        empty(report, &path.field(field), name, list);
    }
}

fn operation(report: &mut Report<'_>, path: &Path, own: &Operation, index: usize) {
    let lists = [
        ("hosts", "Hosts", &own.hosts),
        ("notHosts", "NotHosts", &own.not_hosts),
        ("ports", "Ports", &own.ports),
        ("notPorts", "NotPorts", &own.not_ports),
        ("methods", "Methods", &own.methods),
        ("notMethods", "NotMethods", &own.not_methods),
        ("paths", "Paths", &own.paths),
        ("notPaths", "NotPaths", &own.not_paths),
    ];
    if lists.iter().all(|(.., list)| list.is_empty()) {
        let text = format!("`to.operation` must not be empty, found at rule {index}");
        report.violation(path, text);
    }
    for (field, name, list) in lists {
        if name.ends_with("Ports") {
            ports(report, &path.field(field), list);
        } else {
            empty(report, &path.field(field), name, list);
        }
    }
}

fn condition(report: &mut Report<'_>, path: &Path, own: &Condition) {
    if own.key.is_empty() {
        return report.violation(&path.field("key"), "`key` must not be empty");
    }
    if own.values.is_empty() && own.not_values.is_empty() {
        let text = format!(
            "at least one of `values` or `notValues` must be set for key {}",
            own.key
        );
        return report.violation(path, text);
    }
    for (field, list) in [("values", &own.values), ("notValues", &own.not_values)] {
        let path = path.field(field);
        match own.key.as_str() {
            "source.ip" | "remote.ip" | "destination.ip" => networks(report, &path, list),
            "destination.port" => ports(report, &path, list),
            key => empty(report, &path, key, list),
        }
    }
    if let Some(Attribute::Header(name)) = Attribute::parse(&own.key)
        && !headers::is_token(&name)
    {
        let text = format!("header name {name} is not a valid header name");
        report.violation(&path.field("key"), text);
    }
}

fn empty(report: &mut Report<'_>, path: &Path, name: &str, list: &[String]) {
    for (index, _) in list.iter().enumerate().filter(|(_, own)| own.is_empty()) {
        let text = format!("empty value not allowed, found in {name}");
        report.violation(&path.index(index), text);
    }
}

fn networks(report: &mut Report<'_>, path: &Path, list: &[String]) {
    for (index, text) in list.iter().enumerate() {
        if network(text).is_none() {
            let text = if text.contains('/') {
                format!("bad CIDR range ({text})")
            } else {
                format!("bad IP address ({text})")
            };
            report.violation(&path.index(index), text);
        }
    }
}

fn ports(report: &mut Report<'_>, path: &Path, list: &[String]) {
    for (index, text) in list.iter().enumerate() {
        if text.parse::<u16>().is_err() {
            report.violation(&path.index(index), format!("bad port {text}"));
        }
    }
}
