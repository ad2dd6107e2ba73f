//! VirtualServices that others delegate to.

use system_tests::client::{Connection, get, request};
use system_tests::{envoy, on_each_envoy};

use crate::gateway::{Setup, served};

on_each_envoy! { delegates_serve_in_the_place_of_their_roots }

const RESOURCES: &str = "apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge, namespace: roots}
spec:
  selector: {app: edge}
  servers:
  - port: {number: 8080, name: http, protocol: HTTP}
    hosts: ['*.example.com']
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: root, namespace: roots}
spec:
  hosts: [a.example.com]
  gateways: [edge]
  http:
  - match: [{uri: {prefix: /shop}, method: {exact: GET}}]
    headers: {response: {set: {x-root: 'yes'}}}
    delegate: {name: shop, namespace: team}
  - match: [{uri: {prefix: /missing}}]
    delegate: {name: missing}
  - match: [{uri: {prefix: /private}}]
    delegate: {name: private, namespace: team}
  - match: [{uri: {prefix: /host}}]
    delegate: {name: host, namespace: team}
  - match: [{uri: {prefix: /all}}]
    delegate: {name: all, namespace: team}
  - route: [{destination: {host: rest.example.org, port: {number: 80}}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop, namespace: team}
spec:
  http:
  - match: [{uri: {exact: /shop/cart}}]
    rewrite: {uri: /cart}
    route: [{destination: {host: cart}}]
  - match: [{uri: {prefix: /elsewhere}}]
    route: [{destination: {host: cart}}]
  - match: [{headers: {x-own: {exact: 'yes'}}}]
    headers: {response: {set: {x-delegate: 'yes'}}}
    route: [{destination: {host: items}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: private, namespace: team}
spec:
  exportTo: [.]
  http: [{route: [{destination: {host: items}}]}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: host, namespace: team}
spec:
  hosts: [items]
  http: [{route: [{destination: {host: items}}]}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: all, namespace: team}
spec:
  exportTo: [roots]
  http: [{route: [{destination: {host: items}}]}]
";

async fn delegates_serve_in_the_place_of_their_roots(version: &str) -> anyhow::Result<()> {
    let setup = Setup::new(RESOURCES)?
        .service("rest.example.org", 80)
        .await?
        .service("cart.team.svc.cluster.local", 80)
        .await?
        .service("items.team.svc.cluster.local", 80)
        .await?;
    let gateway = setup.start(version, &[]).await?;
    envoy::validate(version, &gateway.bootstrap).await?;
    let host = "a.example.com";
    let (rest, cart, items) = (
        "rest.example.org:80",
        "cart.team.svc.cluster.local:80",
        "items.team.svc.cluster.local:80",
    );
    for (method, path, own, answer) in [
        ("GET", "/shop/cart", false, cart),
        ("POST", "/shop/cart", false, rest),
        ("GET", "/shop/items", true, items),
        // What the delegate does not take goes on to the routes after it.
        ("GET", "/shop/items", false, rest),
        ("GET", "/items", true, rest),
        ("GET", "/elsewhere", false, rest),
        ("GET", "/missing", false, rest),
        ("GET", "/private", false, rest),
        ("GET", "/host", false, rest),
        // A delegate's route for everything takes what its root leaves to it.
        ("GET", "/all", false, items),
        ("GET", "/", false, rest),
    ] {
        let mut asked = request(method, host, path);
        if own {
            asked.headers_mut().insert("x-own", "yes".parse()?);
        }
        let connection = Connection::open(gateway.at(8080)).await?;
        let response = connection.http1(asked).await?;
        assert_eq!(served(&response), answer, "{method} {path} {own}");
    }

    // The root says what the delegate does not.
    let answer = gateway.get(8080, host, "/shop/cart").await?;
    assert_eq!(
        (answer.header("x-root"), answer.echo()?.path.as_str()),
        ("yes", "/cart")
    );
    let mut asked = get(host, "/shop/items");
    asked.headers_mut().insert("x-own", "yes".parse()?);
    let connection = Connection::open(gateway.at(8080)).await?;
    let answer = connection.http1(asked).await?;
    assert_eq!(
        (answer.header("x-root"), answer.header("x-delegate")),
        ("", "yes")
    );

    for said in [
        "delegate virtual service roots/missing not found",
        "delegate virtual service team/private is not exported to roots",
        "virtual service team/host is no delegate: it has hosts",
        "uri: no match of VirtualService/roots/root at http[0] takes all that this one takes",
    ] {
        assert!(
            gateway.findings.contains(said),
            "{said}\n{}",
            gateway.findings
        );
    }
    Ok(())
}
