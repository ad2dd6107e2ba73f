//! Tokens (RFC 7519), the keys that they are signed with (RFC 7517), and a server that gives the keys away.

use std::convert::Infallible;

use anyhow::{Context, bail};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use ring::rand::SystemRandom;
use ring::rsa::PublicKeyComponents;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
    RsaKeyPair,
};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::echo::Backend;
use crate::{meshgate, outside};

/// Who signs tokens.
pub struct Signer {
    id: String,
    key: Key,
}

enum Key {
    Rsa(Box<RsaKeyPair>),
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl Signer {
    /// With a new key of P-256.
    pub fn ecdsa(id: &str) -> anyhow::Result<Self> {
        let (random, kind) = (SystemRandom::new(), &ECDSA_P256_SHA256_FIXED_SIGNING);
        let secret = EcdsaKeyPair::generate_pkcs8(kind, &random);
        let secret = secret.ok().context("no key")?;
        let key = EcdsaKeyPair::from_pkcs8(kind, secret.as_ref(), &random);
        Ok(Self::new(id, Key::Ecdsa(key.ok().context("no key")?)))
    }

    /// With a new key of Ed25519.
    pub fn ed25519(id: &str) -> anyhow::Result<Self> {
        let secret = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new());
        let secret = secret.ok().context("no key")?;
        let key = Ed25519KeyPair::from_pkcs8(secret.as_ref());
        Ok(Self::new(id, Key::Ed25519(key.ok().context("no key")?)))
    }

    /// With a new key of RSA.
    pub fn rsa(id: &str) -> anyhow::Result<Self> {
        let bundle = pem::parse_many(meshgate::certificate("keys.example.org", "rsa")?)?;
        let mut blocks = bundle.iter();
        let secret = blocks.find(|block| block.tag().ends_with("PRIVATE KEY"));
        let secret = secret.context("no key")?;
        let key = match secret.tag() {
            "PRIVATE KEY" => RsaKeyPair::from_pkcs8(secret.contents()),
            "RSA PRIVATE KEY" => RsaKeyPair::from_der(secret.contents()),
            other => bail!("{other} is no key of RSA"),
        };
        let key = key.ok().context("no key of RSA")?;
        Ok(Self::new(id, Key::Rsa(Box::new(key))))
    }

    fn new(id: &str, key: Key) -> Self {
        let id = id.to_owned();
        Self { id, key }
    }

    /// The public key.
    pub fn key(&self) -> Value {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match &self.key {
            Key::Rsa(key) => {
                let public = PublicKeyComponents::<Vec<u8>>::from(key.public());
                let (n, e) = (text(&public.n), text(&public.e));
                json!({"kid": self.id, "kty": "RSA", "alg": "RS256", "n": n, "e": e})
            }
            Key::Ecdsa(key) => {
                // A byte for the form, and both numbers.
                let (x, y) = key.public_key().as_ref()[1..].split_at(32);
                json!({"kid": self.id, "kty": "EC", "crv": "P-256", "x": text(x), "y": text(y)})
            }
            Key::Ed25519(key) => {
                let x = text(key.public_key().as_ref());
                json!({"kid": self.id, "kty": "OKP", "crv": "Ed25519", "x": x})
            }
        }
    }

    /// A token with these claims.
    ///
    /// # Panics
    /// If the machine has no random numbers.
    pub fn token(&self, claims: &Value) -> String {
        let algorithm = match &self.key {
            Key::Rsa(_) => "RS256",
            Key::Ecdsa(_) => "ES256",
            Key::Ed25519(_) => "EdDSA",
        };
        let header = json!({"alg": algorithm, "typ": "JWT", "kid": self.id});
        let text = [&header, claims].map(encoded).join(".");
        let random = SystemRandom::new();
        let signature = match &self.key {
            Key::Rsa(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, text.as_bytes(), &mut signature)
                    .expect("a signature");
                signature
            }
            Key::Ecdsa(key) => {
                let signature = key.sign(&random, text.as_bytes());
                signature.expect("a signature").as_ref().to_vec()
            }
            Key::Ed25519(key) => key.sign(text.as_bytes()).as_ref().to_vec(),
        };
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// A token that nobody has signed.
pub fn unsigned(claims: &Value) -> String {
    let header = json!({"alg": "none", "typ": "JWT"});
    format!("{}.", [&header, claims].map(encoded).join("."))
}

/// A token that is signed with a shared secret.
pub fn shared(id: &str, secret: &[u8], claims: &Value) -> String {
    let header = json!({"alg": "HS256", "typ": "JWT", "kid": id});
    let text = [&header, claims].map(encoded).join(".");
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret);
    let signature = ring::hmac::sign(&key, text.as_bytes());
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
}

fn encoded(part: &Value) -> String {
    URL_SAFE_NO_PAD.encode(part.to_string())
}

/// The public keys of signers, as a set.
pub fn keys(of: &[&Signer]) -> String {
    let keys: Vec<_> = of.iter().map(|signer| signer.key()).collect();
    json!({ "keys": keys }).to_string()
}

/// Answers every request with a set of keys, over TLS if that is given.
pub async fn serve_keys(keys: String, tls: Option<&outside::Tls<'_>>) -> anyhow::Result<Backend> {
    let acceptor = tls.map(outside::Tls::acceptor).transpose()?;
    Backend::serve(0, move |stream| {
        let (acceptor, keys) = (acceptor.clone(), keys.clone());
        async move {
            match acceptor {
                None => answer(stream, keys).await,
                // A client that refuses is no failure of a server.
                Some(acceptor) => {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        answer(stream, keys).await;
                    }
                }
            }
        }
    })
    .await
}

async fn answer(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static, keys: String) {
    let service = service_fn(move |_: Request<_>| {
        let body = Full::new(Bytes::from(keys.clone()));
        async move { Ok::<_, Infallible>(Response::new(body)) }
    });
    let _ = auto::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(stream), service)
        .await;
}
