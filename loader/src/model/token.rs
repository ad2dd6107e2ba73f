//! Tokens of requests (JSON Web Tokens, RFC 7519): whose count, and what becomes of what they say.

use std::time::Duration;

use super::{HeaderTest, Origin};

/// The tokens of one issuer. A request with one of them that is not right is refused; one without any goes on, and no
/// claim of it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRule {
    /// `iss`; any if empty.
    pub issuer: String,
    /// `aud` has to be one of these; anything if there are none.
    pub audiences: Vec<String>,
    /// What they are signed with.
    pub keys: TokenKeys,
    /// Headers that they are in, each with what is before them. Without any place at all it is `Authorization`, after
    /// `Bearer `, and the parameter `access_token`.
    pub headers: Vec<(String, String)>,
    /// Parameters of the query that they are in.
    pub parameters: Vec<String>,
    /// Cookies that they are in.
    pub cookies: Vec<String>,
    /// The header that gets all claims; none if empty.
    pub payload_header: String,
    /// Headers that get one claim each: header and claim.
    pub claim_headers: Vec<(String, String)>,
    /// Whether the service gets to see them.
    pub is_forwarded: bool,
    /// Claims that are lists, with spaces between.
    pub lists: Vec<String>,
    /// Whether requests without one are refused; only where there is no other rule.
    pub is_required: bool,
    /// The rule.
    pub origin: Origin,
}

impl TokenRule {
    /// The headers that it writes. What a client sends in them counts for nothing.
    pub fn written_headers(&self) -> impl Iterator<Item = &str> {
        let whole = Some(self.payload_header.as_str()).filter(|name| !name.is_empty());
        let claims = self.claim_headers.iter().map(|(header, _)| header.as_str());
        whole.into_iter().chain(claims)
    }
}

/// Where the keys of an issuer are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenKeys {
    /// Here, as a JSON Web Key Set.
    Inline(String),
    /// There; Envoy fetches them, and again every few minutes.
    #[expect(missing_docs, reason = "as in a request")]
    Remote {
        uri: String,
        cluster: String,
        timeout: Duration,
    },
}

/// What a claim has to be. Only those of tokens that are right are known.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClaimMatch {
    /// The names that lead to it.
    pub way: Vec<String>,
    /// What it has to be, or one of its values if it is a list. [`HeaderTest::Not`] takes requests without it, too.
    pub test: HeaderTest,
}
