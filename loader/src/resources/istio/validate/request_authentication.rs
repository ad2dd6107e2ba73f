//! `ValidateRequestAuthentication`, and what Istio takes that would let requests in or keep all of them out.

use crate::diagnostic::{Code, Diagnostic};
use crate::resources::istio::destination_rule::WorkloadSelector;
use crate::resources::istio::jwks::Jwks;
use crate::resources::istio::request_authentication::{
    JwksUri, JwtRule, RequestAuthentication, TargetRef,
};
use crate::resources::report::{Report, Validate};
use crate::source::Path;

use super::{duration, headers, selector, warn};

/// The keys that Envoy knows.
const USABLE: &str = "write keys of RSA, of P-256, P-384 or P-521, or of Ed25519, for signatures";

/// The group and kind of what may be a target.
const TARGETS: [(&str, &str); 4] = [
    ("", "Service"),
    ("networking.istio.io", "ServiceEntry"),
    ("gateway.networking.k8s.io", "Gateway"),
    ("gateway.networking.k8s.io", "GatewayClass"),
];

impl Validate for RequestAuthentication {
    fn validate(&self, report: &mut Report<'_>) {
        let refs = (self.target_ref.as_ref(), self.target_refs.as_slice());
        targets(report, self.selector.as_ref(), refs);
        for (index, rule) in self.jwt_rules.iter().enumerate() {
            check_rule(report, &Path::of("jwtRules").index(index), rule);
        }
    }

    fn pitfalls(&self, report: &mut Report<'_>) {
        for (index, rule) in self.jwt_rules.iter().enumerate() {
            let path = Path::of("jwtRules").index(index);
            keys(report, &path, rule);
            places(report, &path, rule);
        }
    }
}

/// `validateOneOfSelectorType`, `validateWorkloadSelector` and `validatePolicyTargetReferences`.
pub(super) fn targets(
    report: &mut Report<'_>,
    of: Option<&WorkloadSelector>,
    (target, targets): (Option<&TargetRef>, &[TargetRef]),
) {
    let given = [of.is_some(), target.is_some(), !targets.is_empty()];
    if given.iter().filter(|is_given| **is_given).count() > 1 {
        let text = "only one of targetRefs or workloadSelector can be set";
        report.advise(&Path::root(), text, "leave `selector` or `targetRefs`");
    }
    if let Some(of) = of {
        let path = Path::of("selector").field("matchLabels");
        selector(report, &path, &of.match_labels);
        if of.match_labels.is_empty() {
            let text = "workload selector specified without labels";
            warn(report, &path, Code::DoubtfulSetting, text);
        }
    }
    if let Some(target) = target {
        check_target(report, &Path::of("targetRef"), target);
    }
    for (index, target) in targets.iter().enumerate() {
        check_target(report, &Path::of("targetRefs").index(index), target);
    }
}

/// `validatePolicyTargetReference`.
fn check_target(report: &mut Report<'_>, path: &Path, target: &TargetRef) {
    if target.name.is_empty() {
        report.violation(&path.field("name"), "targetRef name must be set");
    }
    if !target.namespace.is_empty() {
        let text =
            "targetRef namespace must not be set; cross namespace referencing is not supported";
        report.violation(&path.field("namespace"), text);
    }
    let group = match target.group.as_str() {
        "core" => "",
        group => group,
    };
    if !TARGETS.contains(&(group, &target.kind)) {
        let text = format!(
            "targetRef must be to one of [core/Service networking.istio.io/ServiceEntry \
             gateway.networking.k8s.io/Gateway gateway.networking.k8s.io/GatewayClass] but was {}/{}",
            target.group, target.kind
        );
        report.violation(&path.field("kind"), text);
    }
}

