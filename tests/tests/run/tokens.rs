//! Keys, and who asks for tokens, change while requests are served.

use serde_json::json;
use system_tests::client::{Connection, get};
use system_tests::echo::Backend;
use system_tests::token::{Signer, keys, serve_keys};

use crate::gateway::{HOST, HTTP, Run};

const ISSUER: &str = "https://issuer.test";

/// A gateway that asks for tokens with these keys.
fn yaml(address: std::net::Ipv4Addr, backend: u16, keys: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: edge}}
spec:
  selector: {{app: edge}}
  servers:
  - {{port: {{number: {HTTP}, name: http, protocol: HTTP}}, bind: {address}, hosts: [{HOST}]}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: web}}
spec:
  hosts: [{HOST}]
  gateways: [edge]
  http:
  - match: [{{headers: {{'@request.auth.claims.sub': {{exact: somebody}}}}}}]
    route: [{{destination: {{host: web.example.org}}}}]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: web}}
spec:
  hosts: [web.example.org]
  resolution: STATIC
  ports: [{{number: 80, name: http, protocol: HTTP, targetPort: {backend}}}]
  endpoints: [{{address: 127.0.0.1}}]
---
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {{name: tokens}}
spec:
  jwtRules:
  - {{issuer: '{ISSUER}', {keys}}}
"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_change_and_tokens_stay_verified() -> anyhow::Result<()> {
    let (old, new) = (Signer::ecdsa("old")?, Signer::ed25519("new")?);
    let backend = Backend::http("web").await?;
    let port = backend.port();
    let server = serve_keys(keys(&[&old]), None).await?;
    let inline = |signer: &Signer| format!("jwks: '{}'", keys(&[signer]));
    let run = Run::start_files(&[], &[], |address, folder| {
        let text = yaml(address, port, &inline(&old));
        std::fs::write(folder.join("gateway.yaml"), text)?;
        Ok(())
    })?;
    run.ready().await?;
    let answer = async |signer: &Signer| -> anyhow::Result<u16> {
        let claims = json!({"iss": ISSUER, "sub": "somebody", "exp": 4_000_000_000_u64});
        let mut request = get(HOST, "/");
        let value = format!("Bearer {}", signer.token(&claims)).parse()?;
        request.headers_mut().insert("authorization", value);
        let connection = Connection::open(run.at()).await?;
        Ok(connection.http1(request).await?.status)
    };
    assert_eq!((answer(&old).await?, answer(&new).await?), (200, 401));
    assert_eq!(run.get(HOST).await?.status, 404);

    run.write(&yaml(run.address, port, &inline(&new)))?;
    run.until_reloads("applied", 1).await?;
    assert_eq!((answer(&old).await?, answer(&new).await?), (401, 200));

    // With a cluster that was not there before.
    let uri = format!("jwksUri: 'http://127.0.0.1:{}/keys'", server.port());
    run.write(&yaml(run.address, port, &uri))?;
    run.until_reloads("applied", 2).await?;
    assert_eq!((answer(&old).await?, answer(&new).await?), (200, 401));

    // Without it claims would not be known: what is served stays.
    let (without, _) = yaml(run.address, port, &uri)
        .split_once("---\napiVersion: security")
        .map(|(start, end)| (start.to_owned(), end.to_owned()))
        .expect("two parts");
    run.write(&without)?;
    run.until_reloads("refused", 1).await?;
    assert!(run.said().contains("MG0690"), "{}", run.said());
    assert_eq!((answer(&old).await?, answer(&new).await?), (200, 401));

    // What is not served is not passed over either.
    let policy = "---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: ask}\nspec: {action: CUSTOM, provider: {name: a}, rules: [{}]}\n";
    run.write(&(yaml(run.address, port, &inline(&new)) + policy))?;
    run.until_reloads("refused", 2).await?;
    assert!(run.said().contains("nobody is asked"), "{}", run.said());
    assert_eq!((answer(&old).await?, answer(&new).await?), (200, 401));
    Ok(())
}
