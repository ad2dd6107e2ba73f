//! Whose tokens requests to a gateway may carry: RequestAuthentications
//! (`pilot/pkg/security/authn/policy_applier.go` at 1.32).

use std::collections::HashSet;
use std::time::Duration;

use super::clusters::Clusters;
use crate::diagnostic::{Code, Diagnostic};
use crate::model::kuma::Input;
use crate::model::{TokenKeys, TokenRule};
use crate::resources::istio::jwks::Jwks;
use crate::resources::istio::request_authentication::{
    JwksUri, JwtRule, Presence, RequestAuthentication,
};
use crate::resources::{Duration as GoDuration, Resource};
use crate::source::Path;

/// Claims that always are lists with spaces between (`buildSpaceDelimitedClaims`).
const LISTS: [&str; 2] = ["permission", "scope"];

/// The rules that a workload has by these policies, by issuer.
pub(super) fn of_workload<'a>(
    input: Input<'a>,
    policies: Vec<&'a Resource<RequestAuthentication>>,
    clusters: &mut Clusters<'a>,
    findings: &mut Vec<Diagnostic>,
) -> Vec<TokenRule> {
    let mut written: Vec<Rule<'a>> = Vec::new();
    for resource in policies {
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
    let read: HashSet<_> = rules
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
