//! `TrafficPermission` and `MeshTrafficPermission` (Kuma `pkg/core/resources/apis/mesh/traffic_permission_validator.go`
//! and `pkg/plugins/policies/meshtrafficpermission/api/v1alpha1/validator.go` at 2.14.3).

use policy::path::PathPrefix;

use crate::resources::kuma::mesh_http_route::TargetRef;
use crate::resources::kuma::mesh_traffic_permission::{Match, MeshTrafficPermission};
use crate::resources::kuma::traffic_permission::TrafficPermission;
use crate::resources::report::{Report, Validate};
use crate::source::Path;

use super::target_ref::target_ref;
use super::{SUBDOMAIN, is_domain, tags};

impl Validate for TrafficPermission {
    fn validate(&self, report: &mut Report<'_>) {
        tags::any_selectors(report, &Path::of("sources"), &self.sources);
        tags::any_selectors(report, &Path::of("destinations"), &self.destinations);
    }
}

impl Validate for MeshTrafficPermission {
    fn validate(&self, report: &mut Report<'_>) {
        let clients = ["Mesh", "MeshSubset", "MeshService", "MeshServiceSubset"];
        let is_inbound = !self.from.is_empty() || !self.rules.is_empty();
        if let Some(target) = &self.target_ref {
            let mut target = target.clone();
            // A policy about what comes in may name the port.
            if is_inbound && target.kind == "Dataplane" {
                target.section_name = String::new();
            }
            let mut kinds = [&clients[..], &["Dataplane"]].concat();
            // Beyond Kuma: who may reach a service outside of the mesh.
            if self.from.is_empty() {
                kinds.push("MeshExternalService");
            }
            target_ref(report, &Path::of("targetRef"), &target, &kinds);
        }
        if !self.from.is_empty() && !self.rules.is_empty() {
            let text = "field 'from' must be empty when 'rules' is defined";
            report.violation(&Path::root(), text);
        }
        if !is_inbound {
            let text = "at least one of 'from' or 'rules' has to be defined";
            report.violation(&Path::root(), text);
        }
        for (index, rule) in self.rules.iter().enumerate() {
            let path = Path::of("rules").index(index);
            let lists = [
                ("allow", &rule.conf.allow),
                ("allowWithShadowDeny", &rule.conf.allow_with_shadow_deny),
                ("deny", &rule.conf.deny),
            ];
            if lists.iter().all(|(_, matches)| matches.is_empty()) {
                let text =
                    "at least one of 'allow', 'allowWithShadowDeny', 'deny' has to be defined";
                report.violation(&path, text);
            }
            for (field, matches) in lists {
                for (index, entry) in matches.iter().enumerate() {
                    client(report, &path.field(field).index(index), entry);
                    // Kuma's own paths leave `default` out.
                    let path = path.field("default").field(field).index(index);
                    beyond_kuma(report, &path, entry, self.target_ref.as_ref());
                }
            }
        }
        for (index, from) in self.from.iter().enumerate() {
            let path = Path::of("from").index(index);
            let target: &TargetRef = &from.target_ref;
            target_ref(report, &path.field("targetRef"), target, &clients);
            if from.conf.action.is_empty() {
                report.violation(&path.field("default").field("action"), "must be defined");
            }
        }
    }
}

/// `ValidateMatch`.
fn client(report: &mut Report<'_>, path: &Path, entry: &Match) {
    if let Some(id) = &entry.spiffe_id
        && let Err(why) = spiffe_id(&id.value)
    {
        let text = format!("must be a valid Spiffe ID: {why}");
        report.violation(&path.field("spiffeID"), text);
    }
    let Some(sni) = &entry.sni else {
        return;
    };
    let path = path.field("sni");
    match sni.kind.as_str() {
        "Exact" => {}
        "" => report.violation(&path.field("type"), "must be set"),
        kind => {
            let text = format!("unrecognized type \"{kind}\", supported values are: Exact");
            report.violation(&path.field("type"), text);
        }
    }
    if sni.value.is_empty() {
        report.violation(&path.field("value"), "must be set");
    } else if !is_domain(&sni.value) {
        report.violation(&path.field("value"), SUBDOMAIN);
    }
}

/// What only permissions for services outside of the mesh have. Elsewhere it would be left out, and that would let in
/// more than is written.
fn beyond_kuma(report: &mut Report<'_>, path: &Path, entry: &Match, target: Option<&TargetRef>) {
    let is_outside = target.is_some_and(|target| target.kind == "MeshExternalService");
    for (field, is_there) in [
        ("tags", entry.tags.iter().next().is_some()),
        ("methods", !entry.methods.is_empty()),
        ("pathPrefixes", !entry.path_prefixes.is_empty()),
    ] {
        if is_there && !is_outside {
            let text = "is only for a targetRef of the kind MeshExternalService";
            report.violation(&path.field(field), text);
        }
    }
    for (name, value) in entry.tags.iter() {
        if name.is_empty() || value.is_empty() {
            report.violation(&path.field("tags"), "tags have a name and a value");
        }
    }
    for (index, method) in entry.methods.iter().enumerate() {
        let is_method =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_uppercase());
        let path = path.field("methods").index(index);
        if method == "CONNECT" {
            report.violation(
                &path,
                "CONNECT is never let through: nobody sees what is in a tunnel",
            );
        } else if !is_method(method) {
            let text = format!("\"{method}\" is no method: write it in capital letters, as GET");
            report.violation(&path, text);
        }
    }
    for (index, prefix) in entry.path_prefixes.iter().enumerate() {
        if let Err(why) = PathPrefix::parse(prefix) {
            let text = format!(
                "\"{prefix}\": {why}: write one that begins with a slash, without query, dots, doubled slashes, `;` and needless escapes"
            );
            report.violation(&path.field("pathPrefixes").index(index), text);
        }
    }
}

/// The rules of a SPIFFE ID, in the words of go-spiffe (`spiffeid.FromString`).
fn spiffe_id(id: &str) -> Result<(), &'static str> {
    if id.is_empty() {
        return Err("cannot be empty");
    }
    let rest = id
        .strip_prefix("spiffe://")
        .ok_or("scheme is missing or invalid")?;
    let (domain, path) = rest
        .find('/')
        .map_or((rest, ""), |slash| rest.split_at(slash));
    if domain.is_empty() {
        return Err("trust domain is missing");
    }
    let is_domain_byte = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_');
    if !domain.bytes().all(is_domain_byte) {
        return Err(
            "trust domain characters are limited to lowercase letters, numbers, dots, dashes, and underscores",
        );
    }
    if path.ends_with('/') {
        return Err("path cannot have a trailing slash");
    }
    for segment in path.split('/').skip(1) {
        match segment {
            "" => return Err("path cannot contain empty segments"),
            "." | ".." => return Err("path cannot contain dot segments"),
            _ => {}
        }
        let is_byte = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
        if !segment.bytes().all(is_byte) {
            return Err(
                "path segment characters are limited to letters, numbers, dots, dashes, and underscores",
            );
        }
    }
    Ok(())
}
