//! Policies (Kuma `pkg/plugins/policies/*/api/v1alpha1/validator.go` and `pkg/core/resources/apis/mesh/*_validator.go`
//! at 2.14.3).

mod breaker;
mod fault;
mod health;
mod log;
mod rate;
mod retry;
mod timeout;
mod tls;

use crate::resources::kuma::mesh_http_route::TargetRef;
use crate::resources::kuma::policy::{Connection, Duration, Fraction, Policy};
use crate::resources::report::Report;
use crate::source::Path;

use super::tags;
use super::target_ref::target_ref;

const TOP: [&str; 7] = [
    "Mesh",
    "MeshSubset",
    "Dataplane",
    "MeshGateway",
    "MeshService",
    "MeshServiceSubset",
    "MeshHTTPRoute",
];

/// What a policy allows in its parts.
struct Shape {
    /// Kinds of `to[].targetRef` below a MeshGateway or MeshHTTPRoute.
    to_of_gateway: &'static [&'static str],
    /// Kinds of it elsewhere.
    to: &'static [&'static str],
    /// Whether it has `from` and `rules`.
    is_inbound: bool,
}

/// The rules for `targetRef`, `to`, `from` and `rules`; `conf` has those for each configuration.
fn policy<C>(
    report: &mut Report<'_>,
    policy: &Policy<C>,
    shape: &Shape,
    conf: impl Fn(&mut Report<'_>, &Path, &C, &str),
) {
    let top = policy
        .target_ref
        .as_ref()
        .map_or("Mesh", |target| target.kind.as_str());
    if let Some(target) = &policy.target_ref {
        let is_inbound = policy.to.is_empty() && shape.is_inbound;
        let section = if is_inbound {
            ""
        } else {
            target.section_name.as_str()
        };
        let target = TargetRef {
            section_name: section.to_owned(),
            ..target.clone()
        };
        target_ref(report, &Path::of("targetRef"), &target, &TOP);
    }
    let root = Path::root();
    let has_others = !policy.to.is_empty() || !policy.from.is_empty();
    if !policy.rules.is_empty() && has_others {
        report.violation(
            &root,
            "fields 'to' and 'from' must be empty when 'rules' is defined",
        );
    }
    if policy.rules.is_empty() && !has_others {
        report.violation(
            &root,
            "at least one of 'from', 'to' or 'rules' has to be defined",
        );
    }
    let is_gateway = matches!(top, "MeshGateway" | "MeshHTTPRoute");
    if (is_gateway || !shape.is_inbound) && !policy.from.is_empty() {
        report.violation(&Path::of("from"), "must not be defined");
    } else {
        for (index, entry) in policy.from.iter().enumerate() {
            let path = Path::of("from").index(index);
            let kinds = ["Mesh", "MeshSubset", "MeshService", "MeshServiceSubset"];
            target_ref(report, &path.field("targetRef"), &entry.target_ref, &kinds);
            conf(report, &path.field("default"), &entry.conf, top);
        }
    }
    for (index, entry) in policy.to.iter().enumerate() {
        let path = Path::of("to").index(index);
        let kinds = if is_gateway {
            shape.to_of_gateway
        } else {
            shape.to
        };
        target_ref(report, &path.field("targetRef"), &entry.target_ref, kinds);
        conf(report, &path.field("default"), &entry.conf, top);
    }
    for (index, rule) in policy.rules.iter().enumerate() {
        let path = Path::of("rules").index(index);
        for (index, entry) in rule.matches.iter().enumerate() {
            if entry.spiffe_id.is_none() && entry.sni.is_none() {
                let path = path.field("matches").index(index);
                report.violation(&path, "must specify at least one of 'spiffeID' or 'sni'");
            }
        }
        conf(report, &path.field("default"), &rule.conf, top);
    }
}

/// What concerns a gateway and has no effect there.
fn ignored<C>(report: &mut Report<'_>, policy: &Policy<C>) {
    let effect =
        "not served: permissions alone tell clients apart, so the rule holds for none of them";
    for (index, rule) in policy.rules.iter().enumerate() {
        if !rule.matches.is_empty() {
            let path = Path::of("rules").index(index).field("matches");
            report.say(
                &path,
                crate::diagnostic::Diagnostic::warning(
                    crate::diagnostic::Code::NotServedField,
                    effect,
                ),
            );
        }
    }
}

/// The rules for `sources` and `destinations`.
fn connection<C>(report: &mut Report<'_>, policy: &Connection<C>) {
    for (field, selectors) in [
        ("sources", &policy.sources),
        ("destinations", &policy.destinations),
    ] {
        let path = Path::of(field);
        if selectors.is_empty() {
            report.violation(&path, "must have at least one element");
        }
        for (index, selector) in selectors.iter().enumerate() {
            tags::required(report, &path.index(index).field("match"), &selector.tags);
        }
    }
}

fn duration(report: &mut Report<'_>, path: &Path, value: Option<&Duration>, is_positive: bool) {
    match value {
        Some(Duration::Malformed(text)) => {
            report.advise(
                path,
                format!("\"{text}\" is no duration"),
                "write it as in `90s`, `1h30m` or `250ms`",
            );
        }
        Some(Duration::Negative) if !is_positive => {
            report.violation(path, "must not be negative when defined");
        }
        Some(Duration::Negative) => {
            report.violation(path, "must be greater than zero when defined");
        }
        Some(Duration::Of(duration)) if is_positive && duration.is_zero() => {
            report.violation(path, "must be greater than zero when defined");
        }
        Some(Duration::Of(_)) | None => {}
    }
}

fn percentage(report: &mut Report<'_>, path: &Path, value: Option<&Fraction>) {
    match value {
        Some(Fraction::Malformed(text)) => {
            report.violation(
                path,
                format!("string must be a valid number, got \"{text}\""),
            );
        }
        Some(Fraction::Of(number)) if !(0.0..=100.0).contains(number) => {
            report.violation(path, "must be in inclusive range [0, 100]");
        }
        _ => {}
    }
}
