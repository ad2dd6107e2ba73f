//! mTLS: with the services behind a gateway, and with clients in other meshes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use anyhow::ensure;
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use system_tests::client::{Connection, get};
use system_tests::tls::Identity;
use system_tests::{on_each_envoy, until};
use tokio::task::spawn_blocking;

use crate::mesh::{SNI, World, between, signed, signed_for};

on_each_envoy! {
    services_see_who_calls_and_for_what
    an_impostor_of_a_service_gets_nothing
    proxies_of_any_mesh_are_served
    impostors_of_other_meshes_are_refused
    a_ca_signs_for_its_own_mesh_only
    no_request_fails_while_identities_are_renewed
}

async fn services_see_who_calls_and_for_what(version: &str) -> anyhow::Result<()> {
    let world = World::start(version, "foo-1").await?;
    for (path, sni) in ["/", "/tags", "/resource"].into_iter().zip(SNI) {
        let response = world.get(path).await?;
        assert_eq!((response.status, &*response.body), (200, "foo"), "{path}");
        assert_eq!(response.header("x-sni"), sni);
        assert_eq!(
            response.header("x-client"),
            "spiffe://default/edge-gateway,kuma://kuma.io/service/edge-gateway"
        );
    }
    let written = world.bootstrap()?;
    assert!(!written.contains("PRIVATE KEY"), "{written}");
    assert!(!written.contains("BEGIN CERTIFICATE"), "{written}");
    Ok(())
}

async fn an_impostor_of_a_service_gets_nothing(version: &str) -> anyhow::Result<()> {
    let world = World::start(version, "bar-1").await?;
    for path in ["/", "/tags", "/resource"] {
        assert_eq!(world.get(path).await?.status, 503, "{path}");
    }
    Ok(())
}

async fn proxies_of_any_mesh_are_served(version: &str) -> anyhow::Result<()> {
    let world = World::start(version, "foo-1").await?;
    for (mesh, dataplane) in [("other", "client-1"), ("default", "bar-1")] {
        let tls = between().identity(&world.identity(mesh, dataplane)?);
        for tls in [tls.clone().only_1_2(), tls.only_1_3()] {
            let connection = Connection::open_tls(world.at(9080), &tls).await?;
            assert_eq!(connection.alpn, None, "the gateway names no protocol");
            let response = connection.http1(get("edge.mesh", "/")).await?;
            assert_eq!((response.status, &*response.body), (200, "foo"));
            assert_eq!(
                response.header("strict-transport-security"),
                "max-age=31536000; includeSubDomains"
            );
        }
    }
    // Whatever SNI: hosts decide.
    let tls = between().identity(&world.identity("other", "client-1")?);
    let connection = Connection::open_tls(world.at(9080), &tls).await?;
    let response = connection.http1(get("baz.mesh", "/")).await?;
    assert_eq!(response.status, 404);
    Ok(())
}

async fn impostors_of_other_meshes_are_refused(version: &str) -> anyhow::Result<()> {
    let world = World::start(version, "foo-1").await?;
    let name = "spiffe://other/client";
    let own_ca = {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.self_signed(&key)?.pem() + &key.serialize_pem()
    };
    let identity = world.identity("other", "client-1")?;
    let right = signed(&world.authority("other")?, name, false)?;
    let response = world.get_between(&between().identity(&right)).await?;
    assert_eq!(response.status, 200, "the test's own certificates are good");
    let with = |identity: Identity| between().identity(&identity);
    for (why, tls) in [
        ("no certificate", between()),
        ("an unknown CA", with(signed(&own_ca, name, false)?)),
        (
            "an expired certificate",
            with(signed(&world.authority("other")?, name, true)?),
        ),
        (
            "another protocol",
            between().identity(&identity).alpn(&["h2"]),
        ),
        ("no protocol", between().identity(&identity).alpn(&[])),
    ] {
        assert!(world.get_between(&tls).await.is_err(), "{why}");
    }
    let mut plain = Connection::open(world.at(9080)).await?;
    let answer = plain
        .raw(b"GET / HTTP/1.1\r\nHost: edge.mesh\r\n\r\n")
        .await?;
    assert_eq!(String::from_utf8_lossy(&answer), "");
    Ok(())
}

async fn a_ca_signs_for_its_own_mesh_only(version: &str) -> anyhow::Result<()> {
    let world = World::start(version, "foo-1").await?;
    let ca = world.authority("other")?;
    let ask = async |uris: &[&str], is_expired| {
        let identity = signed_for(&ca, uris, is_expired)?;
        world.get_between(&between().identity(&identity)).await
    };
    for uris in [
        &["spiffe://other/web"][..],
        &["spiffe://other/web", "spiffe://other/api", "kuma://a/b"],
    ] {
        assert_eq!(ask(uris, false).await?.status, 200, "{uris:?}");
        assert!(ask(uris, true).await.is_err(), "{uris:?}, expired");
    }
    for uris in [
        &["spiffe://default/web"][..],
        &["spiffe://default/web", "spiffe://other/web"],
        &["spiffe://third/web"],
        &["spiffe://Other/web"],
        &["spiffe://other"],
        &["spiffe://other,spiffe://default/web"],
        &["kuma://kuma.io/service/web", "spiffe://other/web"],
        &["kuma://kuma.io/service/web"],
        &[],
    ] {
        assert!(ask(uris, false).await.is_err(), "{uris:?}");
    }
    Ok(())
}

/// Services, gateway and clients get new identities, several times, while requests go through all of them.
async fn no_request_fails_while_identities_are_renewed(version: &str) -> anyhow::Result<()> {
    let world = Arc::new(World::start(version, "foo-1").await?);
    let (done, served) = (AtomicBool::new(false), AtomicUsize::new(0));
    let ask = async || {
        while !done.load(Ordering::Relaxed) {
            let response = world.get("/").await?;
            ensure!(response.status == 200, "without TLS: {response:?}");
            // That of this moment.
            let tls = between().identity(&world.identity("other", "client-1")?);
            let response = world.get_between(&tls).await?;
            ensure!(response.status == 200, "between meshes: {response:?}");
            served.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    };
    let renew = async {
        for _ in 0..4 {
            let before = served.load(Ordering::Relaxed);
            let meshgate = world.clone();
            spawn_blocking(move || meshgate.certs(&["--rotate"])).await??;
            let shown = world.identity("default", "edge-1")?.certificate;
            let shown = pem::parse(shown)?.into_contents();
            until("the gateway's new identity", async || {
                let connection = Connection::open_tls(world.at(9080), &between())
                    .await
                    .ok()?;
                (connection.certificate.as_ref() == Some(&shown)).then_some(())
            })
            .await?;
            until("requests after it", async || {
                (served.load(Ordering::Relaxed) > before + 20).then_some(())
            })
            .await?;
        }
        done.store(true, Ordering::Relaxed);
        Ok(())
    };
    tokio::try_join!(ask(), ask(), ask(), ask(), renew)?;
    Ok(())
}
