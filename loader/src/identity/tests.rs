//! What is in the store, and when it changes.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P384_SHA384};
use tempfile::TempDir;

use super::*;
use crate::certs;
use crate::model::mesh;

const NOON: OffsetDateTime = time::macros::datetime!(2026-11-21 12:00 UTC);

fn made() -> Source {
    Source::Made {
        lifetime: Duration::days(3650),
        rsa_bits: None,
    }
}

fn given(pem: &str) -> Source {
    Source::Given(mesh::KeyPair {
        certificates: pem.to_owned(),
        key: pem.to_owned(),
        ..mesh::KeyPair::default()
    })
}

fn mtls(mesh: &str, source: Source) -> (String, Mtls) {
    let mtls = Mtls {
        mesh: mesh.to_owned(),
        backend: "ca-1".to_owned(),
        kind: String::new(),
        permissive: false,
        lifetime: Duration::hours(24),
        source: Ok(source),
    };
    (mesh.to_owned(), mtls)
}

fn keeper<const N: usize>(folder: &TempDir, meshes: [(String, Mtls); N]) -> Keeper {
    Keeper::new(Store::new(folder.path()), Meshes::from(meshes))
}

fn backend() -> Identity {
    Identity {
        mesh: "default".to_owned(),
        dataplane: "backend-1".to_owned(),
        services: vec!["backend".to_owned(), "backend-admin".to_owned()],
        tags: vec![
            [("kuma.io/service", "backend"), ("version", "1")]
                .into_iter()
                .collect(),
            [("kuma.io/service", "backend-admin"), ("version", "1")]
                .into_iter()
                .collect(),
        ],
    }
}

fn all_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(all_files(&path));
        }
        files.push(path);
    }
    files
}

fn identity_file(folder: &TempDir) -> Vec<u8> {
    fs::read(
        folder
            .path()
            .join("proxies/default/backend-1/identity.json"),
    )
    .unwrap()
}

#[test]
fn certificates_name_services_and_tags() {
    let folder = TempDir::new().unwrap();
    let kept = keeper(&folder, [mtls("default", made())]).keep(&backend(), NOON);
    let kept = kept.unwrap();
    assert_eq!(
        kept.names,
        [
            "spiffe://default/backend",
            "spiffe://default/backend-admin",
            "kuma://kuma.io/service/backend",
            "kuma://kuma.io/service/backend-admin",
            "kuma://version/1",
        ]
    );
    assert_eq!(kept.renewed, Some(Why::Missing));
    assert_eq!(kept.until, NOON + Duration::hours(24));
}

#[test]
fn only_the_owner_can_read() {
    let folder = TempDir::new().unwrap();
    let keeper = keeper(&folder, [mtls("default", made()), mtls("other", made())]);
    keeper.keep(&backend(), NOON).unwrap();
    let files = all_files(folder.path());
    assert!(files.len() > 6, "{files:?}");
    for path in files {
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        let expected = if path.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode, expected, "{}", path.display());
    }
    // A proxy has no key but its own.
    for path in all_files(&folder.path().join("proxies")) {
        if path.is_file() && !path.ends_with("identity.json") {
            let text = fs::read_to_string(&path).unwrap();
            assert!(!text.contains("PRIVATE KEY"), "{}", path.display());
        }
    }
}

#[test]
fn what_is_there_is_kept_until_four_fifths_of_its_time() {
    let folder = TempDir::new().unwrap();
    // A new keeper each time, as after a restart.
    let keep = |after: Duration| {
        let keeper = keeper(&folder, [mtls("default", made())]);
        keeper.keep(&backend(), NOON + after).unwrap()
    };
    let first = keep(Duration::ZERO);
    let file = identity_file(&folder);
    for after in [Duration::ZERO, Duration::hours(1), Duration::hours(19)] {
        let again = keep(after);
        assert_eq!((again.renewed, again.until), (None, first.until));
        assert_eq!(identity_file(&folder), file);
    }
    let renewed = keep(Duration::minutes(19 * 60 + 12));
    assert_eq!(renewed.renewed, Some(Why::Due));
    assert_eq!(
        renewed.until,
        first.due + Duration::hours(24) + (NOON + Duration::minutes(19 * 60 + 12) - first.due)
    );
    assert_ne!(identity_file(&folder), file);
    // Long after its end too.
    assert_eq!(keep(Duration::days(30)).renewed, Some(Why::Due));
}

