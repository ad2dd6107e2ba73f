//! Which clients a gateway's cross-mesh listeners take: the annotation `meshgate.io/cross-mesh-clients`.

use system_tests::client::Response;
use system_tests::on_each_envoy;

use crate::mesh::{World, between, signed_for};

on_each_envoy! {
    meshes_and_services_that_are_named_are_let_in
    policies_decide_if_the_annotation_says_so
    without_the_annotation_every_mesh_is_let_in
    a_certificate_for_two_meshes_is_for_nobody
    counters_by_mesh
}

async fn start(version: &str, clients: &str, policies: &str) -> anyhow::Result<World> {
    let annotations = format!("{{meshgate.io/cross-mesh-clients: \"{clients}\"}}");
    World::start_with(version, "foo-1", &annotations, policies).await
}

/// The answer to somebody with a certificate of the mesh's CA for these URIs.
async fn ask(world: &World, mesh: &str, uris: &[&str]) -> anyhow::Result<Response> {
    let identity = signed_for(&world.authority(mesh)?, uris, false)?;
    world.get_between(&between().identity(&identity)).await
}

/// The status for a service, with the identity of which its proxy would come.
async fn status(world: &World, mesh: &str, service: &str) -> anyhow::Result<u16> {
    let id = format!("spiffe://{mesh}/{service}");
    let tag = format!("kuma://kuma.io/service/{service}");
    Ok(ask(world, mesh, &[&id, &tag]).await?.status)
}

async fn meshes_and_services_that_are_named_are_let_in(version: &str) -> anyhow::Result<()> {
    let world = start(version, "other", "").await?;
    assert_eq!(status(&world, "other", "client").await?, 200);
    let refused = ask(&world, "default", &["spiffe://default/web"]).await?;
    assert_eq!(refused.status, 403);
    assert_eq!(refused.header("x-meshgate-reason"), "client_not_allowed");
    assert_eq!(world.get("/").await?.status, 200, "other listeners");

    let world = start(version, "other/client , default/web", "").await?;
    for (mesh, service, expected) in [
        ("other", "client", 200),
        ("other", "client2", 403),
        ("other", "web", 403),
        ("default", "web", 200),
        ("default", "client", 403),
    ] {
        let status = status(&world, mesh, service).await?;
        assert_eq!(status, expected, "{service} of {mesh}");
    }
    Ok(())
}

async fn policies_decide_if_the_annotation_says_so(version: &str) -> anyhow::Result<()> {
    let policy = "
type: MeshTrafficPermission
mesh: default
name: most-of-other
spec:
  targetRef: {kind: MeshSubset, tags: {kuma.io/service: edge-gateway}}
  rules:
  - default:
      allow: [{spiffeID: {type: Prefix, value: spiffe://other}}]
      deny: [{spiffeID: {type: Exact, value: spiffe://other/bad}}]
";
    let world = start(version, "MeshTrafficPermission", policy).await?;
    assert_eq!(status(&world, "other", "client").await?, 200);
    assert_eq!(status(&world, "other", "bad").await?, 403);
    assert_eq!(status(&world, "default", "web").await?, 403);
    let second = &["spiffe://other/client", "spiffe://other/bad"];
    assert_eq!(ask(&world, "other", second).await?.status, 403);
    drop(world);
    let world = start(version, "MeshTrafficPermission", "").await?;
    let nobody = status(&world, "other", "client").await?;
    assert_eq!(nobody, 403, "there is no policy");
    Ok(())
}

/// As in Kuma, where gateways have no permissions.
async fn without_the_annotation_every_mesh_is_let_in(version: &str) -> anyhow::Result<()> {
    let policy = "
type: MeshTrafficPermission
mesh: default
name: nobody
spec:
  rules: [{default: {deny: [{spiffeID: {type: Prefix, value: 'spiffe://other'}}]}}]
";
    let world = World::start_with(version, "foo-1", "{}", policy).await?;
    assert_eq!(status(&world, "other", "client").await?, 200);
    assert_eq!(status(&world, "default", "web").await?, 200);
    Ok(())
}

async fn a_certificate_for_two_meshes_is_for_nobody(version: &str) -> anyhow::Result<()> {
    let world = start(version, "other, default/web", "").await?;
    for uris in [
        &["spiffe://other/client", "spiffe://default/web"][..],
        &["spiffe://other/client,spiffe://default/web"],
        &["spiffe://other/client", "SPIFFE://default/web"],
    ] {
        let refused = ask(&world, "other", uris).await?;
        assert_eq!(refused.status, 403, "{uris:?}");
        assert_eq!(refused.header("x-meshgate-reason"), "client_not_allowed");
    }
    Ok(())
}

async fn counters_by_mesh(version: &str) -> anyhow::Result<()> {
    let world = start(version, "default/web", "").await?;
    for (mesh, service) in [("default", "web"), ("default", "bad"), ("other", "web")] {
        status(&world, mesh, service).await?;
    }
    let metrics = world.metrics().await?;
    for (decision, reason, mesh) in [
        ("forward", "", "default"),
        ("reject", "client_not_allowed", "default"),
        // No permission names it, so it has no counter of its own.
        ("reject", "client_not_allowed", "(other)"),
    ] {
        let labels = [("decision", decision), ("reason", reason), ("mesh", mesh)];
        let counter = metrics.lines().find(|line| {
            line.starts_with("meshgate_requests{listener=\"edge-gateway/9080/edge.mesh\"")
                && labels
                    .iter()
                    .all(|(name, value)| line.contains(&format!("{name}=\"{value}\"")))
        });
        assert!(
            counter.is_some_and(|line| line.ends_with(" 1")),
            "{labels:?} in\n{metrics}"
        );
    }
    Ok(())
}
