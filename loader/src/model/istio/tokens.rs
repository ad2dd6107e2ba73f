//! Whose tokens requests to a gateway may carry: RequestAuthentications (`pilot/pkg/model/authentication.go`,
//! `policyattachment.go` and `pilot/pkg/security/authn/policy_applier.go` at 1.32).

use std::time::Duration;

use super::clusters::Clusters;
use super::names;
use super::workload::Workload;
use crate::diagnostic::{Code, Diagnostic};
use crate::model::kuma::Input;
use crate::model::{TokenKeys, TokenRule};
use crate::resources::istio::jwks::Jwks;
use crate::resources::istio::request_authentication::{
    JwksUri, JwtRule, Presence, RequestAuthentication, TargetRef,
};
use crate::resources::{Duration as GoDuration, Resource};
use crate::source::Path;

/// The namespace whose resources are for all others, too.
const ROOT: &str = "istio-system";

/// The label of workloads that are gateways of the Gateway API.
const GATEWAY_NAME: &str = "gateway.networking.k8s.io/gateway-name";

/// The group of those gateways.
const GATEWAY_API: &str = "gateway.networking.k8s.io";

/// Claims that always are lists with spaces between (`buildSpaceDelimitedClaims`).
const LISTS: [&str; 2] = ["permission", "scope"];

/// The rules of a workload, by issuer.
pub(super) fn of_workload<'a>(
    input: Input<'a>,
    workload: &Workload,
    clusters: &mut Clusters<'a>,
    findings: &mut Vec<Diagnostic>,
) -> Vec<TokenRule> {
    let mut written: Vec<Rule<'a>> = Vec::new();
    for resource in attached(input, workload) {
        let rules = resource.spec.jwt_rules.iter().enumerate();
        written.extend(rules.map(|(index, rule)| Rule {
            resource,
            path: Path::of("jwtRules").index(index),
            spec: rule,
        }));
    }
    written.sort_by(|a, b| a.spec.issuer.cmp(&b.spec.issuer));
    only_one_if_required(&written, findings);
    hidden_tokens(&written, findings);
    let rules = written.iter();
    rules
        .filter_map(|own| own.made(input, clusters, findings))
        .collect()
}

/// The resources that are for a workload: those of its namespace, then those of the root namespace.
fn attached<'a>(input: Input<'a>, workload: &Workload) -> Vec<&'a Resource<RequestAuthentication>> {
    let all = || input.resources.istio.request_authentications.iter();
    let mut namespaces = vec![workload.namespace.as_str(), ROOT];
    namespaces.dedup();
    let mut attached = Vec::new();
    for namespace in namespaces {
        let own = all().filter(|own| own.meta.namespace() == namespace);
        let mut own: Vec<_> = own.filter(|own| is_attached(own, workload)).collect();
        own.sort_by(|a, b| names::order(a, b));
        attached.extend(own);
    }
    attached
}

/// `ShouldAttachPolicy`: targets are for gateways of the Gateway API, and for no other workload.
fn is_attached(own: &Resource<RequestAuthentication>, workload: &Workload) -> bool {
    if own.spec.targets().next().is_none() {
        let selector = own.spec.selector.as_ref();
        return selector.is_none_or(|of| workload.is_selected_by(&of.match_labels));
    }
    let Some(gateway) = workload.labels.get(GATEWAY_NAME) else {
        return false;
    };
    let names = |target: &TargetRef| is_gateway(target) && target.name == *gateway;
    own.meta.namespace() == workload.namespace && own.spec.targets().any(names)
}

fn is_gateway(target: &TargetRef) -> bool {
    target.group == GATEWAY_API && target.kind == "Gateway"
}

/// Names the resources that are for none of the workloads: their tokens are not looked at.
pub(super) fn unused(input: Input<'_>, workloads: &[Workload], findings: &mut Vec<Diagnostic>) {
    for own in &input.resources.istio.request_authentications {
        let is_of_root = own.meta.namespace() == ROOT;
        let is_for = |workload: &Workload| {
            (is_of_root || own.meta.namespace() == workload.namespace) && is_attached(own, workload)
        };
        if workloads.iter().any(is_for) {
            continue;
        }
        let field = if own.spec.targets().next().is_none() {
            "selector"
        } else if own.spec.target_refs.is_empty() {
            "targetRef"
        } else {
            "targetRefs"
        };
        let path = Path::of(field);
        findings.push(if own.spec.targets().any(is_gateway) {
            let text = "the gateway is none of the Gateway API: Istio does not attach this to it, and requests with \
                        invalid tokens get in";
            let finding = own.error(Code::UnusedAuthentication, &path, text);
            finding.help("write `selector: {matchLabels: …}` with the labels of the gateway's workload")
        } else {
            let text = "no gateway is selected, so that no token is looked at";
            let finding = own.warning(Code::UnusedAuthentication, &path, text);
            finding.help(format!(
                "compare the labels with those of the gateway's workload, and put it into the namespace of that or into {ROOT}; \
                 of proxies next to services meshgate makes none here"
            ))
        });
    }
}

