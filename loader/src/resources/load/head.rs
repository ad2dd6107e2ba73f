//! What all resources have, in all formats: kind, mesh or namespace, name and labels.

mod foreign;

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::diagnostic::{Code, Diagnostic};
use crate::resources::Meta;
use crate::resources::decode::{Anything, Reader, decode, nearest};
use crate::resources::registry::{self, Dialect, KINDS, Kind};
use crate::source::{Node, Path, Value};

use super::secret::is_kumas;
use super::{about, meta};

/// Fields around a Universal resource that are not its own.
const UNIVERSAL: &[&str] = &[
    "type",
    "mesh",
    "name",
    "labels",
    "annotations",
    "creationTime",
    "modificationTime",
    "kri",
    "status",
];

/// Fields around a Kubernetes resource; `status` is what a cluster says about it.
const KUBERNETES: &[&str] = &["apiVersion", "kind", "mesh", "metadata", "spec", "status"];

/// Fields of a Secret of Kubernetes that are in no `spec`.
const KUBERNETES_SECRET: &[&str] = &["data", "stringData", "type", "immutable"];

/// The namespace of Kubernetes resources that name none.
const DEFAULT_NAMESPACE: &str = "default";

/// The mesh of Kubernetes resources that name none (Kuma `pkg/plugins/runtime/k8s/util/util.go` at 2.14.3).
const DEFAULT_MESH: &str = "default";

/// After so many fields that do not belong there, further ones say nothing new.
const MAX_UNKNOWN: usize = 100;

/// Kind and name of a document, and where its specification is.
pub(super) struct Head {
    pub(super) kind: &'static Kind,
    pub(super) meta: Meta,
    pub(super) is_kubernetes: bool,
    /// Nothing or `spec`.
    pub(super) spec: Path,
    /// Fields beside the specification, where both are one map.
    pub(super) skip: &'static [&'static str],
    /// Whether the specification stands beside the place where it belongs.
    pub(super) is_misplaced: bool,
    /// Where the kind is written.
    pub(super) kind_path: Path,
    /// Where the name is written.
    pub(super) name_path: Path,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Universal {
    mesh: String,
    name: String,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Kubernetes {
    mesh: String,
    metadata: ObjectMeta,
}

/// `metav1.ObjectMeta`.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ObjectMeta {
    name: String,
    namespace: String,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    creation_timestamp: Anything,
    deletion_grace_period_seconds: Anything,
    deletion_timestamp: Anything,
    finalizers: Anything,
    generate_name: Anything,
    generation: Anything,
    managed_fields: Anything,
    owner_references: Anything,
    resource_version: Anything,
    self_link: Anything,
    uid: Anything,
}

impl Head {
    /// Kind and name of `node`, unless it is none that is known; then a finding says so.
    pub(super) fn read(node: &Node, findings: &mut Vec<Diagnostic>) -> Option<Self> {
        if !matches!(node.value, Value::Mapping(_)) {
            findings.push(
                Diagnostic::error(Code::NotAResource, "a resource is a map")
                    .at(node.span)
                    .help("if this is prose or a list, move it out of the file"),
            );
            return None;
        }
        let is_kubernetes = node.get("apiVersion").is_some() || node.get("kind").is_some();
        if is_kubernetes {
            Self::kubernetes(node, findings)
        } else if node.get("type").is_some() {
            Self::universal(node, findings)
        } else {
            let mut finding =
                Diagnostic::error(Code::NotAResource, "a resource has a `type` or a `kind`")
                    .at(node.locate(&Path::root()));
            if let Value::Mapping(entries) = &node.value
                && let Some(near) = entries
                    .iter()
                    .find_map(|(key, _)| nearest(&key.name, ["type", "kind"]))
            {
                finding = finding.help(format!("write `{near}:`"));
            }
            findings.push(finding);
            None
        }
    }

