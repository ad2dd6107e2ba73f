//! The keys of an issuer of tokens: a JSON Web Key Set (RFC 7517) as it stands in a resource.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

/// Parameters of private keys (RFC 7518 §6.2.2, §6.3.2, RFC 8037 §2).
const PRIVATE: [&str; 7] = ["d", "p", "q", "dp", "dq", "qi", "oth"];

/// Keys, each of a known type and with all that its type needs.
#[derive(Clone, Debug)]
pub struct Jwks {
    keys: Vec<Map<String, Value>>,
    /// Whether it is a set, and not a key alone, which Envoy would not read.
    is_set: bool,
}

impl Jwks {
    /// Reads a set, or a key alone, as Istio does; the error is about the first key that is none.
    pub fn parse(text: &str) -> Result<Self, String> {
        let parsed = serde_json::from_str(text).map_err(|why| why.to_string())?;
        let Value::Object(mut whole) = parsed else {
            return Err("a JSON object is wanted".to_owned());
        };
        let (keys, is_set) = match whole.remove("keys") {
            Some(Value::Array(keys)) => (keys, true),
            Some(_) => return Err("`keys` is no list".to_owned()),
            None => (vec![Value::Object(whole)], false),
        };
        let keys = keys.into_iter().enumerate().map(|(index, key)| match key {
            Value::Object(key) => match complete(&key) {
                Ok(()) => Ok(key),
                Err(why) => Err(format!("key {index}: {why}")),
            },
            _ => Err(format!("key {index}: a JSON object is wanted")),
        });
        let keys = keys.collect::<Result<_, _>>()?;
        Ok(Self { keys, is_set })
    }

    /// The indexes of keys with private parts, shared secrets among them.
    pub fn private(&self) -> Vec<usize> {
        let has = |key: &Map<String, Value>| {
            text(key, "kty") == "oct" || PRIVATE.iter().any(|name| key.contains_key(*name))
        };
        let keys = self.keys.iter().enumerate();
        keys.filter(|(_, key)| has(key)).map(|(i, _)| i).collect()
    }

    /// What Envoy cannot verify tokens with: the index of the key, and why.
    pub fn unusable(&self) -> Vec<(usize, String)> {
        let keys = self.keys.iter().enumerate();
        keys.filter_map(|(index, key)| Some((index, unusable(key)?)))
            .collect()
    }

    /// Whether there is a key that Envoy can verify tokens with.
    pub fn has_usable(&self) -> bool {
        self.keys.iter().any(|key| unusable(key).is_none())
    }

    /// The set without the private parts that nobody needs to verify a token; a shared secret is needed.
    pub fn public(&self, written: &str) -> String {
        let is_private = |key: &Map<String, Value>| PRIVATE.iter().any(|n| key.contains_key(*n));
        if self.is_set && !self.keys.iter().any(is_private) {
            return written.to_owned();
        }
        let mut keys = self.keys.clone();
        for key in &mut keys {
            key.retain(|name, _| !PRIVATE.contains(&name.as_str()));
        }
        json!({ "keys": keys }).to_string()
    }
}

fn text<'k>(key: &'k Map<String, Value>, name: &str) -> &'k str {
    key.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// Whether a key has what its type needs.
fn complete(key: &Map<String, Value>) -> Result<(), String> {
    let (names, needed): (&[_], &[_]) = match text(key, "kty") {
        "RSA" => (&[], &["n", "e"]),
        "EC" => (&["crv"], &["x", "y"]),
        "OKP" => (&["crv"], &["x"]),
        "oct" => (&[], &["k"]),
        "" => return Err("`kty` is missing".to_owned()),
        other => return Err(format!("`kty` is {other:?}, and not RSA, EC, OKP or oct")),
    };
    for name in names.iter().chain(needed) {
        if text(key, name).is_empty() {
            return Err(format!("`{name}` is missing"));
        }
    }
    for name in needed {
        let value = text(key, name).trim_end_matches('=');
        if URL_SAFE_NO_PAD.decode(value).is_err() {
            return Err(format!("`{name}` is not base64url"));
        }
    }
    Ok(())
}