/// A rule where it is written.
struct Rule<'a> {
    resource: &'a Resource<RequestAuthentication>,
    path: Path,
    spec: &'a JwtRule,
}

impl<'a> Rule<'a> {
    /// What has been named while it was read is left out; it stops the gateway.
    fn made(
        &self,
        input: Input<'a>,
        clusters: &mut Clusters<'a>,
        findings: &mut Vec<Diagnostic>,
    ) -> Option<TokenRule> {
        let rule = self.spec;
        let mut lists: Vec<_> = rule.space_delimited_claims.clone();
        lists.extend(LISTS.map(str::to_owned));
        lists.sort();
        lists.dedup();
        let headers = rule.from_headers.iter();
        let claims = rule.output_claim_to_headers.iter();
        Some(TokenRule {
            issuer: rule.issuer.clone(),
            audiences: rule.audiences.clone(),
            keys: self.keys(clusters, findings)?,
            headers: headers
                .map(|from| (from.name.clone(), from.prefix.clone()))
                .collect(),
            parameters: rule.from_params.clone(),
            cookies: rule.from_cookies.clone(),
            payload_header: rule.output_payload_to_header.clone(),
            claim_headers: claims
                .map(|to| (to.header.clone(), to.claim.clone()))
                .collect(),
            is_forwarded: rule.forward_original_token,
            lists,
            is_required: rule.presence == Presence::Required,
            origin: input.origin(self.resource, &self.path),
        })
    }

    fn keys(
        &self,
        clusters: &mut Clusters<'a>,
        findings: &mut Vec<Diagnostic>,
    ) -> Option<TokenKeys> {
        let rule = self.spec;
        if !rule.jwks.is_empty() {
            let keys = Jwks::parse(&rule.jwks).ok()?;
            return Some(TokenKeys::Inline(keys.public(&rule.jwks)));
        }
        let uri = JwksUri::parse(&rule.jwks_uri).ok()?;
        let timeout = rule.timeout.as_ref().and_then(GoDuration::get);
        let path = self.path.field("jwksUri");
        Some(TokenKeys::Remote {
            uri: rule.jwks_uri.clone(),
            cluster: clusters.of_keys(&uri, self.resource, &path, findings),
            timeout: timeout.unwrap_or(Duration::from_secs(5)),
        })
    }
}

/// With another rule Envoy would take a token of that one for enough.
fn only_one_if_required(rules: &[Rule<'_>], findings: &mut Vec<Diagnostic>) {
    for own in rules.iter().filter(|_| rules.len() > 1) {
        if own.spec.presence == Presence::Required {
            let path = own.path.field("presence");
            let text = "not served beside other rules of the gateway: a token of another issuer would be enough";
            let finding = own.resource.error(Code::NotServedField, &path, text);
            let help = "leave this rule alone, or match a claim of its tokens in the routes";
            findings.push(finding.help(help));
        }
    }
}

/// Envoy removes the headers that it writes claims to before it looks for tokens: one in such a header is never seen,
/// and the request goes on as one without a token.
fn hidden_tokens(rules: &[Rule<'_>], findings: &mut Vec<Diagnostic>) {
    let read: Vec<_> = rules
        .iter()
        .flat_map(|own| own.spec.token_headers())
        .collect();
    for own in rules {
        let whole = &own.spec.output_payload_to_header;
        let whole = (own.path.field("outputPayloadToHeader"), whole);
        let claims = own.spec.output_claim_to_headers.iter().enumerate();
        let claims = claims.map(|(index, to)| {
            let path = own.path.field("outputClaimToHeaders").index(index);
            (path.field("header"), &to.header)
        });
        for (path, name) in std::iter::once(whole).chain(claims) {
            if read.contains(&name.to_ascii_lowercase()) {
                let text = format!(
                    "{name}: tokens are read from this header, and what is written to it replaces them before"
                );
                let finding = own.resource.error(Code::UnsafeTokenHeader, &path, text);
                findings.push(finding.help("write another header"));
            }
        }
    }
}