    fn universal(node: &Node, findings: &mut Vec<Diagnostic>) -> Option<Self> {
        let kind_path = Path::of("type");
        let kind = known(node, &kind_path, findings)?;
        let has_spec = registry::has_spec(kind.name) && node.get("spec").is_some();
        let decoded = decode::<Universal>(node, Reader::Json, ANY);
        let mut meta = meta(kind, decoded.value.name, decoded.value.mesh);
        meta.labels = decoded.value.labels;
        meta.annotations = decoded.value.annotations;
        meta.created = text(node.get("creationTime"));
        let mut head = Self {
            kind,
            meta,
            is_kubernetes: false,
            spec: if has_spec {
                Path::of("spec")
            } else {
                Path::root()
            },
            skip: if has_spec { &[] } else { UNIVERSAL },
            is_misplaced: false,
            kind_path,
            name_path: Path::of("name"),
        };
        if kind.fate.is_read() {
            let name = head.meta.to_string();
            let named = decoded.findings.into_iter();
            findings.extend(named.map(|finding| about(finding, &name, &Path::root())));
            if has_spec {
                head.beside_spec(node, &[UNIVERSAL, &["spec"]], findings);
            } else if kind.name == "Secret" {
                head.beside_spec(node, &[UNIVERSAL, &["data"]], findings);
            }
            head.names(node, &[decoded.named, decoded.misspelt].concat(), findings);
        }
        Some(head)
    }

    fn kubernetes(node: &Node, findings: &mut Vec<Diagnostic>) -> Option<Self> {
        let kind_path = Path::of("kind");
        let version = node
            .get("apiVersion")
            .and_then(Node::text)
            .unwrap_or_default();
        let is_secret = version == "v1" && node.get("kind").and_then(Node::text) == Some("Secret");
        let kind = if version == "kuma.io/v1alpha1" || is_secret && is_kumas(node) {
            known(node, &kind_path, findings)?
        } else {
            foreign::kind(node, version, findings)?
        };
        let dialect = kind.dialect();
        let reader = match dialect {
            Dialect::Kuma => Reader::Json,
            Dialect::Istio => Reader::Istio,
            Dialect::Kubernetes => Reader::Kubernetes,
        };
        let decoded = decode::<Kubernetes>(node, reader, ANY);
        let object = decoded.value.metadata;
        let label = object
            .labels
            .get("kuma.io/mesh")
            .cloned()
            .unwrap_or_default();
        let mesh = [decoded.value.mesh, label, DEFAULT_MESH.to_owned()]
            .into_iter()
            .find(|mesh| !mesh.is_empty())
            .unwrap_or_default();
        let mut meta = meta(kind, object.name, mesh);
        meta.namespace = Some(object.namespace).filter(|namespace| !namespace.is_empty());
        if dialect != Dialect::Kuma && kind.has_namespace() {
            let default = || DEFAULT_NAMESPACE.to_owned();
            meta.namespace.get_or_insert_with(default);
        }
        meta.labels = object.labels;
        meta.annotations = object.annotations;
        meta.created = text(
            node.get("metadata")
                .and_then(|m| m.get("creationTimestamp")),
        );
        let mut head = Self {
            kind,
            meta,
            is_kubernetes: true,
            spec: if has_no_spec(kind) {
                Path::root()
            } else {
                Path::of("spec")
            },
            skip: &[],
            is_misplaced: false,
            kind_path,
            name_path: Path::of("metadata.name"),
        };
        if kind.fate.is_read() {
            let name = head.meta.to_string();
            let named = decoded.findings.into_iter();
            findings.extend(named.map(|finding| about(finding, &name, &Path::root())));
            let known = [KUBERNETES, if is_secret { KUBERNETES_SECRET } else { &[] }];
            if dialect != Dialect::Kubernetes {
                head.beside_spec(node, &known, findings);
            }
            head.names(node, &[decoded.named, decoded.misspelt].concat(), findings);
        }
        Some(head)
    }

