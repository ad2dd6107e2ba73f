//! Tokens: which are taken, and which routes their claims lead to.

use http_body_util::Empty;
use hyper::Request;
use hyper::body::Bytes;
use serde_json::{Value, json};
use system_tests::client::{Connection, Response, get, request};
use system_tests::tls::Tls;
use system_tests::token::{Signer, keys, shared, unsigned};
use system_tests::{envoy, on_each_envoy};

use crate::gateway::{Gateway, Setup, secret, served};

on_each_envoy! {
    tokens_that_are_not_right_are_refused
    claims_lead_to_routes
    written_headers_are_those_of_tokens_only
    several_issuers_are_told_apart
    a_token_may_be_required
}

const HOST: &str = "a.example.com";

pub(crate) const GATEWAY: &str = "apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge}
spec:
  selector: {app: edge}
  servers:
  - port: {number: 8080, name: http, protocol: HTTP}
    hosts: [a.example.com]
  - port: {number: 8443, name: https, protocol: HTTPS}
    hosts: [a.example.com]
    tls: {mode: SIMPLE, credentialName: web}
";

/// A VirtualService whose last route leads to `web`.
pub(crate) fn routes(http: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: web}}
spec:
  hosts: [a.example.com]
  gateways: [edge]
  http:
{http}
  - route: [{{destination: {{host: web}}}}]
"
    )
}

/// A RequestAuthentication for the gateway.
pub(crate) fn authentication(rules: &str) -> String {
    format!(
        "apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {{name: tokens}}
spec:
  selector: {{matchLabels: {{app: edge}}}}
  jwtRules:
{rules}
"
    )
}

/// A gateway with these routes before the last one and these rules; requests may go to `web` and `admin`.
pub(crate) async fn setup(http: &str, rules: &str) -> anyhow::Result<Setup> {
    Setup::new(GATEWAY)?
        .with(&routes(http))
        .with(&authentication(rules))
        .with(&secret("default", "web", HOST)?)
        .service("web.default.svc.cluster.local", 80)
        .await?
        .service("admin.default.svc.cluster.local", 80)
        .await
}

/// Claims of the issuer `https://issuer.test` for the audience `api`, with more of them.
pub(crate) fn claims(more: &Value) -> Value {
    let mut all = json!({
        "iss": "https://issuer.test", "sub": "somebody", "aud": "api", "exp": 4_000_000_000_u64,
    });
    for (name, value) in more.as_object().into_iter().flatten() {
        all[name] = value.clone();
    }
    all
}

/// A `GET` with a token.
pub(crate) fn bearing(token: &str) -> anyhow::Result<Request<Empty<Bytes>>> {
    let mut made = get(HOST, "/");
    let value = format!("Bearer {token}").parse()?;
    made.headers_mut().insert("authorization", value);
    Ok(made)
}

pub(crate) async fn send(
    gateway: &Gateway,
    request: Request<Empty<Bytes>>,
) -> anyhow::Result<Response> {
    let connection = Connection::open(gateway.at(8080)).await?;
    connection.http1(request).await
}

