//! What is served stays while its certificate is broken: for a moment, between two files, or until somebody mends it.

use std::fs;

use rustix::process::Signal;
use system_tests::client::{Connection, get};
use system_tests::echo::Backend;
use system_tests::tls::Tls;
use system_tests::{envoy, meshgate, on_each_envoy, until};

use crate::gateway::{HOST, Resources, Run};
use crate::named_files::{HOSTS, pair, put, renew, resources};

on_each_envoy! {
    a_half_renewed_pair_leaves_the_old_one
    a_secret_that_breaks_leaves_what_it_was_also_after_a_restart
}

/// The certificate that is shown for a host.
async fn shown(run: &Run, host: &str) -> Option<Vec<u8>> {
    let session = Connection::open_tls(run.tls(), &Tls::sni(host)).await;
    session.ok()?.certificate
}

async fn a_half_renewed_pair_leaves_the_old_one(version: &str) -> anyhow::Result<()> {
    let backend = Backend::http("web").await?;
    let files = tempfile::tempdir()?;
    let files = files.path();
    HOSTS.iter().try_for_each(|host| renew(files, &host[..1]))?;
    let binary = envoy::binary(version)?.display().to_string();
    let run = Run::start_files(&["--envoy", &binary], &[], |address, folder| {
        let yaml = resources(address, files, backend.port());
        Ok(fs::write(folder.join("gateway.yaml"), yaml)?)
    })?;
    run.ready().await?;
    let first = shown(&run, HOSTS[0]).await;
    assert!(first.is_some(), "{}", run.said());
    let [certificate, key] = pair("a")?;
    let half = &certificate[..certificate.len() / 2];
    let mut refused = 0;
    for (what, change, code) in [
        ("half of a certificate", &half, "MG0301"),
        (
            "a certificate without its key",
            &certificate.as_str(),
            "MG0302",
        ),
        ("no certificate", &"", "MG0680"),
    ] {
        match *change {
            "" => fs::remove_file(files.join("a.crt"))?,
            text => put(files, "a.crt", text)?,
        }
        refused += 1;
        run.until_reloads("refused", refused).await?;
        let status = run.status().await?;
        let findings = status["refused"]["findings"].to_string();
        assert!(findings.contains(code), "{what}: {findings}");
        assert_eq!(shown(&run, HOSTS[0]).await, first, "{what}");
        for host in HOSTS {
            let session = Connection::open_tls(run.tls(), &Tls::sni(host)).await?;
            assert_eq!(session.http1(get(host, "/")).await?.status, 200, "{what}");
        }
    }
    put(files, "a.key", &key)?;
    put(files, "a.crt", &certificate)?;
    run.until_reloads("applied", 1).await?;
    assert!(run.status().await?["refused"].is_null());
    assert_ne!(shown(&run, HOSTS[0]).await, first);
    Ok(())
}

async fn a_secret_that_breaks_leaves_what_it_was_also_after_a_restart(
    version: &str,
) -> anyhow::Result<()> {
    let backend = Backend::http("one").await?;
    let mut resources = Resources::new(backend.port());
    resources.https = vec![HOST.to_owned()];
    resources.certificate = Some(meshgate::certificate(HOST, "ecdsa")?);
    let binary = envoy::binary(version)?.display().to_string();
    let mut run = Run::start_with(&resources, &["--envoy", &binary], &[])?;
    run.ready().await?;
    let first = shown(&run, HOST).await;
    assert!(first.is_some());
    resources.generation = 1;
    let broken = Resources {
        certificate: Some("no certificate".to_owned()),
        ..resources.clone()
    };
    run.write(&broken.yaml(run.address))?;
    run.until_reloads("refused", 1).await?;
    for _ in 0..2 {
        assert_eq!(shown(&run, HOST).await, first, "{}", run.said());
        assert_eq!(run.get(HOST).await?.headers["x-generation"], "0");
        run.signal(Signal::KILL)?;
        run.end().await?;
        run.start_again()?;
        run.ready().await?;
    }
    let said = run.said();
    assert!(said.contains("THE RESOURCES ARE NOT SERVED"), "{said}");
    run.write(&resources.yaml(run.address))?;
    run.until_reloads("applied", 1).await?;
    assert_eq!(run.get(HOST).await?.headers["x-generation"], "1");
    assert_eq!(shown(&run, HOST).await, first);
    Ok(())
}

/// Without anything served before, all others are, and follow their resources: the error is an old one then, also after
/// a restart.
#[tokio::test(flavor = "multi_thread")]
async fn an_error_of_the_first_start_leaves_out_one_listener_and_holds_up_nothing()
-> anyhow::Result<()> {
    let backend = Backend::http("one").await?;
    let good = meshgate::certificate(HOST, "ecdsa")?;
    let mut resources = Resources::new(backend.port());
    resources.https = vec![HOST.to_owned()];
    resources.certificate = Some("no certificate".to_owned());
    let mut run = Run::start(&resources, &[])?;
    run.ready().await?;
    assert_eq!(shown(&run, HOST).await, None);
    resources.generation = 1;
    run.change(&resources).await?;
    assert_eq!(run.get(HOST).await?.headers["x-generation"], "1");
    run.signal(Signal::KILL)?;
    run.end().await?;
    resources.generation = 2;
    run.write(&resources.yaml(run.address))?;
    run.start_again()?;
    run.ready().await?;
    assert_eq!(run.status().await?["loaded"]["last_good"], false);
    assert_eq!(run.get(HOST).await?.headers["x-generation"], "2");
    resources.certificate = Some(good);
    run.change(&resources).await?;
    until("the listener", async || shown(&run, HOST).await).await?;
    Ok(())
}
