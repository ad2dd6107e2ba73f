//! Servers that show the workload's own certificate in the mesh by name, `builtin://`.

use system_tests::client::Connection;
use system_tests::outside::Ca;
use system_tests::tls::{Identity, Tls};
use system_tests::{envoy, on_each_envoy};

use crate::gateway::{Setup, served};

on_each_envoy! { servers_show_the_certificate_of_the_mesh }

const RESOURCES: &str = "apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge}
spec:
  selector: {app: edge}
  servers:
  - port: {number: 8443, name: simple, protocol: HTTPS}
    hosts: [s.example.com]
    tls: {mode: SIMPLE, credentialName: 'builtin://'}
  - port: {number: 8443, name: mutual, protocol: HTTPS}
    hosts: [m.example.com]
    tls: {mode: MUTUAL, credentialName: 'builtin://', subjectAltNames: ['spiffe://cluster.local/ns/apps/sa/client']}
  - port: {number: 8443, name: own, protocol: HTTPS}
    hosts: [o.example.com]
    tls: {mode: MUTUAL, credentialName: 'builtin://', caCertCredentialName: clients}
  - port: {number: 8443, name: optional, protocol: HTTPS}
    hosts: [p.example.com]
    tls: {mode: OPTIONAL_MUTUAL, credentialNames: ['builtin://']}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web}
spec:
  hosts: ['*.example.com']
  gateways: [edge]
  http: [{route: [{destination: {host: web.example.org}}]}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: edge}
spec: {template: {metadata: {labels: {app: edge}}, spec: {serviceAccountName: edge-account}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: client, namespace: apps}
spec: {template: {spec: {serviceAccountName: client}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: other, namespace: apps}
spec: {template: {spec: {serviceAccountName: other}}}
";

async fn servers_show_the_certificate_of_the_mesh(version: &str) -> anyhow::Result<()> {
    let clients = Ca::new()?;
    let secret = format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: clients}}\nstringData:\n  ca.crt: |\n    {}\n",
        clients.pem().trim_end().replace('\n', "\n    ")
    );
    let setup = Setup::new(RESOURCES)?
        .with(&secret)
        .service("web.example.org", 80)
        .await?;
    let gateway = setup.start(version, &[]).await?;
    envoy::validate(version, &gateway.bootstrap).await?;
    gateway.certs()?;
    let client = gateway.identity("apps.client")?;
    let other = gateway.identity("apps.other")?;
    let of_others = clients.sign(&["client"], false)?;
    type Row<'a> = (&'a str, Option<&'a Identity>, bool);
    let rows: [Row<'_>; 12] = [
        ("s.example.com", None, true),
        ("s.example.com", Some(&of_others), true),
        ("m.example.com", Some(&client), true),
        ("m.example.com", Some(&other), false),
        ("m.example.com", Some(&of_others), false),
        ("m.example.com", None, false),
        ("o.example.com", Some(&of_others), true),
        ("o.example.com", Some(&client), false),
        ("o.example.com", None, false),
        ("p.example.com", None, true),
        ("p.example.com", Some(&other), true),
        ("p.example.com", Some(&of_others), false),
    ];
    for (sni, identity, is_served) in rows {
        let tls = Tls::sni(sni);
        let tls = match identity {
            Some(identity) => tls.identity(identity),
            None => tls,
        };
        let response = gateway.get_tls(8443, &tls, sni, "/").await;
        let found = response.ok().map(|response| served(&response));
        let expected = is_served.then(|| "web.example.org:80".to_owned());
        assert_eq!(found, expected, "{sni} {}", identity.is_some());
    }
    let simple = Tls::sni("s.example.com");
    let session = Connection::open_tls(gateway.at(8443), &simple).await?;
    let shown = session.certificate.unwrap_or_default();
    let id = b"spiffe://cluster.local/ns/default/sa/edge-account";
    assert!(shown.windows(id.len()).any(|part| part == id));
    Ok(())
}
