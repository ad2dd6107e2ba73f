//! Who may call a service, and who is taken for whom.

use std::fs;
use std::net::SocketAddr;

use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use system_tests::client::{Connection, get};
use system_tests::on_each_envoy;

use super::{ALL_MAY, World, fetch};
use crate::mesh::{between, signed};

on_each_envoy! {
    without_permission_nobody_may_call
    permissions_by_tags
    permissions_by_identity
    the_older_permission_closes_connections
    permissive_services_take_what_comes_in_the_clear
    impostors_are_refused
}

async fn without_permission_nobody_may_call(version: &str) -> anyhow::Result<()> {
    let world = World::start(version, "STRICT", "").await?;
    let response = world.web("/").await?;
    assert_eq!(
        (response.status, &*response.body),
        (403, "RBAC: access denied")
    );
    let mut connection = Connection::open(SocketAddr::new(world.web, 8002)).await?;
    assert_eq!(connection.raw(b"hello\n").await.unwrap_or_default(), b"");
    Ok(())
}

async fn permissions_by_tags(version: &str) -> anyhow::Result<()> {
    let permission = "
type: MeshTrafficPermission
mesh: default
name: not-team-b
spec:
  targetRef: {kind: MeshService, name: backend}
  from:
  - targetRef: {kind: Mesh}
    default: {action: Allow}
  - targetRef: {kind: MeshSubset, tags: {team: b}}
    default: {action: Deny}
";
    let world = World::start(version, "STRICT", permission).await?;
    assert_eq!(world.web("/").await?.status, 200);
    assert_eq!(world.other("/").await?.status, 403);
    let mut connection = Connection::open(SocketAddr::new(world.web, 8002)).await?;
    let answer = connection.raw(b"hello\n").await.unwrap_or_default();
    assert_eq!(answer, b"", "the policy is for another inbound");
    Ok(())
}

async fn permissions_by_identity(version: &str) -> anyhow::Result<()> {
    let permission = "
type: MeshTrafficPermission
mesh: default
name: by-identity
spec:
  rules:
  - default:
      allow: [{spiffeID: {type: Prefix, value: spiffe://default}}]
      deny: [{spiffeID: {type: Exact, value: spiffe://default/other}}]
";
    let world = World::start(version, "STRICT", permission).await?;
    assert_eq!(world.web("/").await?.status, 200);
    assert_eq!(world.other("/").await?.status, 403);
    let [web, other] = [world.web, world.other].map(|ip| SocketAddr::new(ip, 8002));
    let mut connection = Connection::open(web).await?;
    assert_eq!(connection.exchange(b"hello\n", b"\n").await?, b"hello\n");
    let mut connection = Connection::open(other).await?;
    assert_eq!(connection.raw(b"hello\n").await.unwrap_or_default(), b"");
    Ok(())
}

async fn the_older_permission_closes_connections(version: &str) -> anyhow::Result<()> {
    let permission = "
type: TrafficPermission
mesh: default
name: web-may
sources: [{match: {kuma.io/service: web, team: a}}]
destinations: [{match: {kuma.io/service: '*'}}]
";
    let world = World::start(version, "STRICT", permission).await?;
    assert_eq!(world.web("/").await?.status, 200);
    let refused = world.other("/").await?;
    assert_eq!(refused.status, 503);
    assert!(!refused.body.contains("RBAC"), "{refused:?}");
    Ok(())
}

async fn permissive_services_take_what_comes_in_the_clear(version: &str) -> anyhow::Result<()> {
    let permissive = World::start(version, "PERMISSIVE", "").await?;
    let in_the_clear = fetch(permissive.backend, 7001, "/").await?;
    assert_eq!(in_the_clear.status, 200);
    assert_eq!(
        permissive.web("/").await?.status,
        403,
        "who proves who it is needs permission"
    );
    drop(permissive);
    let strict = World::start(version, "STRICT", ALL_MAY).await?;
    assert!(fetch(strict.backend, 7001, "/").await.is_err());
    Ok(())
}

async fn impostors_are_refused(version: &str) -> anyhow::Result<()> {
    let world = World::start(version, "STRICT", ALL_MAY).await?;
    let ca = |mesh: &str| {
        let file = world.dir.path().join(format!("work/meshes/{mesh}/ca.pem"));
        fs::read_to_string(file)
    };
    let own_ca = {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.self_signed(&key)?.pem() + &key.serialize_pem()
    };
    let inbound = SocketAddr::new(world.backend, 7001);
    let ask = async |tls| {
        let connection = Connection::open_tls(inbound, &tls).await?;
        connection.http1(get("backend.test", "/")).await
    };
    let web = "spiffe://default/web";
    let right = between().identity(&signed(&ca("default")?, web, false)?);
    assert_eq!(
        ask(right).await?.status,
        200,
        "the test's own certificates are good"
    );
    for (why, tls) in [
        ("no certificate", between()),
        (
            "an unknown CA",
            between().identity(&signed(&own_ca, web, false)?),
        ),
        (
            "an expired certificate",
            between().identity(&signed(&ca("default")?, web, true)?),
        ),
        (
            "a name of another mesh",
            between().identity(&signed(&ca("default")?, "spiffe://other/web", false)?),
        ),
    ] {
        assert!(ask(tls).await.is_err(), "{why}");
    }
    Ok(())
}
