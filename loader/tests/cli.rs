//! The command as a user calls it: exit code, standard output and standard error.
//!
//! `INSTA_UPDATE=always cargo test -p meshgate --test cli` rewrites the snapshots.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use insta_cmd::{assert_cmd_snapshot, get_cargo_bin};

const GATEWAY: &str = "type: MeshGateway
mesh: default
name: edge-gateway
selectors:
  - match:
      kuma.io/service: edge-gateway
conf:
  listeners:
    - port: 8080
      protocol: HTTP
      hostname: foo.example.com
";

fn dataplane(name: &str) -> String {
    format!(
        "type: Dataplane
mesh: default
name: {name}
networking:
  address: 127.0.0.1
  gateway:
    type: BUILTIN
    tags:
      kuma.io/service: edge-gateway
"
    )
}

/// A folder with files, in which the command is run.
struct Folder(tempfile::TempDir);

impl Folder {
    fn with(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        Self(folder)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn meshgate(&self, args: &[&str]) -> Command {
        let mut command = Command::new(get_cargo_bin("meshgate"));
        command
            .args(args)
            .current_dir(self.path())
            .env("PATH", "")
            .env_remove("MESHGATE_ENVOY");
        command
    }

    /// For what writes the filter; snapshots of such commands would have the folder's name in them.
    fn meshgate_with_work_dir(&self, args: &[&str]) -> Command {
        let mut command = self.meshgate(args);
        command.env("MESHGATE_WORK_DIR", self.path().join("work"));
        command
    }
}

#[test]
fn without_arguments_it_helps() {
    assert_cmd_snapshot!(Folder::with(&[]).meshgate(&[]));
}

#[test]
fn validate_prints_every_mistake_of_every_file() {
    let misspelt = GATEWAY.replace("hostname:", "hostnam:");
    let no_port = GATEWAY.replace("port: 8080", "port: 0");
    let folder = Folder::with(&[
        ("a.yaml", &misspelt),
        ("b.yaml", "type: MeshGateway\n  mesh: default\n"),
        ("c.yaml", &no_port.replace("edge-gateway", "other")),
    ]);
    assert_cmd_snapshot!(folder.meshgate(&["validate", "."]));
}

#[test]
fn validate_says_what_it_looked_at() {
    let folder = Folder::with(&[("a.yaml", GATEWAY)]);
    assert_cmd_snapshot!(folder.meshgate(&["validate", "--resource-only", "."]));
}

#[test]
fn validate_as_json() {
    let folder = Folder::with(&[("a.yaml", &GATEWAY.replace("hostname:", "hostnam:"))]);
    let args = ["validate", "--resource-only", "--format", "json", "a.yaml"];
    assert_cmd_snapshot!(folder.meshgate(&args));
}

#[test]
fn validate_as_sarif() {
    let folder = Folder::with(&[("a.yaml", &GATEWAY.replace("hostname:", "hostnam:"))]);
    let args = ["validate", "--resource-only", "--format", "sarif", "a.yaml"];
    let output = folder.meshgate(&args).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let sarif: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(sarif["version"], "2.1.0");
    assert_eq!(sarif["runs"][0]["results"][0]["ruleId"], "MG0107");
}

#[test]
fn unknown_fields_do_not_change_kumas_verdict() {
    let https = "      tls: {mode: TERMINATE, certificate: [{secret: own}]}\n";
    let https = GATEWAY.replace("HTTP\n", "HTTPS\n") + https;
    for (text, said, status) in [
        (&*GATEWAY.replace("hostname:", "hostnam:"), "hostnam", 0),
        (&*https, "cannot be empty in TLS termination mode", 1),
    ] {
        let folder = Folder::with(&[("a.yaml", text)]);
        let all = folder.meshgate(&["validate", "a.yaml"]).output().unwrap();
        assert_eq!(all.status.code(), Some(1));
        let args = ["validate", "--resource-only", "a.yaml"];
        let output = folder.meshgate(&args).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains(said), "{text}");
        assert_eq!(output.status.code(), Some(status), "{text}");
    }
}

#[test]
fn of_a_key_given_twice_the_last_one_counts_as_on_kuma() {
    let twice = GATEWAY.replace("conf:", "conf: {}\nconf:");
    let kubernetes = "apiVersion: kuma.io/v1alpha1\nkind: Mesh\nmetadata:\n  name: a\n  name: b\n";
    for (text, args, status) in [
        (&*twice, &["validate", "."][..], 0),
        (&*twice, &["validate", "--strict", "."], 1),
        (kubernetes, &["validate", "."], 1),
    ] {
        let folder = Folder::with(&[("a.yaml", text)]);
        let output = folder.meshgate(args).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(said.contains("MG0004"), "{said}");
        assert_eq!(output.status.code(), Some(status), "{said}");
    }
}

