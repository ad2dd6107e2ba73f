//! `TrafficPermission` and `MeshTrafficPermission` (Kuma `pkg/core/resources/apis/mesh/traffic_permission_validator.go`
//! and `pkg/plugins/policies/meshtrafficpermission/api/v1alpha1/validator.go` at 2.14.3).

use policy::path::PathPrefix;

use crate::resources::kuma::mesh_http_route::TargetRef;
use crate::resources::kuma::mesh_traffic_permission::{Match, MeshTrafficPermission};
use crate::resources::kuma::traffic_permission::TrafficPermission;
use crate::resources::report::{Report, Validate};
use crate::source::Path;

use super::target_ref::{target_ref, target_ref_at_top};
use super::{matches, tags};

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
            let mut kinds = [&clients[..], &["Dataplane"]].concat();
            // Beyond Kuma: who may reach a service outside of the mesh.
            if self.from.is_empty() {
                kinds.push("MeshExternalService");
            }
            target_ref_at_top(report, &Path::of("targetRef"), target, &kinds, is_inbound);
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
            for (field, entries) in lists {
                for (index, entry) in entries.iter().enumerate() {
                    // Kuma's own paths leave `default` out.
                    let place = path.field("default").field(field).index(index);
                    let name = path.field(field).index(index);
                    report.calling(&place, &name, |report| client(report, &place, entry));
                    beyond_kuma(report, &place, entry, self.target_ref.as_ref());
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

fn client(report: &mut Report<'_>, path: &Path, entry: &Match) {
    let id = entry.spiffe_id.as_ref().map(|id| id.value.as_str());
    matches::spiffe_id(report, &path.field("spiffeID"), id);
    let sni = entry.sni.as_ref();
    let sni = sni.map(|sni| (sni.kind.as_str(), sni.value.as_str()));
    matches::sni(report, &path.field("sni"), sni);
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