async fn tokens_that_are_not_right_are_refused(version: &str) -> anyhow::Result<()> {
    let (rsa, ecdsa) = (Signer::rsa("r")?, Signer::ecdsa("e")?);
    let (edwards, stranger) = (Signer::ed25519("d")?, Signer::ecdsa("e")?);
    let set = keys(&[&rsa, &ecdsa, &edwards]);
    let rules = format!("  - {{issuer: 'https://issuer.test', audiences: [api], jwks: '{set}'}}");
    let gateway = setup("", &rules).await?.start(version, &[]).await?;
    envoy::validate(version, &gateway.bootstrap).await?;
    assert_eq!(served(&gateway.get(8080, HOST, "/").await?), WEB);

    let right = claims(&json!({}));
    let public = rsa.key()["n"].to_string();
    for (what, token, status) in [
        ("RSA", rsa.token(&right), 200),
        ("P-256", ecdsa.token(&right), 200),
        ("Ed25519", edwards.token(&right), 200),
        (
            "several audiences",
            rsa.token(&claims(&json!({"aud": ["x", "api"]}))),
            200,
        ),
        (
            "expired",
            rsa.token(&claims(&json!({"exp": 1_000_000_000}))),
            401,
        ),
        (
            "not yet",
            rsa.token(&claims(&json!({"nbf": 3_900_000_000_u64}))),
            401,
        ),
        (
            "another issuer",
            rsa.token(&claims(&json!({"iss": "https://other.test"}))),
            401,
        ),
        (
            "another audience",
            rsa.token(&claims(&json!({"aud": "x"}))),
            403,
        ),
        (
            "no audience",
            rsa.token(&claims(&json!({"aud": null}))),
            401,
        ),
        ("another key", stranger.token(&right), 401),
        ("an unknown key", Signer::rsa("x")?.token(&right), 401),
        ("nobody", unsigned(&right), 401),
        (
            "a public key as secret",
            shared("r", public.as_bytes(), &right),
            401,
        ),
        ("no token", "no-token".to_owned(), 401),
        ("nothing", String::new(), 200),
    ] {
        let answer = send(&gateway, bearing(&token)?).await?;
        assert_eq!(answer.status, status, "{what}: {}", answer.body);
        // What is left is not the service's business.
        if status == 200 && !token.is_empty() {
            let echo = answer.echo()?;
            assert!(!echo.headers.contains_key("authorization"), "{what}");
        }
        let tls = Tls::sni(HOST);
        let connection = Connection::open_tls(gateway.at(8443), &tls).await?;
        let over_tls = connection.http1(bearing(&token)?).await?;
        assert_eq!(over_tls.status, status, "{what} over TLS");
    }

    // The parameter that Envoy looks at, and a changed token.
    let token = ecdsa.token(&right);
    let path = |token: &str| format!("/?access_token={token}");
    assert_eq!(gateway.get(8080, HOST, &path(&token)).await?.status, 200);
    let (start, signature) = token.rsplit_once('.').expect("a signature");
    let changed = format!("{start}.A{}", &signature[1..]);
    let other = format!("{start}.B{}", &signature[1..]);
    let mut refused = 0;
    for token in [&changed, &other] {
        let status = gateway.get(8080, HOST, &path(token)).await?.status;
        refused += usize::from(status == 401);
    }
    assert!(
        refused > 0,
        "one of two first letters is not that of the signature"
    );

    // Whose host it is comes first, whatever the token is.
    for token in [&token, &changed] {
        let mut request = bearing(token)?;
        request
            .headers_mut()
            .insert("host", "b.example.com".parse()?);
        let answer = send(&gateway, request).await?;
        assert_eq!(answer.status, 404);
        assert!(answer.body.starts_with("no_listener"), "{}", answer.body);
    }
    Ok(())
}

const WEB: &str = "web.default.svc.cluster.local:80";
const ADMIN: &str = "admin.default.svc.cluster.local:80";