#[test]
fn the_status_says_whether_there_are_errors() {
    const NAME: &str = "type: Mesh\nname: ";
    let warned = "type: MeshTrace\nmesh: default\nname: traces\n";
    let (good, bad) = (format!("{NAME}default\n"), format!("{NAME}Default\n"));
    for (text, status) in [(&*good, 0), (warned, 0), (&bad, 1), ("a: [", 1), ("", 0)] {
        let folder = Folder::with(&[("a.yaml", text)]);
        let output = folder.meshgate(&["validate", "."]).output().unwrap();
        assert_eq!(output.status.code(), Some(status), "{text}");
    }
}

#[test]
fn strict_makes_what_is_not_served_an_error() {
    let timeout = "type: MeshTrace\nmesh: default\nname: traces\n";
    let all = format!("{GATEWAY}---\n{}---\n{timeout}", dataplane("edge-1"));
    let folder = Folder::with(&[("a.yaml", &all)]);
    for (command, status) in [("validate", 1), ("bootstrap", 1)] {
        let run = |args: &[&str]| folder.meshgate_with_work_dir(args).output().unwrap();
        assert_eq!(run(&[command, "."]).status.code(), Some(0), "{command}");
        let strict = run(&[command, "--strict", "."]);
        assert_eq!(strict.status.code(), Some(status), "{command}");
    }
}

#[test]
fn a_certificate_of_another_host_is_named() {
    let folder = Folder::with(&[]);
    let args = [
        "generate",
        "tls-certificate",
        "--type=server",
        "--key-type=ecdsa",
    ];
    let args = [
        &args[..],
        &["--hostname=b.test", "--key-file=-", "--cert-file=-"],
    ]
    .concat();
    let pem = String::from_utf8(folder.meshgate(&args).output().unwrap().stdout).unwrap();
    let pem = pem.replace('\n', "\n            ");
    let tls = format!(
        "      tls:\n        mode: TERMINATE\n        certificates:\n        - inlineString: |\n            {pem}"
    );
    let https = GATEWAY.replace("HTTP\n", "HTTPS\n");
    let all = format!("{https}{tls}\n---\n{}", dataplane("edge-1"));
    fs::write(folder.path().join("a.yaml"), all).unwrap();
    let args = ["validate", "--format", "json", "a.yaml"];
    let output = folder.meshgate(&args).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("MG0305"), "{text}");
    assert!(
        text.contains("`b.test`, not for `foo.example.com`"),
        "{text}"
    );
    assert_eq!(output.status.code(), Some(0), "{text}");
}

#[test]
fn findings_come_in_the_order_of_files_and_lines() {
    let gateway = GATEWAY.replace("hostname:", "hostnam:");
    let two = format!("{gateway}---\n{}", gateway.replace("edge-gateway", "Other"));
    let folder = Folder::with(&[("b.yaml", &two), ("a.yaml", &two)]);
    let args = ["validate", "--resource-only", "--format", "json", "."];
    let output = folder.meshgate(&args).output().unwrap();
    let findings: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout).unwrap();
    let places: Vec<_> = findings
        .iter()
        .map(|f| (f["file"].as_str().unwrap(), f["line"].as_u64().unwrap()))
        .collect();
    assert!(places.len() >= 6, "{places:?}");
    assert!(places.is_sorted(), "{places:?}");
}

#[test]
fn a_rule_explained() {
    assert_cmd_snapshot!(Folder::with(&[]).meshgate(&["rule", "MG0107"]));
    assert_cmd_snapshot!("no_rule", Folder::with(&[]).meshgate(&["rule", "MG9999"]));
}

#[test]
fn a_path_that_is_not_there() {
    assert_cmd_snapshot!(Folder::with(&[]).meshgate(&["validate", "missing.yaml"]));
}

#[test]
fn with_several_dataplanes_one_has_to_be_chosen() {
    let two = format!("{}---\n{}", dataplane("edge-1"), dataplane("edge-2"));
    let folder = Folder::with(&[("dataplanes.yaml", &two), ("gateway.yaml", GATEWAY)]);
    assert_cmd_snapshot!(folder.meshgate(&["bootstrap", "."]));
    let output = folder
        .meshgate_with_work_dir(&["bootstrap", ".", "--dataplane", "edge-2"])
        .output()
        .unwrap();
    assert!(output.status.success());
}

#[test]
fn a_dataplane_that_is_not_there() {
    let folder = Folder::with(&[("d.yaml", &dataplane("edge-1")), ("gateway.yaml", GATEWAY)]);
    assert_cmd_snapshot!(folder.meshgate(&["bootstrap", ".", "--dataplane", "edge-9"]));
}

