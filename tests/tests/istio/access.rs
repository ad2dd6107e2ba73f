//! Who may send what: AuthorizationPolicies of a gateway.

use serde_json::{Value, json};
use system_tests::client::{Connection, request};
use system_tests::token::{Signer, keys};
use system_tests::{envoy, on_each_envoy};

use crate::gateway::{Gateway, served};
use crate::tokens::{claims, setup};

on_each_envoy! {
    tokens_may_be_asked_for
    requests_are_allowed_and_denied
}

const WEB: &str = "web.default.svc.cluster.local:80";

fn policy(name: &str, spec: &str) -> String {
    format!(
        "apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {{name: {name}}}
spec:
  selector: {{matchLabels: {{app: edge}}}}
{spec}
"
    )
}

fn rules(signer: &Signer) -> String {
    format!(
        "  - {{issuer: 'https://issuer.test', jwks: '{}'}}",
        keys(&[signer])
    )
}

/// The service that answered, or the status.
async fn ask(
    gateway: &Gateway,
    method: &str,
    host: &str,
    path: &str,
    headers: &[(&'static str, String)],
) -> anyhow::Result<String> {
    let mut made = request(method, host, path);
    for (name, value) in headers {
        made.headers_mut().insert(*name, value.parse()?);
    }
    let connection = Connection::open(gateway.at(8080)).await?;
    Ok(served(&connection.http1(made).await?))
}

async fn tokens_may_be_asked_for(version: &str) -> anyhow::Result<()> {
    let signer = Signer::ecdsa("e")?;
    let allowed = policy(
        "allow",
        "  rules:
  - from: [{source: {requestPrincipals: ['https://issuer.test/*']}}]
    to: [{operation: {paths: [/any]}}]
  - from: [{source: {requestPrincipals: ['https://issuer.test/root']}}]
    to: [{operation: {paths: [/root]}}]
  - to: [{operation: {paths: [/group, /nested, /aud]}}]
    when: [{key: 'request.auth.claims[group]', values: [admin, 'oper*']}]
  - to: [{operation: {paths: [/nested]}}]
    when: [{key: 'request.auth.claims[realm][roles]', values: [admin]}]
  - to: [{operation: {paths: [/aud]}}]
    when: [{key: request.auth.audiences, values: [api]}, {key: request.auth.presenter, notValues: [robot]}]
  - to: [{operation: {paths: [/open]}}]",
    );
    let denied = policy(
        "deny",
        "  action: DENY
  rules: [{when: [{key: 'request.auth.claims[banned]', values: ['yes']}]}]",
    );
    let setup = setup("", &rules(&signer))
        .await?
        .with(&allowed)
        .with(&denied);
    let gateway = setup.start(version, &[]).await?;
    envoy::validate(version, &gateway.bootstrap).await?;
    for (path, more, found) in [
        ("/any", Some(json!({})), WEB),
        ("/any", Some(json!({"banned": "yes"})), "403"),
        ("/any", Some(json!({"banned": ["no", "yes"]})), "403"),
        ("/any", None, "403"),
        ("/root", Some(json!({"sub": "root"})), WEB),
        ("/root", Some(json!({"sub": "other"})), "403"),
        ("/root", None, "403"),
        ("/group", Some(json!({"group": "admin"})), WEB),
        ("/group", Some(json!({"group": ["x", "operators"]})), WEB),
        ("/group", Some(json!({"group": "user"})), "403"),
        ("/nested", Some(json!({"realm": {"roles": ["admin"]}})), WEB),
        ("/nested", Some(json!({"realm": {"roles": "user"}})), "403"),
        ("/aud", Some(json!({})), WEB),
        ("/aud", Some(json!({"aud": ["x", "api"]})), WEB),
        ("/aud", Some(json!({"aud": "x"})), "403"),
        ("/aud", Some(json!({"azp": "robot"})), "403"),
        ("/aud", None, "403"),
        ("/open", None, WEB),
        ("/open", Some(json!({"banned": "yes"})), "403"),
        (
            "/other",
            Some(json!({"sub": "root", "group": "admin"})),
            "403",
        ),
    ] {
        let more: Option<Value> = more;
        let token = more.as_ref().map(|more| signer.token(&claims(more)));
        let headers = token.map(|token| ("authorization", format!("Bearer {token}")));
        let headers: Vec<_> = headers.into_iter().collect();
        let answer = ask(&gateway, "GET", "a.example.com", path, &headers).await?;
        assert_eq!(answer, found, "{path} {more:?}");
    }
    // A token that is not right is refused before anybody asks what it may do, and a host that nobody owns before that.
    let stranger = Signer::ecdsa("e")?.token(&claims(&json!({"sub": "root"})));
    let bad = [("authorization", format!("Bearer {stranger}"))];
    for (host, path, found) in [
        ("a.example.com", "/root", "401"),
        ("a.example.com", "/open", "401"),
        ("b.example.com", "/open", "404"),
    ] {
        assert_eq!(
            ask(&gateway, "GET", host, path, &bad).await?,
            found,
            "{host}{path}"
        );
    }
    Ok(())
}

async fn requests_are_allowed_and_denied(version: &str) -> anyhow::Result<()> {
    let denied = policy(
        "deny",
        "  action: DENY
  rules:
  - to: [{operation: {paths: [/private*, '*.key']}}]
    from: [{source: {notIpBlocks: [10.0.0.0/8]}}]
  - to: [{operation: {methods: [DELETE], notPaths: [/trash]}}]
  - to: [{operation: {hosts: [a.example.com], paths: [/host]}}]
  - to: [{operation: {ports: ['8080'], paths: [/port]}}]
  - to: [{operation: {ports: ['8081'], paths: [/other]}}]
  - to: [{operation: {paths: [/here]}}]
    from: [{source: {ipBlocks: [127.0.0.0/8]}}]
  - when: [{key: 'request.headers[x-kind]', values: [bad, 'worse*']}]
  - to: [{operation: {paths: [/agent]}}]
    when: [{key: 'request.headers[x-agent]', notValues: ['*']}]
  - to: [{operation: {paths: [/sni]}}]
    when: [{key: connection.sni, values: ['*.example.com']}]",
    );
    let signer = Signer::ecdsa("e")?;
    let setup = setup("", &rules(&signer)).await?.with(&denied);
    let gateway = setup.start(version, &[]).await?;
    envoy::validate(version, &gateway.bootstrap).await?;
    let host = "a.example.com";
    for (method, host, path, headers, found) in [
        ("GET", host, "/", vec![], WEB),
        ("GET", host, "/private/a", vec![], "403"),
        ("GET", host, "/x/../private/a?b", vec![], "403"),
        ("GET", host, "/a/own.key", vec![], "403"),
        ("GET", host, "/a/own.key?x", vec![], "403"),
        ("DELETE", host, "/", vec![], "403"),
        ("DELETE", host, "/trash", vec![], WEB),
        ("GET", host, "/host", vec![], "403"),
        // Neither case nor port leads round it.
        ("GET", "A.Example.COM", "/host", vec![], "403"),
        ("GET", "a.example.com:80", "/host", vec![], "403"),
        ("GET", host, "/port", vec![], "403"),
        ("GET", host, "/other", vec![], WEB),
        ("GET", host, "/here", vec![], "403"),
        ("GET", host, "/", vec![("x-kind", "bad")], "403"),
        ("GET", host, "/", vec![("x-kind", "worse than that")], "403"),
        ("GET", host, "/", vec![("x-kind", "good")], WEB),
        ("GET", host, "/agent", vec![("x-agent", "a")], WEB),
        ("GET", host, "/agent", vec![], "403"),
        ("GET", host, "/sni", vec![], WEB),
    ] {
        let headers = headers.into_iter();
        let headers: Vec<_> = headers.map(|(n, v): (_, &str)| (n, v.to_owned())).collect();
        let answer = ask(&gateway, method, host, path, &headers).await?;
        assert_eq!(answer, found, "{method} {host}{path} {headers:?}");
    }
    let tls = system_tests::tls::Tls::sni(host);
    for (path, found) in [("/sni", "403"), ("/other", WEB), ("/port", WEB)] {
        let answer = gateway.get_tls(8443, &tls, host, path).await?;
        assert_eq!(served(&answer), found, "{path}");
    }

    // Without a rule nobody may do anything.
    let setup = crate::tokens::setup("", &rules(&signer)).await?;
    let setup = setup.with(&policy("nothing", "  action: ALLOW"));
    let gateway = setup.start(version, &[]).await?;
    assert_eq!(ask(&gateway, "GET", host, "/", &[]).await?, "403");
    Ok(())
}
