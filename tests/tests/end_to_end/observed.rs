//! What an operator sees of a request: filter state in the access log, and counters.

use system_tests::client::get;
use system_tests::on_each_envoy;

use crate::gateway::{Gateway, assert_served, secret};
use crate::seeds::ROUTES_BY_VHOST;

on_each_envoy! { tags_and_decisions_in_the_access_log counters_by_listener_and_decision }

const LISTENERS: &str = "
type: MeshGateway
mesh: default
name: edge-gateway
selectors:
- match: {kuma.io/service: edge-gateway}
tags: {team: a, tier: front}
conf:
  listeners:
  - {port: 8080, protocol: HTTP, hostname: foo.example.com, tags: {vhost: foo.example.com, team: b}}
  - {port: 8080, protocol: HTTP, hostname: bar.example.com, tags: {vhost: bar.example.com}}
  - port: 8443
    protocol: HTTPS
    hostname: foo.example.com
    tls: {mode: TERMINATE, certificates: [{secret: own}]}
    tags: {vhost: foo.example.com}
  - port: 8443
    protocol: HTTPS
    hostname: bar.example.com
    tls: {mode: TERMINATE, certificates: [{secret: own}]}
";

async fn start(version: &str) -> anyhow::Result<Gateway> {
    let (own, _) = secret("own", "foo.example.com,bar.example.com", "ecdsa")?;
    Gateway::start(version, &[LISTENERS, ROUTES_BY_VHOST, &own]).await
}

/// The tags of Dataplane, gateway and listener, of which the last one wins.
async fn tags_and_decisions_in_the_access_log(version: &str) -> anyhow::Result<()> {
    let gateway = start(version).await?;
    let get_path = async |host, path| gateway.connect().await?.http1(get(host, path)).await;
    assert_served(&get_path("foo.example.com", "/1").await?, "backend-foo");
    assert_served(&get_path("bar.example.com", "/2").await?, "backend-bar");
    assert_eq!(get_path("baz.example.com", "/3").await?.status, 404);
    let malformed = "GET /4 HTTP/1.1\r\nHost: foo.example.com:abc\r\n\r\n".to_owned();
    let malformed = gateway.connect().await?.raw_http1(malformed).await?;
    assert_eq!(malformed.status, 400);
    assert_eq!(
        gateway
            .get_tls("foo.example.com", "bar.example.com")
            .await?
            .status,
        421
    );
    let own = gateway.get_tls("foo.example.com", "foo.example.com");
    assert_served(&own.await?, "backend-foo");
    for (request, facts) in [
        (
            "foo.example.com/1",
            &[
                " 200 ",
                "decision=- reason=- ",
                "listener=edge-gateway/8080/foo.example.com ",
                "tags=&kuma.io/service=edge-gateway&team=b&tier=front&vhost=foo.example.com&",
            ][..],
        ),
        (
            "bar.example.com/2",
            &["tags=&kuma.io/service=edge-gateway&team=a&tier=front&vhost=bar.example.com&"],
        ),
        (
            "baz.example.com/3",
            &[
                " 404 ",
                "decision=reject reason=no_listener owner=- listener=- tags=-",
            ],
        ),
        // Envoy alone would take it for foo.example.com.
        (
            "foo.example.com:abc/4",
            &[
                " 400 ",
                "decision=reject reason=malformed_authority owner=- listener=- tags=-",
            ],
        ),
        (
            "GET bar.example.com/ sni=foo.example.com",
            &[
                " 421 ",
                "decision=reject reason=misdirected ",
                "owner=edge-gateway/8443/bar.example.com ",
                "listener=edge-gateway/8443/foo.example.com ",
            ],
        ),
        (
            "GET foo.example.com/ sni=foo.example.com",
            &[
                " 200 ",
                "decision=- reason=- owner=- listener=edge-gateway/8443/foo.example.com ",
                "tags=&kuma.io/service=edge-gateway&team=a&tier=front&vhost=foo.example.com&",
            ],
        ),
    ] {
        let line = gateway.logged(request).await?;
        for fact in facts {
            assert!(line.contains(fact), "no {fact:?} in {line:?}");
        }
    }
    Ok(())
}

async fn counters_by_listener_and_decision(version: &str) -> anyhow::Result<()> {
    let gateway = start(version).await?;
    let hosts = [
        "foo.example.com",
        "FOO.example.com:8080",
        "bar.example.com",
        "baz.example.com",
    ];
    let requests = hosts.map(|host| get(host, "/")).into();
    gateway.connect().await?.http1_all(requests).await?;
    gateway
        .get_tls("foo.example.com", "bar.example.com")
        .await?;
    let metrics = gateway.envoy.admin_get("/stats/prometheus").await?.body;
    for (labels, count) in [
        (
            &[
                "listener=\"edge-gateway/8080/foo.example.com\"",
                "decision=\"forward\"",
            ][..],
            "2",
        ),
        (
            &[
                "listener=\"edge-gateway/8080/bar.example.com\"",
                "decision=\"forward\"",
            ],
            "1",
        ),
        (&["decision=\"reject\"", "reason=\"no_listener\""], "1"),
        (
            &[
                "listener=\"edge-gateway/8443/foo.example.com\"",
                "decision=\"reject\"",
                "reason=\"misdirected\"",
            ],
            "2",
        ),
    ] {
        let counter = metrics.lines().find(|line| {
            line.starts_with("meshgate_requests{")
                && labels.iter().all(|label| line.contains(label))
        });
        let value = counter.and_then(|line| line.rsplit(' ').next());
        assert_eq!(value, Some(count), "{labels:?} in\n{metrics}");
    }
    Ok(())
}
