//! `RequestAuthentication` (`security/v1beta1/request_authentication.proto`): whose tokens requests may carry.

use serde::Deserialize;

use super::destination_rule::WorkloadSelector;
use crate::resources::Duration;

/// Issuers of tokens, and what becomes of what they say.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct RequestAuthentication {
    /// The workloads; all of the namespace if absent, and of the mesh in the root namespace.
    pub selector: Option<WorkloadSelector>,
    /// A gateway of the Gateway API, the older form.
    pub target_ref: Option<TargetRef>,
    /// Gateways of the Gateway API.
    pub target_refs: Vec<TargetRef>,
    /// One for each issuer.
    pub jwt_rules: Vec<JwtRule>,
}

impl Attached for RequestAuthentication {
    fn selector(&self) -> Option<&WorkloadSelector> {
        self.selector.as_ref()
    }

    fn targets(&self) -> Vec<&TargetRef> {
        let older = self.target_ref.iter();
        let older = older.filter(|_| self.target_refs.is_empty());
        self.target_refs.iter().chain(older).collect()
    }
}

/// What is for some workloads.
pub trait Attached {
    /// Their labels.
    fn selector(&self) -> Option<&WorkloadSelector>;

    /// What it is attached to by name: `targetRef` counts where `targetRefs` is empty.
    fn targets(&self) -> Vec<&TargetRef>;
}

/// `PolicyTargetReference`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct TargetRef {
    /// `gateway.networking.k8s.io`, say; empty for Kubernetes' own kinds.
    pub group: String,
    /// The kind.
    pub kind: String,
    /// The name.
    pub name: String,
    /// Has to be empty: it is the namespace of the resource.
    pub namespace: String,
}

/// `JWTRule`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct JwtRule {
    /// `iss` of its tokens; any if empty.
    pub issuer: String,
    /// `aud` of its tokens has to be one of these; anything if there are none.
    pub audiences: Vec<String>,
    /// Where its keys are.
    pub jwks_uri: String,
    /// Its keys, as a JSON Web Key Set (RFC 7517 §5).
    pub jwks: String,
    /// Headers with tokens.
    pub from_headers: Vec<JwtHeader>,
    /// Parameters of the query with tokens.
    pub from_params: Vec<String>,
    /// Cookies with tokens.
    pub from_cookies: Vec<String>,
    /// The header that gets all claims, base64 of JSON.
    pub output_payload_to_header: String,
    /// Whether the service gets to see the token.
    pub forward_original_token: bool,
    /// Headers that get one claim each.
    pub output_claim_to_headers: Vec<ClaimToHeader>,
    /// How long to wait for the keys; 5 seconds if absent.
    pub timeout: Option<Duration>,
    /// Claims that are lists, with spaces between; `scope` and `permission` always are.
    pub space_delimited_claims: Vec<String>,
    /// Whether requests without a token are refused.
    pub presence: Presence,
}

impl JwtRule {
    /// The headers that may hold tokens, in lower case. Where nothing is said it is `Authorization`, and the parameter
    /// `access_token`, as in Envoy.
    pub fn token_headers(&self) -> Vec<String> {
        if self.from_headers.is_empty()
            && self.from_params.is_empty()
            && self.from_cookies.is_empty()
        {
            return vec!["authorization".to_owned()];
        }
        let names = self.from_headers.iter();
        names.map(|from| from.name.to_ascii_lowercase()).collect()
    }
}

/// `JWTHeader`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JwtHeader {
    /// The header.
    pub name: String,
    /// What is before the token, its space included.
    pub prefix: String,
}

/// `ClaimToHeader`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClaimToHeader {
    /// The header.
    pub header: String,
    /// The claim; `.` leads into it.
    pub claim: String,
}

/// `JWTRule.Presence`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum Presence {
    /// Requests may come without a token.
    #[default]
    #[serde(rename = "OPTIONAL", alias = "0")]
    Optional,
    /// They may not.
    #[serde(rename = "REQUIRED", alias = "1")]
    Required,
}

/// A `jwksUri`, taken apart as Envoy does it: everything between `://` and the first `/` is where to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JwksUri {
    /// Whether it is `https`.
    pub is_tls: bool,
    /// A name or an address, the latter without brackets.
    pub host: String,
    /// The port; that of the scheme where none is written.
    pub port: u16,
}

impl JwksUri {
    /// Reads one, or says what is wrong with it in Istio's words (`ParseJwksURI` in `pkg/config/security` at 1.32).
    pub fn parse(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
        let is_tls = match scheme.to_ascii_lowercase().as_str() {
            "http" => false,
            "https" => true,
            other => return Err(format!("URI scheme {other:?} is not supported")),
        };
        if text.contains(|c: char| c.is_control() || c == ' ') {
            return Err(format!("parse {text:?}: invalid character in URL"));
        }
        let authority = rest.split('/').next().unwrap_or_default();
        let (host, port) = match authority.strip_prefix('[') {
            Some(rest) => rest
                .split_once(']')
                .ok_or_else(|| format!("parse {text:?}: missing ']' in host"))?,
            None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
        };
        let port = match port {
            "" | ":" => Some(if is_tls { 443 } else { 80 }),
            port => port.strip_prefix(':').and_then(|port| port.parse().ok()),
        };
        let Some(port) = port.filter(|port| *port > 0) else {
            return Err(format!("parse {text:?}: invalid port after host"));
        };
        if host.is_empty() || host.contains(['@', '?', '#', '\\', '%']) {
            return Err(format!("parse {text:?}: {host:?} is no host"));
        }
        Ok(Self {
            is_tls,
            host: host.to_ascii_lowercase(),
            port,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_say_where_keys_are() {
        for (text, is_tls, host, port) in [
            ("https://foo.com/cert", true, "foo.com", 443),
            ("http://foo.com", false, "foo.com", 80),
            ("HTTPS://Foo.com:8443/a?b#c", true, "foo.com", 8443),
            ("http://[::1]:81/keys", false, "::1", 81),
            ("https://[::1]/keys", true, "::1", 443),
        ] {
            let host = host.to_owned();
            let found = JwksUri { is_tls, host, port };
            assert_eq!(JwksUri::parse(text), Ok(found), "{text}");
        }
    }

    #[test]
    fn other_uris_are_refused() {
        for (text, error) in [
            ("foo.com", "URI scheme \"\" is not supported"),
            ("foo.com:80/a", "URI scheme \"\" is not supported"),
            ("ftp://foo.com", "URI scheme \"ftp\" is not supported"),
            ("https://foo.com:not-a-number", "invalid port"),
            ("https://foo.com:0", "invalid port"),
            ("https://foo.com:65536", "invalid port"),
            ("https://", "is no host"),
            ("https://user@foo.com/", "is no host"),
            ("https://foo.com?a=b", "is no host"),
            ("https://[::1", "missing ']'"),
            ("https://foo.com/a\nb", "invalid character"),
        ] {
            let said = JwksUri::parse(text).expect_err(text);
            assert!(said.contains(error), "{text}: {said}");
        }
    }
}