async fn claims_lead_to_routes(version: &str) -> anyhow::Result<()> {
    let matches = "  - match:
    - {uri: {exact: /exact}, headers: {'@request.auth.claims.group': {exact: admin}}}
    - {uri: {exact: /prefix}, headers: {'@request.auth.claims.group': {prefix: ad}}}
    - {uri: {exact: /regex}, headers: {'@request.auth.claims.group': {regex: 'a.*n'}}}
    - {uri: {exact: /there}, headers: {'@request.auth.claims.group': {}}}
    - {uri: {exact: /nested}, headers: {'@request.auth.claims[realm][roles]': {exact: admin}}}
    - {uri: {exact: /dotted}, headers: {'@request.auth.claims.realm.roles': {exact: admin}}}
    - {uri: {exact: /scope}, headers: {'@request.auth.claims.scope': {exact: write}}}
    - {uri: {exact: /words}, headers: {'@request.auth.claims.words': {exact: two}}}
    - {uri: {exact: /not}, withoutHeaders: {'@request.auth.claims.group': {exact: admin}}}
    - {uri: {exact: /absent}, withoutHeaders: {'@request.auth.claims.group': {}}}
    - {uri: {exact: /both}, headers: {'@request.auth.claims.group': {exact: admin}, '@request.auth.claims.sub': {exact: root}}}
    route: [{destination: {host: admin}}]";
    let signer = Signer::ecdsa("e")?;
    let rules = format!(
        "  - {{issuer: 'https://issuer.test', jwks: '{}', spaceDelimitedClaims: [words]}}",
        keys(&[&signer])
    );
    let gateway = setup(matches, &rules).await?.start(version, &[]).await?;
    envoy::validate(version, &gateway.bootstrap).await?;
    let admin = json!({"group": "admin"});
    for (path, more, to) in [
        ("/exact", admin.clone(), ADMIN),
        ("/exact", json!({"group": "user"}), WEB),
        ("/exact", json!({"group": "administrator"}), WEB),
        ("/exact", json!({"group": ["user", "admin"]}), ADMIN),
        ("/exact", json!({"group": {"admin": "admin"}}), WEB),
        ("/exact", json!({}), WEB),
        ("/prefix", json!({"group": "administrator"}), ADMIN),
        ("/prefix", json!({"group": ["user", "adept"]}), ADMIN),
        ("/prefix", json!({"group": "bad"}), WEB),
        ("/regex", admin.clone(), ADMIN),
        ("/regex", json!({"group": "admins"}), WEB),
        ("/there", json!({"group": "any"}), ADMIN),
        ("/there", json!({}), WEB),
        (
            "/nested",
            json!({"realm": {"roles": ["a", "admin"]}}),
            ADMIN,
        ),
        ("/nested", json!({"realm": {"roles": "admin"}}), ADMIN),
        ("/nested", json!({"realm": {"roles": "user"}}), WEB),
        ("/nested", json!({"roles": "admin", "realm": "admin"}), WEB),
        ("/nested", json!({"realm.roles": "admin"}), WEB),
        ("/dotted", json!({"realm": {"roles": ["admin"]}}), ADMIN),
        ("/scope", json!({"scope": "read write"}), ADMIN),
        ("/scope", json!({"scope": "readwrite"}), WEB),
        ("/words", json!({"words": "one two"}), ADMIN),
        ("/not", json!({"group": "user"}), ADMIN),
        ("/not", admin.clone(), WEB),
        ("/absent", json!({}), ADMIN),
        ("/absent", admin.clone(), WEB),
        ("/both", admin.clone(), WEB),
        ("/both", json!({"group": "admin", "sub": "root"}), ADMIN),
    ] {
        let mut request = bearing(&signer.token(&claims(&more)))?;
        *request.uri_mut() = path.parse()?;
        let answer = send(&gateway, request).await?;
        assert_eq!(served(&answer), to, "{path} {more}");
    }

    // Claims that nobody has verified are none.
    for path in ["/exact", "/prefix", "/regex", "/there", "/nested", "/scope"] {
        assert_eq!(served(&gateway.get(8080, HOST, path).await?), WEB, "{path}");
        let stranger = Signer::ecdsa("e")?.token(&claims(&admin));
        for token in [stranger, unsigned(&claims(&admin))] {
            let mut request = bearing(&token)?;
            *request.uri_mut() = path.parse()?;
            assert_eq!(send(&gateway, request).await?.status, 401, "{path}");
            // A question of a browser is not looked at, and leads no further than without a token.
            let mut question = bearing(&token)?;
            *question.method_mut() = "OPTIONS".parse()?;
            *question.uri_mut() = path.parse()?;
            for (name, value) in [
                ("origin", "https://x.test"),
                ("access-control-request-method", "GET"),
            ] {
                question.headers_mut().insert(name, value.parse()?);
            }
            assert_eq!(served(&send(&gateway, question).await?), WEB, "{path}");
        }
        for name in ["@request.auth.claims.group", "x-jwt-payload"] {
            let raw = format!("GET {path} HTTP/1.1\r\nhost: {HOST}\r\n{name}: admin\r\n\r\n");
            let mut connection = Connection::open(gateway.at(8080)).await?;
            let answer = connection.raw_http1(raw).await?;
            assert_ne!(served(&answer), ADMIN, "{path} {name}");
        }
    }
    Ok(())
}

