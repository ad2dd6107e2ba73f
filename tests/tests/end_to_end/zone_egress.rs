//! The proxy of a zone egress: services outside are reached through it, with the TLS that they want, and only by those
//! who may, each in its own mesh.

mod world;

use std::net::SocketAddr;

use system_tests::client::{Connection, HelloAnswer, get, hello};
use system_tests::echo::Backend;
use system_tests::on_each_envoy;
use system_tests::tls::{HelloVersion, Tls};

use self::world::{Setup, World, answers, fetch, sni};
use crate::mesh::{signed, signed_for};

on_each_envoy! {
    services_are_reached_through_it
    what_is_forbidden_is_forbidden_there_too
    rules_about_requests_hold
    older_permissions_hold
    nobody_gets_in_from_elsewhere
    meshes_do_not_get_each_others_services
    what_a_client_writes_about_itself_goes_no_further
    a_dataplane_can_be_one
    other_zones_get_connections_as_they_are
}

const ALL_MAY: &str = "
type: TrafficPermission
mesh: default
name: all
sources: [{match: {kuma.io/service: '*'}}]
destinations: [{match: {kuma.io/service: '*'}}]
";

const WEB: &[(&str, &str)] = &[("default", "web-1")];

async fn services_are_reached_through_it(version: &str) -> anyhow::Result<()> {
    let setup = Setup {
        more: ALL_MAY,
        clients: WEB,
        ..Setup::default()
    };
    let world = World::start(version, setup).await?;
    for (port, name) in [(9001, "api"), (9003, "https"), (9004, "api")] {
        let echo = fetch(world.web, port, "/a?b").await?.echo()?;
        assert_eq!((&*echo.backend, &*echo.path), (name, "/a?b"), "{port}");
    }
    let connection = Connection::open(SocketAddr::new(world.web, 9002)).await?;
    assert!(answers(connection).await);
    Ok(())
}

async fn what_is_forbidden_is_forbidden_there_too(version: &str) -> anyhow::Result<()> {
    let permission = |name: &str, rules: &str| {
        format!(
            "
type: MeshTrafficPermission
mesh: default
name: to-{name}
spec:
  targetRef: {{kind: MeshExternalService, name: {name}}}
  rules: [{{default: {{{rules}}}}}]
---
"
        )
    };
    let web = "{spiffeID: {type: Exact, value: spiffe://default/web}}";
    let more = permission("api", &format!("allow: [{web}]"))
        + &permission("tcp", &format!("allow: [{web}]"));
    let setup = Setup {
        is_forbidden: true,
        more: &more,
        ..Setup::default()
    };
    let world = World::start(version, setup).await?;
    let authority = world.authority("default")?;
    let identity = |name: &str| signed(&authority, &format!("spiffe://default/{name}"), false);
    let both = ["spiffe://default/else", "kuma://team/a"];
    let [web, other, further] = [
        identity("web")?,
        identity("else")?,
        signed_for(&authority, &both, false)?,
    ];
    for (service, who, expected) in [
        ("api", &web, "200 "),
        ("api", &other, "403 client_not_allowed"),
        ("api", &further, "403 client_not_allowed"),
        ("https", &web, "403 forbidden_by_default"),
    ] {
        let response = world.ask(&sni(service, "default"), Some(who)).await?;
        let reason = response.header("x-meshgate-reason");
        let said = format!("{} {reason}", response.status);
        assert_eq!(said, expected, "{service}");
    }
    let at = SocketAddr::new(world.egress, 10002);
    for (who, is_open) in [(&web, true), (&other, false)] {
        let tls = Tls::sni(&sni("tcp", "default"))
            .alpn(&["kuma"])
            .identity(who);
        let connection = Connection::open_tls(at, &tls).await?;
        assert_eq!(answers(connection).await, is_open);
    }
    Ok(())
}

