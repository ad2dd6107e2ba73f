//! Two meshes with mTLS: a gateway of the first one, for everybody on port 8080 and for proxies of meshes on port 9080,
//! and the proxy of the service behind it.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::Context;
use rcgen::{CertificateParams, Issuer, KeyPair, KeyUsagePurpose, SanType};
use serde_json::{Value, json};
use system_tests::client::{Connection, Response, get};
use system_tests::envoy::{Envoy, socket_address};
use system_tests::meshgate;
use system_tests::tls::{Identity, Tls};
use tempfile::TempDir;

use crate::gateway::own_address;

const RESOURCES: &str = "
type: Mesh
name: default
mtls:
  enabledBackend: ca-1
  backends: [{name: ca-1, type: builtin}]
---
type: Mesh
name: other
mtls:
  enabledBackend: ca-1
  backends: [{name: ca-1, type: builtin}]
---
type: Dataplane
mesh: default
name: edge-1
networking:
  address: {address}
  gateway: {type: BUILTIN, tags: {kuma.io/service: edge-gateway}}
---
type: Dataplane
mesh: default
name: foo-1
networking:
  address: {address}
  inbound:
  - port: 7000
    tags: {kuma.io/service: backend-foo, kuma.io/protocol: http, version: '1'}
---
type: Dataplane
mesh: default
name: bar-1
networking:
  address: {address}
  inbound:
  - port: 7001
    tags: {kuma.io/service: backend-bar, kuma.io/protocol: http}
---
type: Dataplane
mesh: other
name: client-1
networking:
  address: {address}
  inbound:
  - port: 7002
    tags: {kuma.io/service: client, kuma.io/protocol: http}
---
type: MeshService
mesh: default
name: foo
spec:
  selector: {dataplaneTags: {kuma.io/service: backend-foo}}
  ports: [{port: 80, targetPort: 7000, appProtocol: http}]
---
type: MeshGateway
mesh: default
name: edge-gateway
annotations: {annotations}
selectors:
- match: {kuma.io/service: edge-gateway}
conf:
  listeners:
  - {port: 8080, protocol: HTTP}
  - {port: 9080, protocol: HTTP, hostname: edge.mesh, crossMesh: true}
---
type: MeshHTTPRoute
mesh: default
name: to-foo
spec:
  targetRef: {kind: MeshGateway, name: edge-gateway}
  to:
  - targetRef: {kind: Mesh}
    rules:
    - matches: [{path: {type: PathPrefix, value: /tags}}]
      default: {backendRefs: [{kind: MeshServiceSubset, name: backend-foo, tags: {version: '1'}}]}
    - matches: [{path: {type: PathPrefix, value: /resource}}]
      default: {backendRefs: [{kind: MeshService, name: foo, port: 80}]}
    - matches: [{path: {type: PathPrefix, value: /}}]
      default: {backendRefs: [{kind: MeshService, name: backend-foo}]}
";

/// What the service is asked for by: as a service, with a tag, and as a resource (`foo;default;` hashed as Kuma does).
pub(crate) const SNI: [&str; 3] = [
    "backend-foo{mesh=default}",
    "backend-foo{mesh=default,version=1}",
    "a98d136a25b720706.foo.80.default.ms",
];

/// The meshes, served. All of it ends when this is dropped.
pub(crate) struct World {
    gateway: Envoy,
    _service: Envoy,
    address: IpAddr,
    dir: TempDir,
}

impl World {
    /// With the service's proxy, which has the identity of the Dataplane `service`.
    pub(crate) async fn start(version: &str, service: &str) -> anyhow::Result<Self> {
        Self::start_with(version, service, "{}", "").await
    }

    /// With annotations of the gateway, and further resources.
    pub(crate) async fn start_with(
        version: &str,
        service: &str,
        annotations: &str,
        more: &str,
    ) -> anyhow::Result<Self> {
        let address = own_address();
        let dir = TempDir::new()?;
        let resources = RESOURCES
            .replace("{address}", &address.to_string())
            .replace("{annotations}", annotations);
        let resources = format!("{resources}---{more}");
        fs::write(dir.path().join("resources.yaml"), resources)?;
        let bootstrap = dir.path().join("bootstrap.json");
        meshgate::run_in(
            &dir.path().join("work"),
            [
                "bootstrap".as_ref(),
                dir.path().join("resources.yaml").as_os_str(),
                "--dataplane=edge-1".as_ref(),
                "--admin=127.0.0.1:0".as_ref(),
                "--format=json".as_ref(),
                "-o".as_ref(),
                bootstrap.as_os_str(),
            ],
        )?;
        certs(dir.path(), &[])?;
        let proxies = dir.path().join("work/proxies/default");
        Ok(Self {
            gateway: Envoy::start_file(version, &bootstrap).await?,
            _service: Envoy::start(version, sidecar(address, &proxies.join(service))).await?,
            address,
            dir,
        })
    }

    /// The configuration of the gateway, as it was written.
    pub(crate) fn bootstrap(&self) -> anyhow::Result<String> {
        Ok(fs::read_to_string(self.dir.path().join("bootstrap.json"))?)
    }

    /// Runs `meshgate certs` with further arguments, and gives what it says.
    pub(crate) fn certs(&self, args: &[&str]) -> anyhow::Result<String> {
        certs(self.dir.path(), args)
    }

    /// The identity of a Dataplane, out of Envoy's file.
    pub(crate) fn identity(&self, mesh: &str, dataplane: &str) -> anyhow::Result<Identity> {
        let folder = self.work().join("proxies").join(mesh).join(dataplane);
        let text = fs::read(folder.join("identity.json"))?;
        let secret: Value = serde_json::from_slice(&text)?;
        let part = |name: &str| {
            let path = format!("/resources/0/tls_certificate/{name}/inline_string");
            let text = secret.pointer(&path).and_then(Value::as_str);
            text.map(ToOwned::to_owned).context("no identity")
        };
        Ok(Identity {
            certificate: part("certificate_chain")?,
            key: part("private_key")?,
        })
    }

