//! Models become bootstraps that read as the golden files and that stock Envoy takes.
//!
//! `UPDATE=1 cargo test -p meshgate --test envoy_bootstrap` writes the golden files anew.

mod agreement;
mod envoy;
mod models;

use std::path::Path;
use std::sync::LazyLock;

use meshgate::envoy::{EnvoyRange, Format, bootstrap, encode};
use models::{Case, cases};
use serde_json::Value as Json;

const FORMATS: [Format; 3] = [Format::Yaml, Format::Json, Format::Pb];

fn write(case: &Case, format: Format) -> Vec<u8> {
    encode(&bootstrap(&case.proxy, &case.options), format).unwrap()
}

#[test]
fn bootstraps_read_as_the_golden_files() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/testdata/envoy");
    for case in cases() {
        let file = folder.join(format!("{}.yaml", case.name));
        let made = String::from_utf8(write(&case, Format::Yaml)).unwrap();
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&file, &made).unwrap();
        }
        let golden = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(
            made == golden,
            "{}: run with UPDATE=1 and look at the difference",
            case.name
        );
    }
}

/// Maps of protobuf have another order in each process and each map.
#[test]
fn the_same_model_is_the_same_bytes() {
    for case in cases() {
        for format in FORMATS {
            assert!(
                write(&case, format) == write(&case, format),
                "{} as {format:?}",
                case.name
            );
        }
    }
}

/// Each filter chain brings its own listeners, not all of the port.
#[test]
fn the_size_of_a_tls_port_grows_with_its_hostnames() {
    let size = |count: usize| {
        let listener = |index: usize| {
            let hostname = format!("host-{index:05}.example.com");
            let mut listener = models::with_domains(&hostname, std::slice::from_ref(&hostname));
            listener.certificates = vec![models::certificate("ecdsa")];
            listener
        };
        let wild = models::with_domains("*", &["*".to_owned()]);
        let mut listeners: Vec<_> = (0..count).map(listener).collect();
        listeners.push(wild);
        let case = models::with_listeners(meshgate::model::Protocol::Https, listeners);
        write(&case, Format::Pb).len()
    };
    let (hundred, thousand) = (size(100), size(1000));
    assert!(thousand < 11 * hundred, "{hundred} {thousand}");
}

/// What Envoy says that it has read is what was meant, in each of the forms: nothing was dropped and no text was taken
/// for a number.
#[test]
fn envoy_reads_what_was_written() {
    let Some(binary) = envoy::find() else { return };
    let folder = tempfile::tempdir().unwrap();
    let wasm = folder.path().join("gateway.wasm");
    std::fs::write(&wasm, envoy::module()).unwrap();
    for mut case in cases() {
        if !envoy::is_in(&binary, case.options.range) {
            println!("skipped: {} needs a newer Envoy", case.name);
            continue;
        }
        make_real(&mut case, &wasm);
        let meant: Json = serde_json::from_slice(&write(&case, Format::Json)).unwrap();
        for format in FORMATS {
            let name = format!("{}.{}", case.name, format.extension());
            let config = folder.path().join(&name);
            std::fs::write(&config, write(&case, format)).unwrap();
            let (_running, admin) = envoy::Running::start(&binary, &config);
            let dump: Json = serde_json::from_str(&envoy::get(&admin, "/config_dump")).unwrap();
            let read = &dump["configs"][0]["bootstrap"];
            for part in ["listeners", "clusters"] {
                let part = format!("/static_resources/{part}");
                assert_eq!(read.pointer(&part), meant.pointer(&part), "{name}");
            }
            assert_eq!(read["stats_config"], meant["stats_config"], "{name}");
        }
    }
}

#[test]
fn envoy_validates_every_bootstrap() {
    let Some(binary) = envoy::find() else { return };
    let folder = tempfile::tempdir().unwrap();
    let wasm = folder.path().join("gateway.wasm");
    std::fs::write(&wasm, envoy::module()).unwrap();
    for mut case in cases() {
        if !envoy::is_in(&binary, case.options.range) {
            println!("skipped: {} needs a newer Envoy", case.name);
            continue;
        }
        make_real(&mut case, &wasm);
        let config = folder.path().join(format!("{}.yaml", case.name));
        std::fs::write(&config, write(&case, Format::Yaml)).unwrap();
        let output = envoy::validate(&binary, &config);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {stderr}", case.name);
        let quiet = case.options.range == EnvoyRange::From1_40;
        assert!(!quiet || stderr.is_empty(), "{}: {stderr}", case.name);
    }
}

/// Puts in what Envoy opens: free ports, the module, certificates.
fn make_real(case: &mut Case, wasm: &Path) {
    case.options.admin.set_port(0);
    case.options.wasm = wasm.display().to_string();
    for port in &mut case.proxy.ports {
        port.number = 0;
        for listener in &mut port.listeners {
            for certificate in &mut listener.certificates {
                let is_rsa = certificate.name.contains("rsa:");
                let (chain, key) = &CERTIFICATES[usize::from(is_rsa)];
                certificate.chain.clone_from(chain);
                certificate.key.clone_from(key);
            }
        }
    }
}

/// An ECDSA certificate and an RSA one, with their keys.
static CERTIFICATES: LazyLock<[(String, String); 2]> = LazyLock::new(|| {
    use rsa::pkcs8::{EncodePrivateKey, LineEnding};

    let ecdsa = rcgen::KeyPair::generate().unwrap();
    let rsa = rsa::RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 2048).unwrap();
    let rsa = rsa.to_pkcs8_pem(LineEnding::LF).unwrap();
    [ecdsa, rcgen::KeyPair::from_pem(&rsa).unwrap()].map(|key| {
        let params = rcgen::CertificateParams::new(["a.b.example.com".to_owned()]).unwrap();
        (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
    })
});