/// The clock jumps by days, also while the proxy runs: what Envoy reads is valid at every time of it.
#[test]
fn a_clock_that_jumps_leaves_certificates_that_are_valid() {
    let folder = TempDir::new().unwrap();
    let keeper = keeper(&folder, [mtls("default", made())]);
    let mut renewal = Renewal::new(keeper.clone(), vec![backend()]);
    for now in [
        NOON,
        NOON + Duration::hours(1),
        NOON + Duration::days(3),
        NOON + Duration::hours(2),
        NOON + Duration::days(40),
        NOON + Duration::minutes(1),
        NOON + Duration::minutes(2),
    ] {
        renewal.renew(now, |said| panic!("{said}")).unwrap();
        let chain = sds::read_identity(&identity_file(&folder)).unwrap().1;
        let validity = Validity::of(&chain).unwrap();
        assert!(validity.from <= now && now < validity.until, "{now}");
        // A restart finds nothing to do.
        assert_eq!(keeper.keep(&backend(), now).unwrap().renewed, None, "{now}");
    }
}

/// Of a clock that was ahead for years. One that is behind by as much, because nobody has set it, changes nothing.
#[test]
fn a_ca_that_is_not_valid_yet_gets_another_one_in_its_place() {
    let folder = TempDir::new().unwrap();
    let keeper = keeper(&folder, [mtls("default", made())]);
    let ahead = NOON + Duration::days(2000);
    let file = folder.path().join("meshes/default/ca-1.pem");
    let certificates = || {
        let blocks = pem::parse_many(fs::read_to_string(&file).unwrap()).unwrap();
        let all = blocks.iter().filter(|block| block.tag() == "CERTIFICATE");
        all.map(ToString::to_string).collect::<Vec<_>>()
    };
    let warned = |now| keeper.open(now).unwrap().warnings().collect::<Vec<_>>();
    keeper.keep(&backend(), ahead).unwrap();
    let first = certificates();
    let unset = OffsetDateTime::UNIX_EPOCH + Duration::days(1);
    for now in [ahead - Duration::minutes(4), unset] {
        assert_eq!(warned(now), [""; 0], "{now}");
        assert_eq!(certificates(), first, "{now}");
    }
    let said = warned(NOON);
    assert!(said[0].contains("before 2032-05-13 11:59 UTC"), "{said:?}");
    let now = certificates();
    assert_eq!(now[1..], first);
    let kept = keeper.keep(&backend(), NOON).unwrap();
    assert_eq!(kept.renewed, Some(Why::Changed));
    let own = folder
        .path()
        .join("proxies/default/backend-1/ca-default.json");
    let believed = fs::read_to_string(own).unwrap();
    assert_eq!(believed.matches("BEGIN CERTIFICATE").count(), 2);
    // It lasts, also when the time of the first has come.
    for now in [NOON + Duration::hours(1), ahead + Duration::days(1)] {
        assert_eq!(warned(now), [""; 0], "{now}");
    }
    assert_eq!(certificates(), now);
}

#[test]
fn what_a_certificate_is_made_from_makes_another_one() {
    let folder = TempDir::new().unwrap();
    let keep = |source: &Source, identity: &Identity, lifetime: i64| {
        let (name, mtls) = mtls("default", source.clone());
        let lifetime = Duration::hours(lifetime);
        let keeper = keeper(&folder, [(name, Mtls { lifetime, ..mtls })]);
        keeper.keep(identity, NOON).unwrap().renewed
    };
    let mut renamed = backend();
    renamed.services.pop();
    let other = given(&authority::make("default", Duration::days(1), None, NOON).unwrap());
    assert_eq!(keep(&made(), &backend(), 24), Some(Why::Missing));
    assert_eq!(keep(&made(), &backend(), 24), None);
    assert_eq!(keep(&made(), &renamed, 24), Some(Why::Changed));
    assert_eq!(keep(&made(), &renamed, 24), None);
    assert_eq!(keep(&made(), &renamed, 1), Some(Why::Changed));
    assert_eq!(keep(&other, &renamed, 1), Some(Why::Changed));
    assert_eq!(keep(&other, &renamed, 1), None);
    let round = keeper(&folder, [mtls("default", made())]);
    let asked = round.open(NOON).unwrap().keep(&backend(), true).unwrap();
    assert_eq!(asked.renewed, Some(Why::Asked));
    fs::write(
        folder
            .path()
            .join("proxies/default/backend-1/identity.json"),
        "{",
    )
    .unwrap();
    assert_eq!(keep(&other, &renamed, 1), Some(Why::Missing));
}

#[test]
fn no_certificate_outlives_its_ca() {
    let folder = TempDir::new().unwrap();
    let source = given(&authority::make("default", Duration::hours(30), None, NOON).unwrap());
    let keep = |after: Duration| {
        keeper(&folder, [mtls("default", source.clone())]).keep(&backend(), NOON + after)
    };
    keep(Duration::ZERO).unwrap();
    let end = NOON + Duration::hours(30);
    let last = keep(Duration::hours(20)).unwrap();
    assert_eq!((last.renewed, last.until), (Some(Why::Due), end));
    assert_eq!(keep(Duration::hours(29)).unwrap().renewed, None);
    let mut renamed = backend();
    renamed.services.pop();
    let late = keeper(&folder, [mtls("default", source.clone())]).keep(&renamed, end);
    let why = format!("{:#}", late.unwrap_err());
    assert!(why.contains("the CA expired on 2026-11-22"), "{why}");
}

