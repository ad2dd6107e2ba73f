//! The Kubernetes manifest: its parts fit together, and its resources are served.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use insta_cmd::get_cargo_bin;
use meshgate::source::{Document, Node, Value, read};
use tempfile::TempDir;

fn documents() -> Vec<Document> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let manifest = root.join("envoy-configs/kubernetes/meshgate.yaml");
    let (_, documents, findings) = read(&[manifest]);
    assert!(findings.is_empty(), "{findings:?}");
    documents
}

fn of_kind<'a>(documents: &'a [Document], kind: &str) -> &'a Node {
    let has_kind = |d: &&Document| d.root.get("kind").and_then(Node::text) == Some(kind);
    &documents.iter().find(has_kind).expect(kind).root
}

fn at<'a>(node: &'a Node, path: &str) -> &'a Node {
    path.split('.').fold(node, |node, name| match &node.value {
        Value::Sequence(items) => &items[name.parse::<usize>().unwrap()],
        _ => node.get(name).expect(path),
    })
}

fn text<'a>(node: &'a Node, path: &str) -> &'a str {
    at(node, path).text().expect(path)
}

#[test]
fn its_parts_fit_together() {
    let documents = documents();
    let deployment = of_kind(&documents, "Deployment");
    let service = of_kind(&documents, "Service");
    let pod = at(deployment, "spec.template.spec");
    let container = at(pod, "containers.0");

    let name = "app.kubernetes.io/name";
    let label = |node: &Node, path| {
        at(node, path)
            .get(name)
            .and_then(Node::text)
            .map(str::to_owned)
    };
    let own = label(deployment, "spec.template.metadata.labels");
    assert!(own.is_some());
    assert_eq!(label(deployment, "spec.selector.matchLabels"), own);
    assert_eq!(label(service, "spec.selector"), own);

    assert_eq!(
        text(container, "ports.0.name"),
        text(service, "spec.ports.0.targetPort")
    );
    assert_eq!(text(container, "ports.1.name"), "status");
    assert_eq!(
        text(container, "args.1"),
        format!("0.0.0.0:{}", text(container, "ports.1.containerPort"))
    );
    for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
        assert_eq!(text(at(container, probe), "httpGet.port"), "status");
    }
    let grace: u32 = text(pod, "terminationGracePeriodSeconds").parse().unwrap();
    assert!(text(container, "args.3").parse::<u32>().unwrap() < grace);

    let map = text(of_kind(&documents, "ConfigMap"), "metadata.name");
    assert_eq!(text(pod, "volumes.0.configMap.name"), map);
    for (mount, path) in ["/resources", "/var/lib/meshgate"].into_iter().enumerate() {
        assert_eq!(
            text(container, &format!("volumeMounts.{mount}.mountPath")),
            path
        );
        assert_eq!(
            text(container, &format!("volumeMounts.{mount}.name")),
            text(pod, &format!("volumes.{mount}.name"))
        );
    }
}

/// User, folder of resources and folder of state are the image's.
#[test]
fn it_runs_the_image_as_it_is() {
    let documents = documents();
    let pod = at(of_kind(&documents, "Deployment"), "spec.template.spec");
    let dockerfile = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Dockerfile");
    let dockerfile = fs::read_to_string(dockerfile).unwrap();
    let user = text(pod, "securityContext.runAsUser");
    assert!(dockerfile.contains(&format!("\nUSER {user}:{user}\n")));
    assert_eq!(text(pod, "securityContext.fsGroup"), user);
    for mount in ["0", "1"] {
        let path = text(pod, &format!("containers.0.volumeMounts.{mount}.mountPath"));
        assert!(dockerfile.contains(path), "{path}");
    }
}

#[test]
fn its_resources_are_served_on_the_address_of_the_pod() {
    let documents = documents();
    let folder = TempDir::new().unwrap();
    let Value::Mapping(files) = &at(of_kind(&documents, "ConfigMap"), "data").value else {
        panic!("the data of a ConfigMap are files");
    };
    for (name, content) in files {
        let path: PathBuf = folder.path().join(&name.name);
        fs::write(path, content.text().unwrap()).unwrap();
    }
    let output = Command::new(get_cargo_bin("meshgate"))
        .args(["bootstrap", "--wasm", "gateway.wasm"])
        .arg(folder.path())
        .env("MESHGATE_ADDRESS", "0.0.0.0")
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let bootstrap = String::from_utf8(output.stdout).unwrap();
    assert!(
        bootstrap.contains("address: '0.0.0.0'\n        port_value: 8080\n"),
        "{bootstrap}"
    );
    assert!(!bootstrap.contains("192.0.2.1"), "{bootstrap}");
}
