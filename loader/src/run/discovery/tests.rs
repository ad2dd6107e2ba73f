use envoy_types::pb::envoy::config::core::v3::{TransportSocket, transport_socket::ConfigType};
use envoy_types::pb::envoy::config::listener::v3::{FilterChain, Listener};
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::common_tls_context::{
    CombinedCertificateValidationContext, ValidationContextType,
};
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::{
    CommonTlsContext, DownstreamTlsContext, SdsSecretConfig, Secret, TlsCertificate,
    UpstreamTlsContext, secret,
};

use super::*;
use crate::envoy::{AccessLog, EnvoyRange, Options};
use crate::model::kuma::{self, Input};
use crate::{resources, source};
use ::policy::config::{Mode, Reasons};

pub(in crate::run) const RESOURCES: &str = "
type: Dataplane
mesh: default
name: edge-1
networking:
  address: 192.0.2.1
  gateway: {type: BUILTIN, tags: {kuma.io/service: edge}}
---
type: Dataplane
mesh: default
name: backend-1
networking:
  address: 192.0.2.2
  inbound:
    - port: 80
      tags: {kuma.io/service: backend}
---
type: MeshGateway
mesh: default
name: edge
selectors: [{match: {kuma.io/service: edge}}]
conf:
  listeners:
    - {port: 8080, protocol: HTTP, hostname: foo.example.com}
---
type: MeshHTTPRoute
mesh: default
name: all
spec:
  targetRef: {kind: MeshGateway, name: edge}
  to:
    - targetRef: {kind: Mesh}
      rules:
        - matches: [{path: {type: PathPrefix, value: /}}]
          default: {backendRefs: [{kind: MeshService, name: backend}]}
";

pub(in crate::run) fn bootstrap(text: &str) -> Bootstrap {
    let (sources, documents, findings) = source::read_text("edge.yaml", text);
    assert!(findings.is_empty(), "{findings:?}");
    let (resources, _) = resources::load(documents, false);
    let input = Input {
        resources: &resources,
        sources: &sources,
    };
    let mut dataplanes = resources.dataplanes.iter();
    let dataplane = dataplanes.find(|d| d.meta.name == "edge-1").unwrap();
    let proxy = kuma::proxy(input, dataplane, &mut Vec::new()).unwrap();
    let options = Options {
        admin: ([127, 0, 0, 1], 9901).into(),
        wasm: "/gateway.wasm".to_owned(),
        mode: Mode::Enforce,
        reasons: Reasons::Full,
        access_log: Some(AccessLog::Stdout),
        secrets: "/secrets".into(),
        log_pipe: None,
        range: EnvoyRange::From1_36,
    };
    envoy::bootstrap(&proxy, &options)
}

pub(in crate::run) fn split(bootstrap: Bootstrap) -> Split {
    let shares = Shares::within(&bootstrap, usize::MAX);
    Split::with(bootstrap, Path::new("/live"), shares).unwrap()
}

/// The folders and files whose content differs.
fn differences(a: &Split, b: &Split) -> Vec<String> {
    let paths = a.files.keys().chain(b.files.keys());
    let mut paths: Vec<_> = paths
        .filter(|path| a.files.get(*path) != b.files.get(*path))
        .map(|path| path.iter().next().unwrap().to_string_lossy().into_owned())
        .collect();
    paths.sort();
    paths.dedup();
    paths
}

#[test]
fn each_change_is_in_the_files_of_its_kind() {
    let before = split(bootstrap(RESOURCES));
    for (from, to, files) in [
        ("type: Dataplane", "# a line\ntype: Dataplane", "routes"),
        ("value: /}", "value: /a}", "routes"),
        ("192.0.2.2", "192.0.2.3", "endpoints"),
        ("port: 80\n", "port: 81\n", "endpoints"),
        ("foo.example.com", "bar.example.com", "filters routes"),
        ("192.0.2.1", "192.0.2.9", "listeners.pb"),
        ("192.0.2.2", "backend.example.com", "clusters.pb endpoints"),
        (
            "    - {port: 8080",
            "    - {port: 8081, protocol: HTTP, resources: {connectionLimit: 9}}\n    - {port: 8080",
            "filters limits.pb listeners.pb routes",
        ),
    ] {
        assert!(RESOURCES.contains(from), "{from}");
        let after = split(bootstrap(&RESOURCES.replacen(from, to, 1)));
        assert_eq!(differences(&before, &after).join(" "), files, "{to}");
        assert_eq!(before.bootstrap, after.bootstrap, "{to}");
    }
}

#[test]
fn the_same_resources_are_the_same_files() {
    let (a, b) = (split(bootstrap(RESOURCES)), split(bootstrap(RESOURCES)));
    assert_eq!(a, b);
}

#[test]
fn versions_tell_files_and_contents_apart() {
    let split = split(bootstrap(RESOURCES));
    let mut versions: Vec<_> = split.files.values().map(|file| &file.version).collect();
    versions.sort();
    versions.dedup();
    assert_eq!(versions.len(), split.files.len());
}

#[test]
fn clusters_that_go_stay_for_a_while() {
    let old = split(bootstrap(RESOURCES));
    let text = RESOURCES.replace("name: backend}", "name: other}");
    let text = text.replace("kuma.io/service: backend", "kuma.io/service: other");
    let new = split(bootstrap(&text));
    let both = new.clusters_with(&old);
    let response = DiscoveryResponse::decode(both.bytes.as_slice()).unwrap();
    assert_eq!(response.resources.len(), 2);
    assert_eq!(
        new.clusters_with(&new).bytes,
        new.files[Path::new(CLUSTERS)].bytes
    );
}

