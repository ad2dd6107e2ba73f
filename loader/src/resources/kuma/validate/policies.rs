//! Policies (Kuma `pkg/plugins/policies/*/api/v1alpha1/validator.go` and `pkg/core/resources/apis/mesh/*_validator.go`
//! at 2.14.3).

mod breaker;
mod connection;
mod fault;
mod health;
mod legacy_retry;
mod log;
mod rate;
mod retry;
mod timeout;
mod tls;

use crate::diagnostic::{Code, Diagnostic};
use crate::resources::kuma::mesh_http_route::TargetRef;
use crate::resources::kuma::policy::{ClientMatch, Duration, Fraction, Policy};
use crate::resources::report::Report;
use crate::source::Path;

use super::matches;
use super::target_ref::{target_ref, target_ref_at_top};

/// Whose proxies a policy may be for.
const TOP: [&str; 6] = [
    "Mesh",
    "MeshSubset",
    "Dataplane",
    "MeshGateway",
    "MeshService",
    "MeshServiceSubset",
];
/// The same, and some of their routes.
const TOP_OR_ROUTES: [&str; 7] = [
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
    /// Kinds of `targetRef`.
    top: &'static [&'static str],
    /// Kinds of `to[].targetRef` below a MeshGateway or MeshHTTPRoute.
    to_of_gateway: &'static [&'static str],
    /// Kinds of it elsewhere.
    to: &'static [&'static str],
    /// Kinds of `from[].targetRef`; none for policies without `from` and `rules`.
    from: &'static [&'static str],
    /// What there is for gateways.
    gateways: Gateways,
    /// Whether one of `to`, `from` and `rules` has to be there.
    is_never_empty: bool,
    /// Whether `rules` and `to` may stand together.
    mixes_rules_and_to: bool,
    /// Whether each of `rules[].matches` has to say something, and how identities are compared.
    has_strict_matches: bool,
}

/// Which parts are for gateways.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gateways {
    /// Whatever proxies next to services have.
    All,
    /// No `from`, of policies that name gateways or routes.
    NoFrom,
    /// Only `to`, which is for nobody else.
    OnlyTo,
    /// The same, and the policy has no `rules` for them either.
    OnlyToWithoutRules,
}

/// Whether gateways are among those that a policy is for (`IncludesGateways` in `api/common/v1alpha1/targetref.go`).
fn includes_gateways(target: Option<&TargetRef>) -> bool {
    let Some(target) = target else { return true };
    match target.kind.as_str() {
        "MeshGateway" | "MeshHTTPRoute" => true,
        "Mesh" | "MeshSubset" => {
            let types = target.proxy_types.as_deref().unwrap_or_default();
            types.is_empty() || types.iter().any(|kind| kind == "Gateway")
        }
        _ => false,
    }
}