    /// Names fields that stand beside `spec` and do not belong there.
    fn beside_spec(
        &mut self,
        node: &Node,
        known: &[&[&'static str]],
        findings: &mut Vec<Diagnostic>,
    ) {
        let Value::Mapping(entries) = &node.value else {
            return;
        };
        let known = || known.iter().copied().flatten().copied();
        let unknown = entries
            .iter()
            .map(|(key, _)| key)
            .filter(|key| !known().any(|name| name == key.name));
        for key in unknown.take(MAX_UNKNOWN) {
            let mut finding =
                Diagnostic::error(Code::UnknownField, format!("unknown field `{}`", key.name))
                    .at(key.span)
                    .about(&self.meta, &key.name);
            finding = if let Some(near) = nearest(&key.name, known()) {
                finding
                    .label(format!("did you mean `{near}`?"))
                    .help(format!("write `{near}:`"))
            } else if self.kind.name == "Secret" {
                finding.help("what a secret says stands in `data`")
            } else {
                self.is_misplaced |= node.get("spec").is_none();
                finding.help("what the resource says stands below `spec:`")
            };
            findings.push(finding);
        }
    }

    /// Kuma's rules for names (`pkg/core/resources/apis/mesh/meta_validator.go` at 2.14.3).
    fn names(&self, node: &Node, named: &[Path], findings: &mut Vec<Diagnostic>) {
        let mut check = |path: &Path, value: &str, is_valid: fn(&str) -> bool, text: &str| {
            let message = match value {
                "" => "cannot be empty",
                _ if value.len() > 253 => "value length must less or equal 253",
                _ if !is_valid(value) => text,
                _ => return,
            };
            if !named.contains(path) {
                findings.push(
                    Diagnostic::error(Code::InvalidName, format!("{path}: {message}"))
                        .at(node.locate(path))
                        .about(&self.meta, path),
                );
            }
        };
        // Dataplanes register themselves, and their names do not go through this rule.
        let is_name = match self.kind.name {
            "Dataplane" => is_old_name,
            _ => is_subdomain,
        };
        check(
            &self.name_path,
            &self.meta.name,
            is_name,
            "invalid characters. A lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, \
             '-' or '.', and must start and end with an alphanumeric character",
        );
        if self.kind.in_mesh {
            check(
                &Path::of("mesh"),
                &self.meta.mesh,
                is_old_name,
                "invalid characters. Valid characters are numbers, lowercase latin letters and '-', '_', '.' symbols.",
            );
        }
    }
}

/// What Kuma took for a name once, and still does for meshes.
fn is_old_name(name: &str) -> bool {
    name.bytes()
        .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'z' | b'-' | b'_' | b'.'))
}

/// Labels joined by dots, each of lower-case letters, digits and inner `-`.
pub(crate) fn is_subdomain(name: &str) -> bool {
    name.split('.').all(|label| {
        let is_inner = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'z' | b'-');
        !label.is_empty()
            && label.bytes().all(is_inner)
            && !label.starts_with('-')
            && !label.ends_with('-')
    })
}

/// Whether what the resource says stands beside its metadata.
fn has_no_spec(kind: &Kind) -> bool {
    let kinds = ["ConfigMap", "Endpoints", "EndpointSlice", "Secret"];
    kind.dialect() == Dialect::Kubernetes && kinds.contains(&kind.name)
}

fn text(node: Option<&Node>) -> Option<String> {
    node.and_then(Node::text).map(str::to_owned)
}

/// Every field that is not asked for.
const ANY: &[&str] = &["*"];

/// Kuma's kind that a document names.
fn known(node: &Node, path: &Path, findings: &mut Vec<Diagnostic>) -> Option<&'static Kind> {
    let name = node.get(&path.to_string()).and_then(Node::text);
    let kind = registry::find(name.unwrap_or_default());
    if kind.is_none() {
        findings.push(unknown(node, path, KINDS.iter()));
    }
    kind
}

/// Says that a document names none of `kinds`.
fn unknown(node: &Node, path: &Path, kinds: impl Iterator<Item = &'static Kind>) -> Diagnostic {
    let field = path.to_string();
    let name = node.get(&field).and_then(Node::text).unwrap_or_default();
    let message = match name {
        "" => format!("`{field}` is empty"),
        _ => format!("unknown kind `{name}`"),
    };
    let finding = Diagnostic::error(Code::UnknownKind, message).at(node.locate(path));
    match nearest(name, kinds.map(|kind| kind.name)) {
        Some(near) => finding
            .label(format!("did you mean `{near}`?"))
            .help(format!("write `{field}: {near}`")),
        None => finding,
    }
}