/// What Envoy's `jwt_verify_lib` passes over.
fn unusable(key: &Map<String, Value>) -> Option<String> {
    let (curve, algorithm) = (text(key, "crv"), text(key, "alg"));
    let of: &[&str] = match (text(key, "kty"), curve) {
        ("RSA", _) => &["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"],
        ("EC", "P-256") => &["ES256"],
        ("EC", "P-384") => &["ES384"],
        ("EC", "P-521") => &["ES512"],
        ("OKP", "Ed25519") => &["EdDSA"],
        ("oct", _) => &["HS256", "HS384", "HS512"],
        _ => return Some(format!("the curve {curve:?} is not known")),
    };
    (!algorithm.is_empty() && !of.contains(&algorithm))
        .then(|| format!("`alg` is {algorithm:?}, and not {}", of.join(" or ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_what_their_type_needs() {
        for (text, error) in [
            ("foo", "expected"),
            ("[]", "a JSON object is wanted"),
            (r#"{"keys": 1}"#, "`keys` is no list"),
            (r#"{"keys": [1]}"#, "key 0: a JSON object is wanted"),
            ("{}", "`kty` is missing"),
            (r#"{"keys": [{"kty": "PQ"}]}"#, "key 0: `kty` is \"PQ\""),
            (
                r#"{"keys": [{"kty": "RSA", "e": "AQAB"}]}"#,
                "`n` is missing",
            ),
            (
                r#"{"keys": [{"kty": "EC", "x": "AA", "y": "AA"}]}"#,
                "`crv` is missing",
            ),
            (
                r#"{"keys": [{"kty": "oct", "k": "a b"}]}"#,
                "`k` is not base64url",
            ),
        ] {
            let said = Jwks::parse(text).expect_err(text);
            assert!(said.contains(error), "{text}: {said}");
        }
    }

    #[test]
    fn private_parts_go_no_further() {
        let text =
            r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"AA","d":"AA"},{"kty":"oct","k":"AA"}]}"#;
        let keys = Jwks::parse(text).expect("keys");
        assert_eq!(keys.private(), [0, 1]);
        let public = keys.public(text);
        assert!(!public.contains("\"d\""), "{public}");
        assert!(public.contains("\"k\""), "{public}");
    }

    #[test]
    fn a_set_without_private_parts_stays_as_it_is() {
        let set = r#"{"keys": [ {"kty":"RSA","e":"AQAB","n":"AA","kid":"a"} ]}"#;
        assert_eq!(Jwks::parse(set).expect("keys").public(set), set);
        let alone = r#"{"kty":"RSA","e":"AQAB","n":"AA"}"#;
        let public = Jwks::parse(alone).expect("a key").public(alone);
        assert!(public.starts_with(r#"{"keys":[{"#), "{public}");
    }

    #[test]
    fn keys_that_envoy_passes_over_are_told_apart() {
        for (key, is_usable) in [
            (r#"{"kty":"RSA","e":"AQAB","n":"AA"}"#, true),
            (r#"{"kty":"RSA","e":"AQAB","n":"AA","alg":"PS256"}"#, true),
            (
                r#"{"kty":"RSA","e":"AQAB","n":"AA","alg":"RSA-OAEP"}"#,
                false,
            ),
            (
                r#"{"kty":"EC","crv":"P-256","x":"AA","y":"AA","alg":"ES256"}"#,
                true,
            ),
            (
                r#"{"kty":"EC","crv":"P-256","x":"AA","y":"AA","alg":"ES384"}"#,
                false,
            ),
            (r#"{"kty":"EC","crv":"secp256k1","x":"AA","y":"AA"}"#, false),
            (r#"{"kty":"OKP","crv":"Ed25519","x":"AA"}"#, true),
            (r#"{"kty":"OKP","crv":"X25519","x":"AA"}"#, false),
        ] {
            let keys = Jwks::parse(&format!(r#"{{"keys":[{key}]}}"#)).expect(key);
            assert_eq!(keys.unusable().is_empty(), is_usable, "{key}");
            assert_eq!(keys.has_usable(), is_usable, "{key}");
        }
    }
}