async fn rules_about_requests_hold(version: &str) -> anyhow::Result<()> {
    let more = "
type: MeshTrafficPermission
mesh: default
name: to-api
spec:
  targetRef: {kind: MeshExternalService, name: api}
  rules:
  - default:
      allow:
      - {spiffeID: {type: Exact, value: spiffe://default/web}, pathPrefixes: [/v1]}
      - {spiffeID: {type: Exact, value: spiffe://default/other}}
      deny:
      - {spiffeID: {type: Exact, value: spiffe://default/other}, pathPrefixes: [/v1/admin]}
";
    let setup = Setup {
        more,
        clients: WEB,
        ..Setup::default()
    };
    let world = World::start(version, setup).await?;
    for (path, status) in [("/v1/x", 200), ("/v2", 403)] {
        assert_eq!(fetch(world.web, 9001, path).await?.status, status, "{path}");
    }
    let authority = world.authority("default")?;
    let identity = |name: &str| signed(&authority, &format!("spiffe://default/{name}"), false);
    let [web, other] = [identity("web")?, identity("other")?];
    for (path, who, status) in [
        ("/v1", &web, 200),
        ("/v10", &web, 403),
        ("/v1/../v2", &web, 403),
        ("/v2", &other, 200),
        ("/v1/admin/x", &other, 403),
    ] {
        let name = sni("api", "default");
        let response = world.ask_for(path, &name, Some(who)).await?;
        assert_eq!(response.status, status, "{path}");
    }
    Ok(())
}

async fn older_permissions_hold(version: &str) -> anyhow::Result<()> {
    for (who, status) in [("web", 200), ("else", 503)] {
        let more = format!(
            "
type: TrafficPermission
mesh: default
name: some
sources: [{{match: {{kuma.io/service: {who}}}}}]
destinations: [{{match: {{kuma.io/service: older}}}}]
"
        );
        let setup = Setup {
            more: &more,
            clients: WEB,
            ..Setup::default()
        };
        let world = World::start(version, setup).await?;
        assert_eq!(fetch(world.web, 9004, "/").await?.status, status, "{who}");
    }
    let newer = "
type: MeshTrafficPermission
mesh: default
name: not-team-a
spec:
  targetRef: {kind: MeshService, name: older}
  from:
  - targetRef: {kind: Mesh}
    default: {action: Allow}
  - targetRef: {kind: MeshSubset, tags: {team: a}}
    default: {action: Deny}
";
    let setup = Setup {
        more: newer,
        clients: WEB,
        ..Setup::default()
    };
    let world = World::start(version, setup).await?;
    let refused = fetch(world.web, 9004, "/").await?;
    assert_eq!(
        (refused.status, &*refused.body),
        (403, "RBAC: access denied")
    );
    drop(world);
    let setup = Setup {
        clients: WEB,
        ..Setup::default()
    };
    let world = World::start(version, setup).await?;
    let refused = fetch(world.web, 9004, "/").await?;
    assert_eq!(refused.status, 403, "without permission nobody may");
    Ok(())
}

async fn nobody_gets_in_from_elsewhere(version: &str) -> anyhow::Result<()> {
    let world = World::start(version, Setup::default()).await?;
    let (own, far) = (world.authority("default")?, world.authority("far")?);
    let foreign = {
        let key = rcgen::KeyPair::generate()?;
        let mut params = rcgen::CertificateParams::default();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.self_signed(&key)?.pem() + &key.serialize_pem()
    };
    let web = "spiffe://default/web";
    let name = sni("api", "default");
    let right = signed(&own, web, false)?;
    assert_eq!(world.ask(&name, Some(&right)).await?.status, 200);
    for (why, identity) in [
        ("no certificate", None),
        ("an unknown CA", Some(signed(&foreign, web, false)?)),
        ("the CA of another mesh", Some(signed(&far, web, false)?)),
        ("an expired certificate", Some(signed(&own, web, true)?)),
        (
            "a name of another mesh",
            Some(signed(&own, "spiffe://far/web", false)?),
        ),
        (
            "somebody of another mesh",
            Some(signed(&far, "spiffe://far/web", false)?),
        ),
    ] {
        let answer = world.ask(&name, identity.as_ref()).await;
        assert!(answer.is_err(), "{why}: {answer:?}");
    }
    for other in ["nobody.test", "x.api.80.default.mes"] {
        assert!(world.ask(other, Some(&right)).await.is_err(), "{other}");
    }
    Ok(())
}

async fn meshes_do_not_get_each_others_services(version: &str) -> anyhow::Result<()> {
    let setup = Setup {
        clients: &[("default", "web-1"), ("far", "far-1")],
        ..Setup::default()
    };
    let world = World::start(version, setup).await?;
    for (client, backend) in [(world.web, "api"), (world.far, "other")] {
        let echo = fetch(client, 9001, "/").await?.echo()?;
        assert_eq!(echo.backend, backend);
    }
    let [own, far] = ["default", "far"].map(|mesh| {
        let authority = world.authority(mesh)?;
        signed(&authority, &format!("spiffe://{mesh}/web"), false)
    });
    let (own, far) = (own?, far?);
    assert!(world.ask(&sni("api", "far"), Some(&own)).await.is_err());
    assert!(world.ask(&sni("api", "default"), Some(&far)).await.is_err());
    assert!(world.ask(&sni("https", "far"), Some(&far)).await.is_err());
    Ok(())
}

async fn what_a_client_writes_about_itself_goes_no_further(version: &str) -> anyhow::Result<()> {
    let world = World::start(version, Setup::default()).await?;
    let web = signed(&world.authority("default")?, "spiffe://default/web", false)?;
    let lies = [
        ("x-kuma-tags", "&kuma.io/service=admin&"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-client-cert", "URI=spiffe://default/admin"),
        ("x-meshgate-cluster", "far_api___extsvc_80"),
        ("x-envoy-external-address", "127.0.0.1"),
        ("x-envoy-internal", "true"),
        ("x-envoy-upstream-rq-timeout-ms", "1"),
        ("x-envoy-original-dst-host", "127.0.0.1:1"),
    ];
    let tls = Tls::sni(&sni("api", "default"))
        .alpn(&["kuma"])
        .identity(&web);
    let at = SocketAddr::new(world.egress, 10002);
    let connection = Connection::open_tls(at, &tls).await?;
    let mut request = get("anything.test", "/");
    for (name, value) in lies {
        request.headers_mut().insert(name, value.parse()?);
    }
    let echo = connection.http1(request).await?.echo()?;
    assert_eq!(echo.backend, "api");
    for (name, value) in lies {
        let seen = echo.headers.get(name).map(String::as_str);
        // It leads nowhere, as no cluster has the addresses that clients want; Envoy lets it pass.
        if name != "x-envoy-original-dst-host" {
            assert_ne!(seen, Some(value), "{name}");
        }
        if ["x-kuma-tags", "x-forwarded-for", "x-meshgate-cluster"].contains(&name) {
            assert_eq!(seen, None, "{name}");
        }
    }
    Ok(())
}

async fn a_dataplane_can_be_one(version: &str) -> anyhow::Result<()> {
    let egress = "
type: Dataplane
mesh: default
name: out-1
networking:
  address: {address}
  listeners: [{type: ZoneEgress, address: {address}, port: 10002, name: out}]
";
    let permission = "
type: MeshTrafficPermission
mesh: default
name: out
spec:
  targetRef: {kind: Dataplane, name: out-1, sectionName: out}
  rules:
  - default:
      allow: [{spiffeID: {type: Prefix, value: spiffe://default}}]
      deny: [{spiffeID: {type: Exact, value: spiffe://default/else}}]
";
    let setup = Setup {
        egress,
        name: "out-1",
        is_forbidden: true,
        more: permission,
        clients: &[],
    };
    let world = World::start(version, setup).await?;
    let authority = world.authority("default")?;
    let identity = |name: &str| signed(&authority, &format!("spiffe://default/{name}"), false);
    for (who, status) in [("web", 200), ("else", 403)] {
        let answer = world
            .ask(&sni("api", "default"), Some(&identity(who)?))
            .await?;
        assert_eq!(answer.status, status, "{who}");
    }
    let far = signed(&world.authority("far")?, "spiffe://far/web", false)?;
    assert!(world.ask(&sni("api", "far"), Some(&far)).await.is_err());
    drop(world);
    let setup = Setup {
        egress,
        name: "out-1",
        clients: WEB,
        ..Setup::default()
    };
    let world = World::start(version, setup).await?;
    let echo = fetch(world.web, 9001, "/").await?.echo()?;
    assert_eq!(echo.backend, "api");
    Ok(())
}

/// The ingress gets the client's own greeting, and sends it back here.
async fn other_zones_get_connections_as_they_are(version: &str) -> anyhow::Result<()> {
    let ingress = Backend::tcp().await?;
    let more = format!(
        "
type: ZoneIngress
name: ingress-2
zone: zone-2
networking: {{address: 127.0.0.1, port: {0}, advertisedAddress: 127.0.0.1, advertisedPort: {0}}}
availableServices:
- {{mesh: default, instances: 1, tags: {{kuma.io/service: there}}}}
- {{mesh: far, instances: 1, tags: {{kuma.io/service: there}}}}
",
        ingress.port()
    );
    let setup = Setup {
        more: &more,
        ..Setup::default()
    };
    let world = World::start(version, setup).await?;
    let at = SocketAddr::new(world.egress, 10002);
    for (name, answer) in [
        ("there{mesh=default}", HelloAnswer::ServerHello),
        // Only the first mesh has `zoneEgress`.
        ("there{mesh=far}", HelloAnswer::Closed),
        ("there{mesh=default,version=1}", HelloAnswer::Closed),
    ] {
        let said = hello(at, HelloVersion::Tls12, name).await?;
        assert_eq!(said, answer, "{name}");
    }
    Ok(())
}
