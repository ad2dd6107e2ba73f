//! Who may leave the mesh, and that nothing leads round it.

use system_tests::echo::Backend;
use system_tests::on_each_envoy;

use super::{World, permission, service};

on_each_envoy! {
    forbidden_by_default_and_permitted_by_identity
    no_route_leads_round_a_permission
}

const FORBIDDEN: &str = "
---
type: Mesh
name: default
mtls: {enabledBackend: ca, backends: [{name: ca, type: builtin}]}
routing: {defaultForbidMeshExternalServiceAccess: true}
";

async fn forbidden_by_default_and_permitted_by_identity(version: &str) -> anyhow::Result<()> {
    let backends = [Backend::http("api").await?, Backend::tcp().await?];
    let names = [
        "closed",
        "mine",
        "others",
        "closed-tcp",
        "mine-tcp",
        "others-tcp",
    ];
    let mut resources = FORBIDDEN.to_owned();
    for name in names {
        let (protocol, to) = if name.ends_with("tcp") {
            ("tcp", &backends[1])
        } else {
            ("http", &backends[0])
        };
        resources += &service(name, protocol, "127.0.0.1", to.port(), "");
    }
    let allow =
        |id: &str| format!("allow: [{{spiffeID: {{type: Exact, value: spiffe://default/{id}}}}}]");
    for (name, id) in [
        ("mine", "web"),
        ("mine-tcp", "web"),
        ("others", "else"),
        ("others-tcp", "else"),
    ] {
        resources += &permission(name, &allow(id));
    }
    let world = World::start(version, &names, &resources).await?;
    for (index, expected) in [
        (0, "403 forbidden_by_default"),
        (1, "200 "),
        (2, "403 client_not_allowed"),
    ] {
        let response = world.get(index, "/").await?;
        let said = format!(
            "{} {}",
            response.status,
            response.header("x-meshgate-reason")
        );
        assert_eq!(said, expected, "{}", names[usize::from(index)]);
    }
    for (index, is_open) in [(3, false), (4, true), (5, false)] {
        assert_eq!(
            world.answers(index).await?,
            is_open,
            "{}",
            names[usize::from(index)]
        );
    }
    let counters = world.envoy.admin_get("/stats/prometheus").await?.body;
    for reason in ["forbidden_by_default", "client_not_allowed"] {
        let is_counted = |line: &&str| line.contains(reason) && line.contains("tcp");
        assert!(counters.lines().any(|line| is_counted(&line)), "{counters}");
    }
    Ok(())
}

async fn no_route_leads_round_a_permission(version: &str) -> anyhow::Result<()> {
    let backends = [Backend::http("api").await?, Backend::tcp().await?];
    let [http, tcp] = [&backends[0], &backends[1]].map(Backend::port);
    let route = |kind: &str, name: &str, rules: &str| {
        format!(
            "
---
type: {kind}
mesh: default
name: {name}
spec:
  targetRef: {{kind: Mesh}}
  to:
  - targetRef: {{kind: MeshExternalService, name: {name}}}
    rules: [{rules}]
"
        )
    };
    let to = |name: &str| {
        format!("backendRefs: [{{kind: MeshExternalService, name: {name}, port: 80}}]")
    };
    let matches = "matches: [{path: {type: PathPrefix, value: /round}}]";
    let resources = [
        service("open", "http", "127.0.0.1", http, ""),
        service("closed", "http", "127.0.0.1", http, ""),
        service("open-tcp", "tcp", "127.0.0.1", tcp, ""),
        service("closed-tcp", "tcp", "127.0.0.1", tcp, ""),
        permission(
            "closed",
            "deny: [{spiffeID: {type: Prefix, value: spiffe://default}}]",
        ),
        permission(
            "closed-tcp",
            "deny: [{spiffeID: {type: Prefix, value: spiffe://default}}]",
        ),
        route(
            "MeshHTTPRoute",
            "open",
            &format!("{{{matches}, default: {{{}}}}}", to("closed")),
        ),
        route(
            "MeshTCPRoute",
            "open-tcp",
            &format!("{{default: {{{}}}}}", to("closed-tcp")),
        ),
    ];
    let world = World::start(version, &["open", "open-tcp"], &resources.concat()).await?;
    assert_eq!(world.get(0, "/").await?.status, 200);
    assert_eq!(world.get(0, "/round").await?.status, 403);
    assert!(!world.answers(1).await?);
    Ok(())
}