#[test]
fn proxies_to_choose_from() {
    let services = "type: Dataplane
mesh: default
name: backend-1
networking:
  address: 127.0.0.1
  inbound: [{port: 8081, tags: {kuma.io/service: backend}}]
---
type: Dataplane
mesh: default
name: web-1
networking:
  address: 127.0.0.1
  inbound: [{port: 8082, tags: {kuma.io/service: web}}]
";
    let folder = Folder::with(&[("d.yaml", services)]);
    assert_cmd_snapshot!(folder.meshgate(&["bootstrap", "."]));
}

#[test]
fn nothing_is_written_for_resources_with_errors() {
    let broken = GATEWAY.replace("hostname:", "hostnam:");
    let folder = Folder::with(&[("d.yaml", &dataplane("edge-1")), ("gateway.yaml", &broken)]);
    let output = folder
        .meshgate(&["bootstrap", ".", "-o", "envoy.yaml"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(!folder.path().join("envoy.yaml").exists());
}

#[test]
fn the_same_input_gives_the_same_bytes_for_their_owner_only() {
    let folder = Folder::with(&[("d.yaml", &dataplane("edge-1")), ("gateway.yaml", GATEWAY)]);
    for format in ["yaml", "json", "pb"] {
        let make = |file: &str| {
            let args = ["bootstrap", ".", "--format", format, "-o", file];
            let status = folder
                .meshgate_with_work_dir(&args)
                .stderr(Stdio::null())
                .status();
            assert!(status.unwrap().success(), "{format}");
            let path = folder.path().join(file);
            let mode = path.metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
            fs::read(path).unwrap()
        };
        let (first, second) = (make("first.out"), make("second.out"));
        assert!(!first.is_empty());
        assert!(first == second, "{format}");
    }
}

#[test]
fn resources_from_standard_input() {
    let folder = Folder::with(&[("d.yaml", &dataplane("edge-1")), ("gateway.yaml", GATEWAY)]);
    let mut command = folder.meshgate_with_work_dir(&["bootstrap", "d.yaml", "-"]);
    let input = fs::File::open(folder.path().join("gateway.yaml")).unwrap();
    let output = command.stdin(input).output().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("edge-gateway:HTTP:8080"));
    assert!(text.contains("<stdin>"), "{text}");
}

#[test]
fn run_without_an_envoy() {
    let folder = Folder::with(&[("d.yaml", &dataplane("edge-1")), ("gateway.yaml", GATEWAY)]);
    let args = ["run", "--envoy", "missing", "."];
    assert_cmd_snapshot!(folder.meshgate(&args));
}

#[test]
fn tls_certificate_needs_what_kumactl_needs() {
    let folder = Folder::with(&[]);
    let call = |args: &[&str]| {
        let mut all = vec!["generate", "tls-certificate"];
        all.extend(args);
        folder.meshgate(&all)
    };
    assert_cmd_snapshot!("no_hostname", call(&["--type=server"]));
    assert_cmd_snapshot!("wrong_type", call(&["--type=both", "--hostname=a.test"]));
    assert_cmd_snapshot!(
        "wrong_key_type",
        call(&["--type=server", "--hostname=a.test", "--key-type=dsa"])
    );
}

#[test]
fn tls_certificate_files() {
    let folder = Folder::with(&[]);
    assert_cmd_snapshot!(folder.meshgate(&[
        "generate",
        "tls-certificate",
        "--type=server",
        "--key-type=ecdsa",
        "--hostname=a.test,127.0.0.1",
        "--hostname=b.test",
    ]));
    for (file, mode, begin) in [
        ("key.pem", 0o400, "-----BEGIN EC PRIVATE KEY-----"),
        ("cert.pem", 0o600, "-----BEGIN CERTIFICATE-----"),
    ] {
        let path = folder.path().join(file);
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, mode);
        assert!(fs::read_to_string(path).unwrap().starts_with(begin));
    }
    let pem = fs::read(folder.path().join("cert.pem")).unwrap();
    let (_, block) = x509_parser::pem::parse_x509_pem(&pem).unwrap();
    let certificate = block.parse_x509().unwrap();
    assert_eq!(certificate.subject().iter().count(), 0);
    assert!(certificate.is_ca());
    assert!(certificate.verify_signature(None).is_ok());
    let names = certificate.subject_alternative_name().unwrap().unwrap();
    let names: Vec<_> = names
        .value
        .general_names
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(names.len(), 3, "{names:?}");
    let usage = certificate.key_usage().unwrap().unwrap().value;
    assert!(usage.key_encipherment() && usage.digital_signature() && usage.key_cert_sign());
    let extended = certificate.extended_key_usage().unwrap().unwrap().value;
    assert!(extended.server_auth && !extended.client_auth);
    let validity = certificate.validity();
    let days = (validity.not_after.timestamp() - validity.not_before.timestamp()) / (24 * 60 * 60);
    assert_eq!(days, 3650);
}

