//! Certificates in files: those that Envoy would refuse its whole configuration for are found before.

use std::fs;

use system_tests::client::Connection;
use system_tests::tls::Tls;
use system_tests::{istio, meshgate, on_each_envoy};

use crate::gateway::{Setup, served, split};

on_each_envoy! { servers_whose_files_cannot_be_used_are_left_out }

const WEB: &str = "web.default.svc.cluster.local";

async fn servers_whose_files_cannot_be_used_are_left_out(version: &str) -> anyhow::Result<()> {
    let servers = [
        (
            "good",
            "mode: SIMPLE, serverCertificate: '{dir}/good.crt', privateKey: '{dir}/good.key'",
        ),
        (
            "missing",
            "mode: SIMPLE, serverCertificate: '{dir}/not-there.crt', privateKey: '{dir}/good.key'",
        ),
        (
            "mixed",
            "mode: SIMPLE, serverCertificate: '{dir}/good.crt', privateKey: '{dir}/other.key'",
        ),
        (
            "garbage",
            "mode: SIMPLE, serverCertificate: '{dir}/garbage', privateKey: '{dir}/good.key'",
        ),
    ];
    let resources = istio::https_gateway(None, 443, &servers, "web");
    let setup = Setup::new(&resources)?.service(WEB, 80).await?;
    let folder = setup.folder();
    for name in ["good", "other"] {
        let (key, chain) = split(&meshgate::certificate("good.example.com", "ecdsa")?)?;
        fs::write(folder.join(format!("{name}.crt")), chain)?;
        fs::write(folder.join(format!("{name}.key")), key)?;
    }
    fs::write(folder.join("garbage"), "no certificate")?;
    let gateway = setup.start(version, &[]).await?;
    for code in ["MG0680", "MG0302", "MG0301"] {
        assert!(gateway.findings.contains(code), "{}", gateway.findings);
    }
    let tls = Tls::sni("good.example.com");
    let answer = gateway.get_tls(443, &tls, "good.example.com", "/").await?;
    assert_eq!(served(&answer), format!("{WEB}:80"));
    for name in ["missing", "mixed", "garbage"] {
        let host = format!("{name}.example.com");
        let session = Connection::open_tls(gateway.at(443), &Tls::sni(&host)).await;
        assert!(session.is_err(), "{host}");
        let answer = gateway.get_tls(443, &tls, &host, "/").await?;
        assert_eq!(answer.status, 421, "{host}");
    }
    Ok(())
}