#[test]
fn a_broken_ca_of_another_mesh_is_believed_in_nothing() {
    let folder = TempDir::new().unwrap();
    let good = authority::make("good", Duration::days(1), None, NOON).unwrap();
    let meshes = |source: Source| {
        [
            mtls("default", made()),
            mtls("good", given(&good)),
            mtls("other", source),
        ]
    };
    let file = |name: &str| {
        let path = folder.path().join("proxies/default/backend-1").join(name);
        fs::read_to_string(path).unwrap()
    };
    let broken = given("no PEM");
    keeper(&folder, meshes(made()))
        .keep(&backend(), NOON)
        .unwrap();
    let (whole, believed) = (file("any-ca.json"), file("ca-other.json"));
    keeper(&folder, meshes(broken.clone()))
        .keep(&backend(), NOON)
        .unwrap();
    assert!(file("any-ca.json").len() < whole.len());
    assert_ne!(file("ca-other.json"), believed);
    assert!(file("ca-other.json").contains("BEGIN CERTIFICATE"));
    let nobody = file("ca-other.json");
    keeper(&folder, meshes(broken.clone()))
        .keep(&backend(), NOON)
        .unwrap();
    assert_eq!(
        file("ca-other.json"),
        nobody,
        "Envoy has nothing to read again"
    );
    let mut own = backend();
    own.mesh = "other".to_owned();
    let why = keeper(&folder, meshes(broken))
        .keep(&own, NOON)
        .unwrap_err();
    assert!(
        format!("{why:#}").contains("the CA of mesh other"),
        "{why:#}"
    );
}

#[test]
fn each_mesh_has_authorities_of_its_own() {
    let folder = TempDir::new().unwrap();
    let good = authority::make("good", Duration::days(1), None, NOON).unwrap();
    let meshes = [
        mtls("default", made()),
        mtls("good", given(&good)),
        mtls("other", given("no PEM")),
    ];
    keeper(&folder, meshes).keep(&backend(), NOON).unwrap();
    let secret = |name: &str| {
        let path = folder.path().join("proxies/default/backend-1").join(name);
        let secret: serde_json::Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        secret["resources"][0]["validation_context"].clone()
    };
    let any = secret("any-ca.json");
    assert_eq!(any.as_object().unwrap().len(), 1, "{any}");
    let domains = &any["custom_validator_config"]["typed_config"]["trust_domains"];
    let domains = domains.as_array().unwrap();
    let names: Vec<_> = domains.iter().map(|domain| &domain["name"]).collect();
    assert_eq!(names, ["default", "good"]);
    for (name, domain) in names.into_iter().zip(domains) {
        let own = secret(&format!("ca-{}.json", name.as_str().unwrap()));
        assert_eq!(domain["trust_bundle"], own["trusted_ca"], "{name}");
    }
}

#[test]
fn cas_of_all_forms_can_sign() {
    let p384 = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign];
    let p384 = params.self_signed(&p384).unwrap().pem() + &p384.serialize_pem();
    let kumactl = |kind| {
        let pair = certs::self_signed(certs::Role::Server, kind, &["ca".to_owned()]).unwrap();
        pair.certificate + &pair.key
    };
    for pem in [
        authority::make("default", Duration::days(1), None, NOON).unwrap(),
        authority::make("default", Duration::days(1), Some(2048), NOON).unwrap(),
        p384,
        // PKCS #1 and SEC 1.
        kumactl(certs::KeyType::Rsa),
        kumactl(certs::KeyType::Ecdsa),
    ] {
        let (authority, broken) = Authority::read(&pem, &pem).unwrap();
        assert_eq!(broken, []);
        let now = authority.from + Duration::minutes(10);
        issue::issue(&authority, &backend(), Duration::hours(1), now).unwrap();
    }
}

#[test]
fn what_is_no_ca_is_named() {
    let ca = authority::make("default", Duration::days(1), None, NOON).unwrap();
    let other = authority::make("default", Duration::days(1), None, NOON).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(["a.test".to_owned()]).unwrap();
    let leaf = leaf.self_signed(&key).unwrap().pem() + &key.serialize_pem();
    let (_, broken) = Authority::read(&leaf, &leaf).unwrap();
    let texts: Vec<_> = broken.iter().map(ToString::to_string).collect();
    assert_eq!(texts.len(), 2, "{texts:?}");
    assert!(texts[0].starts_with("certificate 0: basic constraint 'CA'"));
    assert!(texts[1].starts_with("certificate 0: key usage extension 'keyCertSign'"));
    for (certificates, key, text) in [
        (&*ca, &*other, "private key does not match public key"),
        ("", &ca, "there is no certificate"),
        (&ca, "", "there is no private key"),
        ("-----BEGIN X", &ca, ""),
        (
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            &ca,
            "certificate 0 is no X.509 certificate",
        ),
    ] {
        let why = Authority::read(certificates, key).unwrap_err().to_string();
        assert!(why.starts_with("not a valid TLS key pair: "), "{why}");
        assert!(why.ends_with(text), "{why}");
    }
}

