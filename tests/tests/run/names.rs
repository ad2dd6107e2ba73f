//! Names that a running proxy answers DNS queries about.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use system_tests::dns::{self, A, Answer, FOUND};
use system_tests::ports::free_port;
use system_tests::until;

use crate::gateway::Run;

/// A sidecar that answers on this port, with services outside at addresses of their own.
fn resources(address: Ipv4Addr, port: u16, services: &[(&str, Ipv4Addr)]) -> String {
    let services = services.iter().map(|(name, vip)| {
        format!(
            "---
type: MeshExternalService
mesh: default
name: {name}
spec:
  match: {{port: 9000, protocol: http}}
  endpoints: [{{address: 127.0.0.1, port: 1}}]
status: {{vip: {{ip: {vip}}}}}
"
        )
    });
    let services: String = services.collect();
    format!(
        "type: Dataplane
mesh: default
name: web-1
labels: {{meshgate.io/dns-port: '{port}'}}
networking:
  address: {address}
  inbound: [{{port: 7000, servicePort: 7001, serviceAddress: 127.0.0.1, tags: {{kuma.io/service: web}}}}]
{services}"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_change_with_resources() -> anyhow::Result<()> {
    let port = free_port()?;
    // Next to the address of the proxy, which no other test has.
    let vip = |address: Ipv4Addr, last: u8| {
        let [a, b, c, d] = address.octets();
        Ipv4Addr::new(a, b, c, d ^ last)
    };
    let run = Run::start_files(&[], &[], |address, folder| {
        let services = [("one", vip(address, 128))];
        let text = resources(address, port, &services);
        Ok(fs::write(folder.join("gateway.yaml"), text)?)
    })?;
    run.ready().await?;
    let server = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let found = |address: Ipv4Addr| Answer {
        code: FOUND,
        addresses: vec![IpAddr::V4(address)],
    };
    let one = found(vip(run.address, 128));
    // In any case: the Envoy that was started knows how to compare.
    for name in ["one.extsvc.mesh.local", "One.EXTSVC.mesh.local"] {
        assert_eq!(dns::ask(server, name, A).await?, one);
    }
    let services = [
        ("one", vip(run.address, 128)),
        ("two", vip(run.address, 192)),
    ];
    run.write(&resources(run.address, port, &services))?;
    run.until_reloads("applied", 1).await?;
    let two = found(vip(run.address, 192));
    until("the new name", async || {
        let answer = dns::ask(server, "two.extsvc.mesh.local", A).await.ok()?;
        (answer == two).then_some(())
    })
    .await?;
    assert_eq!(dns::ask(server, "one.extsvc.mesh.local", A).await?, one);
    Ok(())
}
