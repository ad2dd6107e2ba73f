//! `ValidateTargetRef` (Kuma `pkg/core/resources/apis/mesh/validators.go` at 2.14.3).

use crate::resources::kuma::mesh_http_route::TargetRef;
use crate::resources::report::Report;
use crate::source::Path;

use super::tags;

/// Kuma's name for a backend that was not found when it made the route.
const UNRESOLVED: &str = "kuma.io/unresolved-backend";

/// The `targetRef` of a whole policy; one about what comes in may name a port of a Dataplane.
pub(super) fn target_ref_at_top(
    report: &mut Report<'_>,
    path: &Path,
    target: &TargetRef,
    kinds: &[&str],
    is_inbound: bool,
) {
    let mut target = target.clone();
    if is_inbound && target.kind == "Dataplane" {
        target.section_name = String::new();
    }
    target_ref(report, path, &target, kinds);
}

pub(super) fn target_ref(report: &mut Report<'_>, path: &Path, target: &TargetRef, kinds: &[&str]) {
    let kind = target.kind.as_str();
    if kind.is_empty() {
        return report.advise(
            &path.field("kind"),
            "must be defined",
            format!("one of {}", kinds.join(", ")),
        );
    }
    if !kinds.contains(&kind) {
        return report.advise(
            &path.field("kind"),
            format!("value '{kind}' is not supported"),
            format!("one of {}", kinds.join(", ")),
        );
    }
    if kind == "Mesh" && !target.name.is_empty() {
        let text = format!("using name with kind {kind} is not yet supported");
        report.violation(&path.field("name"), text);
    }
    for (field, is_set) in [
        ("name", !target.name.is_empty()),
        ("mesh", !target.mesh.is_empty()),
        ("tags", !target.tags.is_empty()),
        ("labels", !target.labels.is_empty()),
        ("namespace", !target.namespace.is_empty()),
        ("sectionName", !target.section_name.is_empty()),
        (
            "proxyTypes",
            target
                .proxy_types
                .as_ref()
                .is_some_and(|types| !types.is_empty()),
        ),
    ] {
        if is_set && forbidden(kind).contains(&field) {
            report.violation(
                &path.field(field),
                format!("must not be set with kind {kind}"),
            );
        }
    }
    if matches!(kind, "Mesh" | "MeshSubset")
        && target.proxy_types.as_ref().is_some_and(Vec::is_empty)
    {
        report.violation(
            &path.field("proxyTypes"),
            "must be undefined or have at least one element",
        );
    }
    if matches!(kind, "MeshServiceSubset" | "MeshGateway") && target.name.is_empty() {
        report.violation(
            &path.field("name"),
            format!("must be set when kind is {kind}"),
        );
    }
    if !matches!(kind, "Mesh" | "MeshSubset" | "Dataplane") {
        name(report, &path.field("name"), &target.name);
    }
    let by_name = !target.name.is_empty() || !target.namespace.is_empty();
    match kind {
        "MeshSubset" => tags::own(report, &path.field("tags"), &target.tags),
        "MeshServiceSubset" | "MeshGateway" => {
            tags::selector(report, &path.field("tags"), &target.tags);
        }
        "MeshService" | "MeshExternalService" | "MeshHTTPRoute" => {
            if target.labels.is_empty() && target.name.is_empty() {
                report.violation(
                    path,
                    format!("name or labels must be set when kind is {kind}"),
                );
            }
            if !target.labels.is_empty() && by_name {
                let text = match kind {
                    "MeshExternalService" => "either labels or name must be specified",
                    _ => "either labels or name and namespace must be specified",
                };
                report.violation(&path.field("labels"), text);
            }
        }
        "Dataplane" => {
            if !target.labels.is_empty() && by_name {
                report.violation(
                    &path.field("labels"),
                    "either labels or name and namespace must be specified",
                );
            }
            if !target.section_name.is_empty() {
                report.violation(
                    &path.field("sectionName"),
                    "can only be used with inbound policies",
                );
            }
        }
        _ => {}
    }
}

/// The fields that a kind does not take.
fn forbidden(kind: &str) -> &'static [&'static str] {
    match kind {
        "Mesh" => &["mesh", "tags", "labels", "namespace", "sectionName"],
        "Dataplane" => &["tags", "mesh", "proxyTypes"],
        "MeshSubset" => &["name", "mesh", "labels", "namespace", "sectionName"],
        "MeshService" => &["mesh", "tags", "proxyTypes"],
        "MeshExternalService" | "MeshHTTPRoute" => &["mesh", "tags", "proxyTypes", "sectionName"],
        "MeshServiceSubset" | "MeshGateway" => {
            &["mesh", "proxyTypes", "labels", "namespace", "sectionName"]
        }
        _ => &[],
    }
}

fn name(report: &mut Report<'_>, path: &Path, name: &str) {
    let is_valid = name
        .bytes()
        .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'z' | b'.' | b'-' | b'_'));
    if !is_valid && name != UNRESOLVED {
        report.violation(
            path,
            "invalid characters: must consist of lower case alphanumeric characters, '-', '.' and '_'.",
        );
    }
}