#[test]
fn tls_certificate_on_standard_output() {
    let folder = Folder::with(&[]);
    let output = folder
        .meshgate(&[
            "generate",
            "tls-certificate",
            "--type=client",
            "--hostname=a.test",
            "--key-file=-",
            "--cert-file=-",
        ])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let (key, certificate) = text.split_once("-----END RSA PRIVATE KEY-----\n").unwrap();
    assert!(key.starts_with("-----BEGIN RSA PRIVATE KEY-----\n"));
    assert!(certificate.starts_with("-----BEGIN CERTIFICATE-----\n"));
    assert!(fs::read_dir(folder.path()).unwrap().next().is_none());
}

#[test]
fn names_that_lead_to_a_sidecar() {
    let folder = Folder::with(&[(
        "resources.yaml",
        "type: Dataplane
mesh: default
name: web-1
labels: {meshgate.io/external-service-port: '8100'}
networking:
  address: 127.0.0.1
  inbound: [{port: 7000, tags: {kuma.io/service: web}}]
  outbound:
  - {port: 8080, address: 127.0.0.2, backendRef: {kind: MeshExternalService, name: db}}
---
type: MeshExternalService
mesh: default
name: db
spec:
  match: {port: 5432, protocol: tcp}
  endpoints: [{address: db.example.com, port: 5432}]
---
type: MeshExternalService
mesh: default
name: api
spec:
  match: {port: 80, protocol: http}
  endpoints: [{address: api.example.com, port: 80}]
",
    )]);
    assert_cmd_snapshot!(folder.meshgate(&["hosts", "resources.yaml"]));
}

const SERVICES: &str = "type: Dataplane
mesh: default
name: web-1
networking:
  address: 127.0.0.1
  inbound: [{port: 7000, tags: {kuma.io/service: web}}]
---
type: MeshExternalService
mesh: default
name: db
spec:
  match: {port: 5432, protocol: tcp}
  endpoints: [{address: db.example.com, port: 5432}]
";

const ANOTHER: &str = "type: MeshExternalService
mesh: default
name: api
spec:
  match: {port: 80, protocol: http}
  endpoints: [{address: api.example.com, port: 80}]
";

fn with_range(mut command: Command, range: &str) -> Command {
    command.env("KUMA_IPAM_MESH_EXTERNAL_SERVICE_CIDR", range);
    command
}

#[test]
fn virtual_addresses_stay_when_others_come() {
    let folder = Folder::with(&[("a.yaml", SERVICES)]);
    fs::write(folder.path().join("b.yaml"), ANOTHER).unwrap();
    let hosts = |files: &[&str]| {
        let args = [&["hosts"], files].concat();
        let command = folder.meshgate_with_work_dir(&args);
        let output = with_range(command, "127.242.0.0/16").output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    let before = "127.242.0.0\tdb.extsvc.mesh.local\t# port 5432\n";
    assert_eq!(hosts(&["a.yaml"]), before);
    let api = "127.242.0.1\tapi.extsvc.mesh.local\t# port 80\n";
    assert_eq!(hosts(&["a.yaml", "b.yaml"]), format!("{api}{before}"));
    assert_eq!(hosts(&["a.yaml"]), before);
    let file = folder.path().join("work/vips.json");
    let mode = fs::metadata(file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn validate_keeps_no_addresses() {
    let folder = Folder::with(&[("a.yaml", SERVICES)]);
    let output = folder.meshgate_with_work_dir(&["validate", "."]).output();
    assert!(output.unwrap().status.success());
    assert!(!folder.path().join("work").exists());
}

#[test]
fn a_range_of_addresses_that_is_none() {
    let folder = Folder::with(&[("a.yaml", SERVICES)]);
    let command = folder.meshgate(&["validate", "."]);
    assert_cmd_snapshot!(with_range(command, "242.0.0.0"));
}

#[test]
fn a_range_of_addresses_for_one_service_only() {
    let folder = Folder::with(&[("a.yaml", SERVICES), ("b.yaml", ANOTHER)]);
    let command = folder.meshgate(&["validate", "."]);
    assert_cmd_snapshot!(with_range(command, "127.242.0.1/32"));
}

#[test]
fn a_file_of_addresses_that_somebody_has_changed() {
    let folder = Folder::with(&[
        ("a.yaml", SERVICES),
        (
            "vips.json",
            r#"{"version": 1, "ranges": {"242.0.0.0/8": {"default/db": "1.2.3.4"}}}"#,
        ),
    ]);
    let mut command = folder.meshgate(&["hosts", "a.yaml"]);
    let output = command.env("MESHGATE_WORK_DIR", folder.path()).output();
    let output = output.unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    let said = said.replace(&folder.path().display().to_string(), "[folder]");
    assert_eq!(output.status.code(), Some(1));
    insta::assert_snapshot!(said);
}