/// `validateJwtRule` and `warnPrivateJwksKeys`.
fn check_rule(report: &mut Report<'_>, path: &Path, rule: &JwtRule) {
    let empty = |report: &mut Report<'_>, field: &str, list: &[String], text: &str| {
        for (index, _) in list.iter().enumerate().filter(|(_, own)| own.is_empty()) {
            report.violation(&path.field(field).index(index), text);
        }
    };
    let text = "audience must be non-empty string";
    empty(report, "audiences", &rule.audiences, text);
    if rule.issuer.is_empty() && rule.jwks_uri.is_empty() {
        let text = "issuer or jwksUri must be non-empty string";
        report.violation(&path.field("issuer"), text);
    }
    if !rule.jwks_uri.is_empty()
        && let Err(text) = JwksUri::parse(&rule.jwks_uri)
    {
        let help = "write `https://`, a host, and the path of the keys";
        report.advise(&path.field("jwksUri"), text, help);
    }
    if !rule.jwks.is_empty() {
        let path = path.field("jwks");
        match Jwks::parse(&rule.jwks) {
            Err(why) => {
                let help = "write a set of public keys, `{\"keys\": [{\"kty\": …}]}`";
                report.advise(&path, format!("jwks parse error: {why}"), help);
            }
            Ok(keys) => {
                for index in keys.private() {
                    let text = format!(
                        "jwks key at index {index} contains private key material; only public keys are used for verification"
                    );
                    let finding = Diagnostic::warning(Code::DoubtfulSetting, text);
                    let help = "write its public part only: who reads this can sign tokens";
                    report.say(&path, finding.help(help));
                }
            }
        }
    }
    for (index, from) in rule.from_headers.iter().enumerate() {
        if from.name.is_empty() {
            let path = path.field("fromHeaders").index(index).field("name");
            report.violation(&path, "location header name must be non-empty string");
        }
    }
    let text = "location query must be non-empty string";
    empty(report, "fromParams", &rule.from_params, text);
    let text = "cookie name must be non-empty string";
    empty(report, "fromCookies", &rule.from_cookies, text);
    for (index, to) in rule.output_claim_to_headers.iter().enumerate() {
        let path = path.field("outputClaimToHeaders").index(index);
        if to.claim.is_empty() || to.header.is_empty() {
            let text = "outputClaimToHeaders header and claim value must be non-empty string";
            report.violation(&path, text);
        } else if !headers::is_strict(&to.header) {
            let text = format!("header name {} is not a valid header name", to.header);
            report.violation(&path.field("header"), text);
        }
    }
    duration(report, &path.field("timeout"), rule.timeout.as_ref());
    let text = "space delimited claim must be non-empty string";
    empty(
        report,
        "spaceDelimitedClaims",
        &rule.space_delimited_claims,
        text,
    );
}

/// Where the keys come from.
fn keys(report: &mut Report<'_>, path: &Path, rule: &JwtRule) {
    if rule.jwks.is_empty() && rule.jwks_uri.is_empty() {
        let text = "jwks or jwksUri is missing: Istio's control plane would look for the keys at the issuer";
        let finding = Diagnostic::error(Code::NoTokenKeys, text);
        let help = "write `jwksUri`: it is `jwks_uri` in `/.well-known/openid-configuration` of the issuer";
        return report.beyond(path, finding.help(help));
    }
    if rule.jwks.is_empty() {
        return;
    }
    if !rule.jwks_uri.is_empty() {
        let text = "not used, as `jwks` is given";
        let finding = Diagnostic::warning(Code::DoubtfulSetting, text);
        let help = "remove one of them";
        report.beyond(&path.field("jwksUri"), finding.help(help));
    }
    let Ok(keys) = Jwks::parse(&rule.jwks) else {
        return; // which is a finding already
    };
    let path = path.field("jwks");
    if !keys.has_usable() {
        let why: Vec<_> = keys.unusable().into_iter().map(|(_, why)| why).collect();
        let why = if why.is_empty() {
            "there is none".to_owned()
        } else {
            why.join("; ")
        };
        let text = format!("Envoy cannot verify tokens with any of these keys: {why}");
        let finding = Diagnostic::error(Code::UnusableTokenKeys, text);
        return report.beyond(&path, finding.help(USABLE));
    }
    for (index, why) in keys.unusable() {
        let text = format!("Envoy passes over the key at index {index}: {why}");
        let finding = Diagnostic::warning(Code::UnusableTokenKeys, text);
        report.beyond(&path, finding.help(USABLE));
    }
}

/// Headers that tokens are read from and claims are written to. Envoy refuses its whole configuration for some names;
/// others would lead round what was decided before.
fn places(report: &mut Report<'_>, path: &Path, rule: &JwtRule) {
    for (index, from) in rule.from_headers.iter().enumerate() {
        if !from.name.is_empty() && !headers::is_token(&from.name) {
            let path = path.field("fromHeaders").index(index).field("name");
            unusable(report, &path, &from.name);
        }
    }
    let claims = rule.output_claim_to_headers.iter().enumerate();
    let claims = claims.map(|(index, to)| {
        let path = path.field("outputClaimToHeaders").index(index);
        (path.field("header"), &to.header)
    });
    let whole = &rule.output_payload_to_header;
    let whole = (path.field("outputPayloadToHeader"), whole);
    for (path, name) in std::iter::once(whole).chain(claims) {
        if name.is_empty() {
            continue;
        }
        if name.eq_ignore_ascii_case("host") {
            let text = format!(
                "{name}: the issuer of the token would choose the host, behind the check of who owns it"
            );
            let finding = Diagnostic::error(Code::UnsafeTokenHeader, text);
            report.beyond(&path, finding.help("write another header"));
        } else if !headers::is_token(name) {
            unusable(report, &path, name);
        }
    }
}

fn unusable(report: &mut Report<'_>, path: &Path, name: &str) {
    let text = format!("header name {name} is not a valid header name");
    let finding = Diagnostic::error(Code::UnsafeTokenHeader, text);
    report.beyond(path, finding.help("write letters, digits and `-`"));
}
