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

use crate::diagnostic::{Code, Diagnostic};
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
            report.say(&path, Diagnostic::warning(Code::NotServedField, effect));
        }
    }
}

/// Names entries for one service with something that Kuma's gateway has for all services of a route at once: it looks
/// for entries of the kind Mesh only (`MeshElement` in the `applyToGateway` of each policy at 2.14.3).
fn for_one_service<C>(
    report: &mut Report<'_>,
    policy: &Policy<C>,
    field: impl Fn(&C) -> &'static str,
) {
    let target = policy.target_ref.as_ref();
    let types = target.and_then(|target| target.proxy_types.as_deref());
    let types = types.unwrap_or_default();
    let kind = target.map_or("Mesh", |target| target.kind.as_str());
    let reaches_gateways = matches!(kind, "Mesh" | "MeshSubset")
        && (types.is_empty() || types.iter().any(|kind| kind == "Gateway"));
    for (index, entry) in policy.to.iter().enumerate() {
        let fields = field(&entry.conf);
        if !reaches_gateways || entry.target_ref.kind != "MeshService" || fields.is_empty() {
            continue;
        }
        let path = Path::of("to").index(index).field("targetRef").field("kind");
        let message = format!(
            "not served: {fields} of a gateway's routes take what is for the kind Mesh, as on Kuma"
        );
        let finding = Diagnostic::warning(Code::NotServedField, message).help(
            "for a gateway, aim a policy at it, `targetRef: {kind: MeshGateway, name: …}`, with `to: [{targetRef: {kind: Mesh}, …}]`",
        );
        report.say(&path, finding);
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

/// The same, for destinations that are services and nothing narrower (`OnlyServiceTagAllowed`).
fn connection_by_service<C>(report: &mut Report<'_>, policy: &Connection<C>) {
    connection(report, policy);
    for (index, selector) in policy.destinations.iter().enumerate() {
        let path = Path::of("destinations").index(index).field("match");
        for (name, _) in selector
            .tags
            .iter()
            .filter(|(name, _)| *name != tags::SERVICE)
        {
            let text = format!("tag \"{name}\" is not allowed");
            report.violation(&path.key(name), text);
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
