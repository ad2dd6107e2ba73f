//! Permissions for services outside of the mesh that tell requests apart, and audit mode.

use system_tests::client::request;
use system_tests::echo::Backend;
use system_tests::on_each_envoy;

use crate::external_services::{World, permission, service};
use crate::gateway::own_address;

on_each_envoy! {
    methods_paths_and_tags
    audit_refuses_nothing_and_counts_everything
}

const FORBIDDEN: &str = "
---
type: Mesh
name: default
mtls: {enabledBackend: ca, backends: [{name: ca, type: builtin}]}
routing: {defaultForbidMeshExternalServiceAccess: true}
";

async fn methods_paths_and_tags(version: &str) -> anyhow::Result<()> {
    let backend = Backend::http("api").await?;
    let id = "spiffeID: {type: Exact, value: spiffe://default/web}";
    let rules = format!(
        "deny: [{{pathPrefixes: [/v1/admin]}}], allow: [{{{id}, methods: [GET], pathPrefixes: [/v1]}}, \
         {{tags: {{version: other}}, methods: [PUT]}}, {{tags: {{kuma.io/service: web}}, methods: [POST]}}]"
    );
    let resources = [
        FORBIDDEN.to_owned(),
        service("api", "http", "127.0.0.1", backend.port(), ""),
        permission("api", &rules),
    ];
    let world = World::start(version, &["api"], &resources.concat()).await?;
    for (method, path, expected) in [
        ("GET", "/v1/users", "200 "),
        ("GET", "/v1", "200 "),
        ("GET", "/v2", "403 client_not_allowed"),
        ("GET", "/v10", "403 client_not_allowed"),
        ("GET", "/v1/admin", "403 client_not_allowed"),
        ("GET", "/v1/ADMIN", "403 client_not_allowed"),
        ("GET", "/v1/x/../admin", "403 client_not_allowed"),
        ("GET", "/v1//admin", "403 client_not_allowed"),
        ("GET", "/v1/%61dmin", "403 client_not_allowed"),
        // By Envoy itself.
        ("GET", "/v1%2fadmin", "400 "),
        ("GET", "/v1/admin;x", "400 ambiguous_path"),
        ("POST", "/v2", "200 "),
        ("POST", "/v1/admin", "403 client_not_allowed"),
        ("PUT", "/v1", "403 client_not_allowed"),
        ("DELETE", "/v1", "403 client_not_allowed"),
    ] {
        let connection = world.connect(0).await?;
        let response = connection.http1(request(method, "any.test", path)).await?;
        let said = format!(
            "{} {}",
            response.status,
            response.header("x-meshgate-reason")
        );
        assert_eq!(said, expected, "{method} {path}");
    }
    Ok(())
}

/// By its own outbound, and by the route of another destination.
async fn audit_refuses_nothing_and_counts_everything(version: &str) -> anyhow::Result<()> {
    let backend = Backend::http("api").await?;
    let address = own_address();
    let rest = "
---
type: MeshHTTPRoute
mesh: default
name: round
spec:
  targetRef: {kind: Mesh}
  to:
  - targetRef: {kind: MeshExternalService, name: open}
    rules:
    - matches: [{path: {type: PathPrefix, value: /round}}]
      default: {backendRefs: [{kind: MeshExternalService, name: closed, port: 80}]}
";
    let own = format!(
        "
type: Dataplane
mesh: default
name: web-1
networking:
  address: {address}
  inbound: [{{port: 7000, servicePort: 7001, serviceAddress: 127.0.0.1, tags: {{kuma.io/service: web}}}}]
  outbound:
  - {{port: 9001, address: {address}, backendRef: {{kind: MeshExternalService, name: open}}}}
  - {{port: 9002, address: {address}, backendRef: {{kind: MeshExternalService, name: closed}}}}
"
    );
    let resources = [
        own,
        FORBIDDEN.to_owned(),
        service("open", "http", "127.0.0.1", backend.port(), ""),
        service("closed", "http", "127.0.0.1", backend.port(), ""),
        permission("open", "allow: [{}]"),
        rest.to_owned(),
    ];
    let text = resources.concat();
    for (arguments, status) in [(&[][..], 403), (&["--audit"], 200)] {
        let world = World::with(version, address, &text, arguments).await?;
        assert_eq!(world.get(0, "/").await?.status, 200);
        for (index, path) in [(0, "/round"), (1, "/")] {
            assert_eq!(
                world.get(index, path).await?.status,
                status,
                "{path} {arguments:?}"
            );
        }
        if status == 200 {
            let stats = world.envoy.admin_get("/stats?usedonly").await?.body;
            let is_counted = |parts: [&str; 2]| {
                stats
                    .lines()
                    .any(|line| parts.iter().all(|part| line.contains(part)))
            };
            assert!(
                is_counted(["decision=audit", "reason=forbidden_by_default"]),
                "{stats}"
            );
            assert!(
                is_counted(["forbidden-backend", "upstream_rq_total: 1"]),
                "{stats}"
            );
        }
    }
    Ok(())
}