async fn written_headers_are_those_of_tokens_only(version: &str) -> anyhow::Result<()> {
    let matches = "  - match: [{headers: {x-group: {exact: admin}}}]
    route: [{destination: {host: admin}}]";
    let signer = Signer::ecdsa("e")?;
    let rules = format!(
        "  - issuer: https://issuer.test
    jwks: '{}'
    fromHeaders: [{{name: x-token, prefix: 'Token '}}]
    fromParams: [token]
    fromCookies: [token]
    forwardOriginalToken: true
    outputPayloadToHeader: x-payload
    outputClaimToHeaders: [{{header: x-group, claim: group}}, {{header: x-role, claim: realm.role}}]",
        keys(&[&signer])
    );
    let gateway = setup(matches, &rules).await?.start(version, &[]).await?;
    let token = signer.token(&claims(
        &json!({"group": "admin", "realm": {"role": "root"}}),
    ));
    let with = |name: &'static str, value: String, path: &str| {
        let mut request = get(HOST, path);
        request.headers_mut().insert(name, value.parse()?);
        // What a client writes there counts for nothing.
        for name in ["x-group", "x-payload", "x-role"] {
            request.headers_mut().insert(name, "forged".parse()?);
        }
        anyhow::Ok(request)
    };
    for request in [
        with("x-token", format!("Token {token}"), "/")?,
        with("cookie", format!("token={token}"), "/")?,
        with("x-other", "x".to_owned(), &format!("/?token={token}"))?,
    ] {
        let answer = send(&gateway, request).await?;
        assert_eq!(served(&answer), ADMIN);
        let echo = answer.echo()?;
        assert_eq!(
            echo.headers.get("x-group").map(String::as_str),
            Some("admin")
        );
        assert_eq!(echo.headers.get("x-role").map(String::as_str), Some("root"));
        assert!(echo.headers["x-payload"].starts_with("ey"));
        let seen = format!("{:?} {}", echo.headers, echo.path);
        assert!(seen.contains(&token), "forwarded");
    }
    // Where the token is not looked for there is none.
    assert_eq!(served(&send(&gateway, bearing(&token)?).await?), WEB);
    for method in ["GET", "OPTIONS"] {
        let mut forged = request(method, HOST, "/");
        for (name, value) in [
            ("x-group", "admin"),
            ("x-payload", "eyJncm91cCI6ImFkbWluIn0"),
            ("origin", "https://x.test"),
            ("access-control-request-method", "GET"),
        ] {
            forged.headers_mut().insert(name, value.parse()?);
        }
        let answer = send(&gateway, forged).await?;
        assert_eq!(served(&answer), WEB, "{method}");
        let echo = answer.echo()?;
        assert!(!echo.headers.contains_key("x-group"), "{method}");
        assert!(!echo.headers.contains_key("x-payload"), "{method}");
    }
    Ok(())
}

async fn several_issuers_are_told_apart(version: &str) -> anyhow::Result<()> {
    let matches =
        "  - match: [{headers: {'@request.auth.claims.iss': {exact: 'https://issuer.test'}}}]
    route: [{destination: {host: admin}}]";
    let (one, other) = (Signer::ecdsa("a")?, Signer::ed25519("b")?);
    let rules = format!(
        "  - {{issuer: 'https://other.test', jwks: '{}'}}
  - {{issuer: 'https://issuer.test', jwks: '{}', fromHeaders: [{{name: x-one}}]}}",
        keys(&[&other]),
        keys(&[&one])
    );
    let gateway = setup(matches, &rules).await?.start(version, &[]).await?;
    let of_one = claims(&json!({}));
    let of_other = claims(&json!({"iss": "https://other.test"}));
    let (right, wrong) = (one.token(&of_one), other.token(&of_one));
    let (second, bad) = (other.token(&of_other), one.token(&of_other));
    let none = String::new();
    for (what, authorization, own, found) in [
        ("none", &none, &none, WEB),
        ("the first issuer's", &none, &right, ADMIN),
        ("the second one's", &second, &none, WEB),
        ("a key of the other", &none, &wrong, "401"),
        ("the other key of the other", &bad, &none, "401"),
        ("an issuer of the other place", &right, &none, "401"),
        ("two bad ones", &bad, &wrong, "401"),
    ] {
        let mut request = get(HOST, "/");
        if !authorization.is_empty() {
            let value = format!("Bearer {authorization}").parse()?;
            request.headers_mut().insert("authorization", value);
        }
        if !own.is_empty() {
            request.headers_mut().insert("x-one", own.parse()?);
        }
        let answer = send(&gateway, request).await?;
        assert_eq!(served(&answer), found, "{what}: {}", answer.body);
    }
    // With a bad token beside a right one Istio takes the right one; its claims are the only ones.
    let mut request = bearing(&second)?;
    request.headers_mut().insert("x-one", wrong.parse()?);
    assert_eq!(served(&send(&gateway, request).await?), WEB);
    Ok(())
}

async fn a_token_may_be_required(version: &str) -> anyhow::Result<()> {
    let signer = Signer::ecdsa("e")?;
    let rules = format!(
        "  - {{issuer: 'https://issuer.test', jwks: '{}', presence: REQUIRED}}",
        keys(&[&signer])
    );
    let gateway = setup("", &rules).await?.start(version, &[]).await?;
    assert_eq!(gateway.get(8080, HOST, "/").await?.status, 401);
    let token = signer.token(&claims(&json!({})));
    assert_eq!(served(&send(&gateway, bearing(&token)?).await?), WEB);
    Ok(())
}