    /// The CA of a mesh, with its key: one file for both.
    pub(crate) fn authority(&self, mesh: &str) -> anyhow::Result<String> {
        Ok(fs::read_to_string(
            self.work().join("meshes").join(mesh).join("ca-1.pem"),
        )?)
    }

    fn work(&self) -> PathBuf {
        self.dir.path().join("work")
    }

    /// Where the gateway listens.
    pub(crate) fn at(&self, port: u16) -> SocketAddr {
        SocketAddr::new(self.address, port)
    }

    /// The counters of the gateway, as Prometheus reads them.
    pub(crate) async fn metrics(&self) -> anyhow::Result<String> {
        Ok(self.gateway.admin_get("/stats/prometheus").await?.body)
    }

    /// The answer to a request without TLS.
    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<Response> {
        let connection = Connection::open(self.at(8080)).await?;
        connection.http1(get("edge.test", path)).await
    }

    /// The answer to a request between meshes.
    pub(crate) async fn get_between(&self, tls: &Tls) -> anyhow::Result<Response> {
        let connection = Connection::open_tls(self.at(9080), tls).await?;
        connection.http1(get("edge.mesh", "/")).await
    }
}

fn certs(dir: &Path, args: &[&str]) -> anyhow::Result<String> {
    let resources = dir.join("resources.yaml");
    let own = ["certs".as_ref(), resources.as_os_str()];
    let args = own.into_iter().chain(args.iter().map(AsRef::as_ref));
    let output = meshgate::run_in(&dir.join("work"), args)?;
    Ok(String::from_utf8(output.stdout)?)
}

/// How a proxy of another mesh calls the gateway.
pub(crate) fn between() -> Tls {
    Tls::no_sni().alpn(&["kuma"])
}

/// A certificate of this name that a CA, PEM with its key, has signed.
pub(crate) fn signed(authority: &str, uri: &str, is_expired: bool) -> anyhow::Result<Identity> {
    signed_for(authority, &[uri], is_expired)
}

/// A certificate with these URIs that a CA, PEM with its key, has signed.
pub(crate) fn signed_for(
    authority: &str,
    uris: &[&str],
    is_expired: bool,
) -> anyhow::Result<Identity> {
    let blocks = pem::parse_many(authority)?;
    let block = |tag: &str| blocks.iter().find(|b| b.tag() == tag).context("a block");
    let certificate = block("CERTIFICATE")?;
    let signer = KeyPair::try_from(block("PRIVATE KEY")?.contents())?;
    let issuer = Issuer::from_ca_cert_der(&certificate.contents().into(), signer)?;
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    for &uri in uris {
        params.subject_alt_names.push(SanType::URI(uri.try_into()?));
    }
    // Without one Envoy takes it for the certificate of a CA (X.509-SVID, section 5.2).
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.not_after = if is_expired {
        rcgen::date_time_ymd(2020, 1, 1)
    } else {
        rcgen::date_time_ymd(4000, 1, 1)
    };
    Ok(Identity {
        certificate: params.signed_by(&key, &issuer)?.pem(),
        key: key.serialize_pem(),
    })
}

/// The proxy of a service as a control plane would set it up: mTLS with the mesh, and answers that tell what it saw.
fn sidecar(address: IpAddr, secrets: &Path) -> Value {
    let secret = |name: &str, file: &str| {
        let path = secrets.join(file);
        json!({
            "name": name,
            "sds_config": {
                "resource_api_version": "V3",
                "path_config_source": { "path": path },
            },
        })
    };
    let tls = json!({
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        "require_client_certificate": true,
        "common_tls_context": {
            "tls_certificate_sds_secret_configs": [
                secret("identity_cert:secret:default", "identity.json"),
            ],
            "combined_validation_context": {
                "default_validation_context": {
                    "match_typed_subject_alt_names": [
                        { "san_type": "URI", "matcher": { "prefix": "spiffe://default/" } },
                    ],
                },
                "validation_context_sds_secret_config":
                    secret("mesh_ca:secret:default", "ca-default.json"),
            },
        },
    });
    let header = |name: &str, value: &str| json!({ "header": { "key": name, "value": value } });
    let manager = |sni: &str| {
        json!({
            "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "service",
            "http_filters": [{
                "name": "router",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
                },
            }],
            "route_config": {
                "virtual_hosts": [{
                    "name": "all",
                    "domains": ["*"],
                    "response_headers_to_add": [
                        header("x-sni", sni),
                        header("x-client", "%DOWNSTREAM_PEER_URI_SAN%"),
                    ],
                    "routes": [{
                        "match": { "prefix": "/" },
                        "direct_response": { "status": 200, "body": { "inline_string": "foo" } },
                    }],
                }],
            },
        })
    };
    // Envoy does not print names that are no hostnames as they are.
    let chain = |sni: &str| {
        json!({
            "filter_chain_match": {
                "transport_protocol": "tls",
                "application_protocols": ["kuma"],
                "server_names": [sni],
            },
            "transport_socket": { "name": "tls", "typed_config": tls },
            "filters": [{ "name": "manager", "typed_config": manager(sni) }],
        })
    };
    // Envoy wants to have a name where secrets come from files.
    let node = json!({ "id": "service", "cluster": "service" });
    json!({ "node": node, "static_resources": { "listeners": [{
        "name": "service",
        "address": socket_address(&address.to_string(), 7000),
        "listener_filters": [{
            "name": "tls_inspector",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector",
            },
        }],
        "filter_chains": SNI.map(chain),
    }] } })
}
