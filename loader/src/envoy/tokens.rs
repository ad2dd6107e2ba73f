//! Tokens of requests, by Envoy's own filter (`convertToEnvoyJwtConfig` in
//! `pilot/pkg/security/authn/policy_applier.go` of Istio at 1.32).
//!
//! It comes after the gateway's filter, so that a host that nobody owns is refused whatever the request carries, and
//! before all others. What a token says is known only once it is verified: the route is then looked for again, with the
//! host that has been decided about.

use std::time::Duration;

use envoy_types::pb::envoy::config::common::mutation_rules::v3::{
    HeaderMutation as Mutation, header_mutation::Action,
};
use envoy_types::pb::envoy::config::core::v3::{
    HttpUri, TypedExtensionConfig, http_uri::HttpUpstreamType,
};
use envoy_types::pb::envoy::config::route::v3::{RouteMatch, route_match::PathSpecifier};
use envoy_types::pb::envoy::extensions::filters::http::jwt_authn::v3::{
    JwksAsyncFetch, JwtAuthentication, JwtClaimToHeader, JwtHeader, JwtProvider, JwtRequirement,
    JwtRequirementAndList, JwtRequirementOrList, RemoteJwks, RequirementRule,
    jwt_provider::{JwksSourceSpecifier, NormalizePayload},
    jwt_requirement::RequiresType,
    requirement_rule::RequirementType,
};
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::HttpFilter;
use envoy_types::pb::envoy::extensions::http::early_header_mutation::header_mutation::v3::HeaderMutation;
use envoy_types::pb::google::protobuf::Empty;

use super::connection_manager::http_filter;
use super::proto;
use crate::model::{TokenKeys, TokenRule};

/// The filter, under whose name it leaves the claims.
pub(super) const JWT_AUTHN: &str = "envoy.filters.http.jwt_authn";

/// Where the claims are in what it leaves.
pub(super) const PAYLOAD: &str = "payload";

/// How long keys count before they are fetched again.
const CACHE: Duration = Duration::from_mins(5);

/// Refuses requests with tokens that are not right; none if there are no rules.
pub(super) fn filter(rules: &[TokenRule]) -> Option<HttpFilter> {
    let requirement = requirement(rules)?;
    let providers = rules.iter().enumerate();
    let config = JwtAuthentication {
        providers: providers
            .map(|(index, rule)| (provider_name(index), provider(rule)))
            .collect(),
        rules: vec![RequirementRule {
            r#match: Some(RouteMatch {
                path_specifier: Some(PathSpecifier::Prefix("/".to_owned())),
                ..RouteMatch::default()
            }),
            requirement_type: Some(RequirementType::Requires(requirement)),
        }],
        // Browsers send no tokens when they ask what they may send.
        bypass_cors_preflight: true,
        ..JwtAuthentication::default()
    };
    Some(http_filter(JWT_AUTHN, config))
}

/// Removes what clients write into the headers that claims are written to, before a route is chosen by them. Envoy's
/// filter does so too, but the route stays, and not at all for questions about other sites.
pub(super) fn early_mutation(rules: &[TokenRule]) -> Option<TypedExtensionConfig> {
    let mut names: Vec<_> = rules.iter().flat_map(TokenRule::written_headers).collect();
    names.sort_unstable();
    names.dedup();
    let remove = |name: &str| Mutation {
        action: Some(Action::Remove(name.to_owned())),
    };
    (!names.is_empty()).then(|| {
        let config = HeaderMutation {
            mutations: names.into_iter().map(remove).collect(),
        };
        proto::extension("envoy.http.early_header_mutation.header_mutation", config)
    })
}

/// Istio's name for it.
fn provider_name(index: usize) -> String {
    format!("origins-{index}")
}

fn provider(rule: &TokenRule) -> JwtProvider {
    JwtProvider {
        issuer: rule.issuer.clone(),
        audiences: rule.audiences.clone(),
        forward: rule.is_forwarded,
        from_headers: rule.headers.iter().map(header).collect(),
        from_params: rule.parameters.clone(),
        from_cookies: rule.cookies.clone(),
        forward_payload_header: rule.payload_header.clone(),
        payload_in_metadata: PAYLOAD.to_owned(),
        normalize_payload_in_metadata: Some(NormalizePayload {
            space_delimited_claims: rule.lists.clone(),
        }),
        claim_to_headers: rule.claim_headers.iter().map(claim_header).collect(),
        clear_route_cache: true,
        jwks_source_specifier: Some(keys(&rule.keys)),
        ..JwtProvider::default()
    }
}

fn header((name, prefix): &(String, String)) -> JwtHeader {
    JwtHeader {
        name: name.clone(),
        value_prefix: prefix.clone(),
    }
}

fn claim_header((header, claim): &(String, String)) -> JwtClaimToHeader {
    JwtClaimToHeader {
        header_name: header.clone(),
        claim_name: claim.clone(),
        ..JwtClaimToHeader::default()
    }
}

/// Keys that are elsewhere are fetched before the listener takes connections, and then in the background: no request
/// waits for them, and where they cannot be had, the last ones stay.
fn keys(keys: &TokenKeys) -> JwksSourceSpecifier {
    match keys {
        TokenKeys::Inline(text) => JwksSourceSpecifier::LocalJwks(proto::inline(text.clone())),
        TokenKeys::Remote {
            uri,
            cluster,
            timeout,
        } => JwksSourceSpecifier::RemoteJwks(RemoteJwks {
            http_uri: Some(HttpUri {
                uri: uri.clone(),
                timeout: Some(proto::duration(*timeout)),
                http_upstream_type: Some(HttpUpstreamType::Cluster(cluster.clone())),
            }),
            cache_duration: Some(proto::duration(CACHE)),
            async_fetch: Some(JwksAsyncFetch::default()),
            ..RemoteJwks::default()
        }),
    }
}

/// With one rule: its token, or none. With several: a token of any of them, or none at all; the last part refuses
/// tokens that none of them takes.
fn requirement(rules: &[TokenRule]) -> Option<JwtRequirement> {
    let by_name = |index| required(RequiresType::ProviderName(provider_name(index)));
    let named: Vec<_> = (0..rules.len()).map(by_name).collect();
    if let ([rule], [named]) = (rules, named.as_slice()) {
        return Some(if rule.is_required {
            named.clone()
        } else {
            or_none(named)
        });
    }
    let each = JwtRequirementAndList {
        requirements: named.iter().map(or_none).collect(),
    };
    (!rules.is_empty()).then(|| {
        let each = required(RequiresType::RequiresAll(each));
        any(named.into_iter().chain([each]))
    })
}

fn or_none(named: &JwtRequirement) -> JwtRequirement {
    any([
        named.clone(),
        required(RequiresType::AllowMissing(Empty {})),
    ])
}

fn any(requirements: impl IntoIterator<Item = JwtRequirement>) -> JwtRequirement {
    required(RequiresType::RequiresAny(JwtRequirementOrList {
        requirements: requirements.into_iter().collect(),
    }))
}

fn required(kind: RequiresType) -> JwtRequirement {
    JwtRequirement {
        requires_type: Some(kind),
    }
}
