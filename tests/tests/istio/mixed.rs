//! Resources of Kuma and Istio side by side: what is chosen is the proxy, and the rest is checked.

use std::fs;

use anyhow::ensure;
use serde_json::Value;
use system_tests::meshgate;

const RESOURCES: &str = "type: Mesh
name: default
---
type: Dataplane
name: kuma-edge
mesh: default
networking:
  address: 127.0.0.1
  gateway: {type: BUILTIN, tags: {kuma.io/service: edge}}
---
type: MeshGateway
name: edge
mesh: default
selectors: [{match: {kuma.io/service: edge}}]
conf: {listeners: [{port: 8081, protocol: HTTP, hostname: kuma.test}]}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge}
spec:
  selector: {app: edge}
  servers: [{port: {number: 8082, name: http, protocol: HTTP}, hosts: [istio.test]}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web}
spec: {hosts: [istio.test], gateways: [edge, nothing], http: [{directResponse: {status: 200}}]}
";

#[test]
fn the_proxy_is_chosen_and_the_rest_is_checked() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (file, to) = (dir.path().join("all.yaml"), dir.path().join("out.json"));
    fs::write(&file, RESOURCES)?;
    let (file, to) = (file.display().to_string(), to.display().to_string());
    for (args, port) in [
        (&["--dataplane", "kuma-edge"][..], Some(8081)),
        (&["--gateway-labels", "app=edge"], Some(8082)),
        (&[], None),
    ] {
        let own = ["bootstrap", &file, "--format", "json", "-o", &to];
        let output = meshgate::run(own.iter().chain(args))?;
        let said = String::from_utf8_lossy(&output.stderr);
        // Whichever is chosen: both are looked at.
        for code in ["MG0203", "MG0610"] {
            ensure!(said.contains(code), "{args:?} {said}");
        }
        let Some(port) = port else {
            ensure!(output.status.code() == Some(2), "{said}");
            ensure!(said.contains("--gateway-labels app=edge"), "{said}");
            continue;
        };
        ensure!(output.status.success(), "{said}");
        let made: Value = serde_json::from_slice(&fs::read(&to)?)?;
        let listeners = made["static_resources"]["listeners"].as_array();
        let ports: Vec<_> = listeners
            .into_iter()
            .flatten()
            .map(|listener| &listener["address"]["socket_address"]["port_value"])
            .collect();
        ensure!(ports == [port], "{ports:?}");
    }
    Ok(())
}