/// Starts this very test again, as other processes that want the same at the same time.
#[test]
fn several_processes_make_one_ca() {
    const WORK: &str = "MESHGATE_TEST_STORE";
    let keep = |folder: &Path, name: &str| {
        let meshes = Meshes::from([mtls("default", made())]);
        let keeper = Keeper::new(Store::new(folder), meshes);
        let identity = Identity {
            dataplane: name.to_owned(),
            ..backend()
        };
        keeper.keep(&identity, NOON).unwrap();
    };
    if let Some(folder) = std::env::var_os(WORK) {
        return keep(Path::new(&folder), &std::process::id().to_string());
    }
    let folder = TempDir::new().unwrap();
    let start = || {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "identity::tests::several_processes_make_one_ca"])
            .env(WORK, folder.path())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap()
    };
    let children: Vec<_> = (0..4).map(|_| start()).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let proxies = fs::read_dir(folder.path().join("proxies/default")).unwrap();
    let authorities: BTreeSet<_> = proxies
        .map(|entry| fs::read(entry.unwrap().path().join("ca-default.json")).unwrap())
        .collect();
    assert_eq!(authorities.len(), 1);
    let left = all_files(folder.path());
    let is_temporary = |path: &&PathBuf| {
        let name = path.file_name().unwrap_or_default();
        name.to_string_lossy().starts_with(".tmp")
    };
    assert_eq!(left.iter().find(is_temporary), None);
}

/// The certificates of the authorities that a file makes Envoy believe.
fn believed(folder: &TempDir) -> Vec<String> {
    let file = folder
        .path()
        .join("proxies/default/backend-1/ca-default.json");
    let answer: serde_json::Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    let bundle = &answer["resources"][0]["validation_context"]["trusted_ca"]["inline_string"];
    let blocks = pem::parse_many(bundle.as_str().unwrap()).unwrap();
    blocks.iter().map(ToString::to_string).collect()
}

#[test]
fn authorities_are_followed_by_others_that_everybody_knows_before_they_sign() {
    let folder = TempDir::new().unwrap();
    let source = Source::Made {
        lifetime: Duration::days(10),
        rsa_bits: None,
    };
    let keeper = keeper(&folder, [mtls("default", source)]);
    let at = |hours| {
        let now = NOON + Duration::hours(hours);
        (keeper.keep(&backend(), now).unwrap(), believed(&folder))
    };
    let (kept, first) = at(0);
    assert_eq!((kept.renewed, first.len()), (Some(Why::Missing), 1));
    // The certificate is renewed, by the same authority.
    let (_, same) = at(7 * 24);
    assert_eq!(same, first);
    // The last look before the authority gets a successor is due then, whatever the certificate says.
    let (kept, _) = at(8 * 24 - 2);
    assert!(kept.due <= NOON + Duration::hours(8 * 24), "{}", kept.due);
    let (kept, both) = at(8 * 24 + 1);
    assert_ne!(kept.renewed, Some(Why::Changed), "the first one signs");
    assert_eq!((both.len(), &both[0]), (2, &first[0]));
    assert!(kept.due <= NOON + Duration::hours(9 * 24), "{}", kept.due);
    let (kept, both_still) = at(9 * 24 + 1);
    assert_eq!(kept.renewed, Some(Why::Changed), "the second one signs");
    assert_eq!(both_still, [both[1].clone(), first[0].clone()]);
    // The first one has ended.
    let (kept, second) = at(11 * 24);
    assert_ne!(kept.renewed, Some(Why::Changed));
    assert_eq!(second, both[1..]);
    assert!(kept.until > NOON + Duration::days(11));
}

#[test]
fn a_successor_that_was_left_behind_is_none() {
    let folder = TempDir::new().unwrap();
    let keeper = keeper(&folder, [mtls("default", made())]);
    keeper.keep(&backend(), NOON).unwrap();
    let authority = folder.path().join("meshes/default/ca-1.pem");
    let left = folder.path().join("meshes/default/ca-1.successor");
    fs::copy(authority, left).unwrap();
    keeper
        .keep(&backend(), NOON + Duration::days(3650 / 10 * 8 + 1))
        .unwrap();
    let all = believed(&folder);
    assert_eq!(all.len(), 2);
    assert_ne!(all[0], all[1]);
}