/// The rules for `targetRef`, `to`, `from` and `rules`; `conf` has those for each configuration.
fn policy<C>(
    report: &mut Report<'_>,
    policy: &Policy<C>,
    shape: &Shape,
    conf: impl Fn(&mut Report<'_>, &Path, &C, &str),
) {
    let target = policy.target_ref.as_ref();
    let top = target.map_or("Mesh", |target| target.kind.as_str());
    let is_inbound = !shape.from.is_empty() && !(policy.rules.is_empty() && policy.from.is_empty());
    if let Some(target) = target {
        target_ref_at_top(
            report,
            &Path::of("targetRef"),
            target,
            shape.top,
            is_inbound,
        );
    }
    together(report, policy, shape);
    let reaches_gateways = includes_gateways(target);
    let is_of_gateway = matches!(top, "MeshGateway" | "MeshHTTPRoute");
    if let Some(text) = no_from(shape, reaches_gateways, is_of_gateway)
        && !policy.from.is_empty()
    {
        report.violation(&Path::of("from"), text);
    } else {
        for (index, entry) in policy.from.iter().enumerate() {
            let path = Path::of("from").index(index);
            target_ref(
                report,
                &path.field("targetRef"),
                &entry.target_ref,
                shape.from,
            );
            conf(report, &path.field("default"), &entry.conf, top);
        }
    }
    let only_to = matches!(
        shape.gateways,
        Gateways::OnlyTo | Gateways::OnlyToWithoutRules
    );
    if only_to && !reaches_gateways && !policy.to.is_empty() {
        report.violation(&Path::of("to"), "must not be defined");
    } else {
        for (index, entry) in policy.to.iter().enumerate() {
            let path = Path::of("to").index(index);
            let kinds = if is_of_gateway {
                shape.to_of_gateway
            } else {
                shape.to
            };
            target_ref(report, &path.field("targetRef"), &entry.target_ref, kinds);
            conf(report, &path.field("default"), &entry.conf, top);
        }
    }
    let has_rules = !policy.rules.is_empty();
    if shape.gateways == Gateways::OnlyToWithoutRules && reaches_gateways && has_rules {
        return report.violation(&Path::of("rules"), "must not be defined");
    }
    for (index, rule) in policy.rules.iter().enumerate() {
        let path = Path::of("rules").index(index);
        for (index, entry) in rule.matches.iter().enumerate() {
            client(report, &path.field("matches").index(index), entry, shape);
        }
        conf(report, &path.field("default"), &rule.conf, top);
    }
}

/// Which of `to`, `from` and `rules` go together.
fn together<C>(report: &mut Report<'_>, policy: &Policy<C>, shape: &Shape) {
    let root = Path::root();
    if shape.from.is_empty() {
        for (field, is_there) in [
            ("from", !policy.from.is_empty()),
            ("rules", !policy.rules.is_empty()),
        ] {
            if is_there {
                let finding = Diagnostic::error(Code::InvalidValue, "must not be defined");
                report.beyond(&Path::of(field), finding.help("the policy has only `to`"));
            }
        }
        return;
    }
    let has_rules = !policy.rules.is_empty();
    let has_others = !policy.to.is_empty() || !policy.from.is_empty();
    if has_rules && shape.mixes_rules_and_to && !policy.from.is_empty() {
        report.violation(&root, "field 'from' must be empty when 'rules' is defined");
    } else if has_rules && !shape.mixes_rules_and_to && has_others {
        report.violation(
            &root,
            "fields 'to' and 'from' must be empty when 'rules' is defined",
        );
    }
    if shape.is_never_empty && !has_rules && !has_others {
        report.violation(
            &root,
            "at least one of 'from', 'to' or 'rules' has to be defined",
        );
    }
}

/// Why there may be no `from`, if there may be none.
fn no_from(shape: &Shape, reaches_gateways: bool, is_of_gateway: bool) -> Option<&'static str> {
    match shape.gateways {
        Gateways::NoFrom if is_of_gateway => Some("must not be defined"),
        Gateways::OnlyTo | Gateways::OnlyToWithoutRules if reaches_gateways => Some(
            "must not be defined when the scope includes a Gateway, select only proxyType Sidecar or select only gateways and use spec.to",
        ),
        _ => None,
    }
}

fn client(report: &mut Report<'_>, path: &Path, entry: &ClientMatch, shape: &Shape) {
    let id = entry.spiffe_id.as_ref();
    matches::spiffe_id(
        report,
        &path.field("spiffeID"),
        id.map(|id| id.value.as_str()),
    );
    let sni = entry.sni.as_ref();
    let sni = sni.map(|sni| (sni.kind.as_str(), sni.value.as_str()));
    matches::sni(report, &path.field("sni"), sni);
    if !shape.has_strict_matches {
        return;
    }
    if id.is_none() && sni.is_none() {
        report.violation(path, "must specify at least one of 'spiffeID' or 'sni'");
    }
    let kind = id.map(|id| id.kind.as_str());
    let path = path.field("spiffeID").field("type");
    match kind {
        None | Some("Exact" | "Prefix") => {}
        Some("") => report.violation(&path, "must be set"),
        Some(kind) => {
            let text = format!("unrecognized type \"{kind}\", supported values are: Exact, Prefix");
            report.violation(&path, text);
        }
    }
}

/// Names fields of rules for some clients that hold for a whole port or connection, before any client is known.
fn conditioned<C>(
    report: &mut Report<'_>,
    policy: &Policy<C>,
    fields: impl Fn(&C) -> Vec<&'static str>,
) {
    for (index, rule) in policy.rules.iter().enumerate() {
        if !rule.matches.iter().any(|entry| entry.spiffe_id.is_some()) {
            continue;
        }
        let path = Path::of("rules").index(index).field("default");
        for field in fields(&rule.conf) {
            report.violation(
                &path.join(&Path::of(field)),
                "can't be specified when matches contain spiffeID because this field cannot be conditioned on source identity",
            );
        }
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
    let kind = target.map_or("Mesh", |target| target.kind.as_str());
    let reaches_gateways = matches!(kind, "Mesh" | "MeshSubset") && includes_gateways(target);
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

/// What Kuma accepts and Envoy refuses.
fn refused_by_envoy(report: &mut Report<'_>, path: &Path, text: &str) {
    report.beyond(path, Diagnostic::error(Code::InvalidValue, text));
}

/// A duration that Kuma does not look at, where Envoy takes none that is zero or negative.
fn positive_for_envoy(report: &mut Report<'_>, path: &Path, value: Option<&Duration>) {
    match value {
        Some(Duration::Negative) => refused_by_envoy(report, path, "must be greater than zero"),
        Some(Duration::Of(time)) if time.is_zero() => {
            refused_by_envoy(report, path, "must be greater than zero");
        }
        value => duration(report, path, value, true),
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
            report.violation(path, "must be in inclusive range [0.0, 100.0]");
        }
        _ => {}
    }
}