/// The secrets of a listener with one from a file and one of the bootstrap.
fn secrets_of_a_listener(shares: Shares) -> CommonTlsContext {
    let context = DownstreamTlsContext {
        common_tls_context: Some(CommonTlsContext {
            tls_certificate_sds_secret_configs: vec![
                SdsSecretConfig {
                    name: "from-a-file".to_owned(),
                    sds_config: Some(a_file()),
                },
                SdsSecretConfig {
                    name: "inline".to_owned(),
                    sds_config: None,
                },
            ],
            ..CommonTlsContext::default()
        }),
        ..DownstreamTlsContext::default()
    };
    let mut listener = Listener {
        filter_chains: vec![FilterChain {
            transport_socket: Some(TransportSocket {
                config_type: Some(ConfigType::TypedConfig(pack(&context).unwrap())),
                ..TransportSocket::default()
            }),
            ..FilterChain::default()
        }],
        ..Listener::default()
    };
    let secret = Secret {
        name: "inline".to_owned(),
        r#type: Some(secret::Type::TlsCertificate(TlsCertificate::default())),
    };
    let mut files = Files {
        folder: Path::new("/live"),
        shares,
        made: BTreeMap::new(),
    };
    let secrets = [("inline", &secret)].into();
    parts::listener(&mut listener, &secrets, &mut files).unwrap();
    let socket = listener.filter_chains[0].transport_socket.take().unwrap();
    let Some(ConfigType::TypedConfig(any)) = socket.config_type else {
        panic!("no configuration");
    };
    let context = DownstreamTlsContext::decode(any.value.as_slice()).unwrap();
    context.common_tls_context.unwrap()
}

fn a_file() -> ConfigSource {
    ConfigSource {
        config_source_specifier: Some(ConfigSourceSpecifier::PathConfigSource(PathConfigSource {
            path: "/meshes/default/ca.yaml".to_owned(),
            ..PathConfigSource::default()
        })),
        ..ConfigSource::default()
    }
}

#[test]
fn sources_that_are_files_stay() {
    let shares = Shares::within(&bootstrap(RESOURCES), usize::MAX);
    let context = secrets_of_a_listener(shares);
    let [first, second] = context.tls_certificate_sds_secret_configs.as_slice() else {
        panic!("two secrets");
    };
    assert_eq!(first.sds_config, Some(a_file()));
    assert!(second.sds_config.is_some());
}

#[test]
fn certificates_without_files_are_in_the_listener() {
    let context = secrets_of_a_listener(Shares::default());
    let [one] = context.tls_certificate_sds_secret_configs.as_slice() else {
        panic!("one secret");
    };
    assert_eq!(one.sds_config, Some(a_file()));
    assert_eq!(context.tls_certificates.len(), 1);
}

/// Listeners, clusters and limits always, then what a budget is enough for.
#[test]
fn no_more_files_than_envoy_can_watch() {
    for (budget, files, note) in [
        (6, 6, None),
        (5, 5, Some("endpoints are too many")),
        (4, 4, Some("routes of ports without TLS are too many")),
        (
            0,
            3,
            Some("routes of ports without TLS, endpoints are too many"),
        ),
    ] {
        let bootstrap = bootstrap(RESOURCES);
        let shares = Shares::within(&bootstrap, budget);
        let split = Split::with(bootstrap, Path::new("/live"), shares).unwrap();
        assert_eq!(split.files.len(), files, "{budget}");
        let said = shares.note();
        assert_eq!(said.is_some(), note.is_some(), "{said:?}");
        assert!(
            said.unwrap_or_default()
                .starts_with(note.unwrap_or_default())
        );
    }
}

/// Identities, and whom to believe, take their part of what Envoy can watch: each once, however many name it.
#[test]
fn secrets_in_files_count() {
    let mut bootstrap = bootstrap(RESOURCES);
    let all = Shares::within(&bootstrap, 3 + 2 + 1);
    assert!(all.ports && all.endpoints, "{all:?}");
    let secret = |name: &str| SdsSecretConfig {
        name: name.to_owned(),
        sds_config: Some(a_file()),
    };
    let context = UpstreamTlsContext {
        common_tls_context: Some(CommonTlsContext {
            tls_certificate_sds_secret_configs: vec![secret("identity")],
            validation_context_type: Some(ValidationContextType::CombinedValidationContext(
                CombinedCertificateValidationContext {
                    validation_context_sds_secret_config: Some(secret("ca")),
                    ..CombinedCertificateValidationContext::default()
                },
            )),
            ..CommonTlsContext::default()
        }),
        ..UpstreamTlsContext::default()
    };
    let resources = bootstrap.static_resources.as_mut().unwrap();
    resources.clusters[0].transport_socket = Some(TransportSocket {
        config_type: Some(ConfigType::TypedConfig(pack(&context).unwrap())),
        ..TransportSocket::default()
    });
    let other = resources.clusters[0].clone();
    resources.clusters.push(other);
    let fewer = Shares::within(&bootstrap, 3 + 2 + 1);
    assert!(!fewer.ports && !fewer.endpoints, "{fewer:?}");
    let all = Shares::within(&bootstrap, 3 + 2 + 2 + 2);
    assert!(all.ports && all.endpoints, "{all:?}");
}
