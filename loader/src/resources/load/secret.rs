//! Secrets, in both formats.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::diagnostic::{Code, Diagnostic};
use crate::resources::kubernetes::secret as kubernetes;
use crate::resources::kuma::secret::Secret;
use crate::source::{Node, Path, Value};

use super::head::Head;

/// The type of Kubernetes Secrets that Kuma reads.
const TYPE: &str = "system.kuma.io/secret";

/// Why there is no secret. Nothing of what is in it is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum InvalidSecret {
    #[error("the secret has no `{0}`")]
    Missing(&'static str),
    #[error("the secret is no text")]
    NotText,
    #[error("the secret is shell text that no shell has run")]
    Shell,
    #[error("the secret is PEM, not base64")]
    Pem,
    #[error("the secret is not base64: symbol {0} is none of it")]
    Symbol(usize),
    #[error("the secret is not base64: it is cut off")]
    CutOff,
}

/// Whether Kuma reads the Secret of Kubernetes: it leaves most of them alone.
pub(super) fn is_kumas(node: &Node) -> bool {
    kind(node) == TYPE
}

fn kind(node: &Node) -> &str {
    node.get("type").and_then(Node::text).unwrap_or("Opaque")
}

/// Kuma's secret in `node`; nothing where it cannot be read, after a finding.
pub(super) fn read(head: &Head, node: &Node, findings: &mut Vec<Diagnostic>) -> Option<Secret> {
    if !head.is_kubernetes {
        let secret = kumas(node.get("data"), "data");
        return named(head, node, &Path::of("data"), secret, findings);
    }
    let value = |field: &str| node.get(field).and_then(|data| data.get("value"));
    // The API server adds `stringData` to `data`, in base64, and lets it win.
    if let Some(string) = value("stringData") {
        let secret =
            text(Some(string), "stringData.value").map(|text| Secret::new(STANDARD.encode(text)));
        return named(head, node, &Path::of("stringData.value"), secret, findings);
    }
    let secret = kumas(value("data"), "data.value");
    named(head, node, &Path::of("data.value"), secret, findings)
}

/// Says that a Secret of Kubernetes is none of Kuma's.
pub(super) fn unused(head: &Head, node: &Node) -> Diagnostic {
    let path = Path::of("type");
    let kind = kind(node);
    Diagnostic::warning(
        Code::UnusedSecret,
        format!("a Secret of type {kind} is not used: Kuma reads only {TYPE}"),
    )
    .help("put private key and certificates, PEM one after the other, into the key `value`")
    .at(node.locate(&path))
    .about(&head.meta, &path)
}

/// The bytes of any other Secret of Kubernetes; what cannot be read is left out, after a finding.
pub(super) fn read_kubernetes(
    head: &Head,
    node: &Node,
    findings: &mut Vec<Diagnostic>,
) -> kubernetes::Secret {
    let mut secret = kubernetes::Secret {
        kind: kind(node).to_owned(),
        ..kubernetes::Secret::default()
    };
    for field in ["data", "stringData"] {
        let Some(Value::Mapping(entries)) = node.get(field).map(|data| &data.value) else {
            continue;
        };
        for (key, value) in entries {
            let path = Path::of(field).key(&key.name);
            let bytes = if matches!(value.value, Value::Null) {
                Ok(Vec::new())
            } else if field == "data" {
                base64(Some(value), "data").map(|(_, bytes)| bytes)
            } else {
                text(Some(value), "stringData").map(|text| text.as_bytes().to_vec())
            };
            if let Some(bytes) = named(head, node, &path, bytes, findings) {
                secret.data.insert(key.name.clone(), bytes);
            }
        }
    }
    secret
}

fn named<T>(
    head: &Head,
    node: &Node,
    path: &Path,
    secret: Result<T, InvalidSecret>,
    findings: &mut Vec<Diagnostic>,
) -> Option<T> {
    let error = match secret {
        Ok(secret) => return Some(secret),
        Err(error) => error,
    };
    let (code, help) = match error {
        InvalidSecret::Shell => (
            Code::ShellInSecret,
            Some(
                "run `meshgate generate tls-certificate --type=server --hostname=… --key-file=- --cert-file=- | \
                 base64 -w0` and write here what it prints",
            ),
        ),
        InvalidSecret::Pem => (Code::InvalidSecret, Some("encode it with `base64 -w0`")),
        _ => (Code::InvalidSecret, None),
    };
    let mut finding = Diagnostic::error(code, error.to_string())
        .at(node.locate(path))
        .about(&head.meta, path);
    finding.help = help.map(str::to_owned);
    findings.push(finding);
    None
}

fn text<'n>(node: Option<&'n Node>, field: &'static str) -> Result<&'n str, InvalidSecret> {
    match node.map(|node| &node.value) {
        Some(Value::Scalar { text, .. }) => Ok(text),
        Some(Value::Null) | None => Err(InvalidSecret::Missing(field)),
        Some(_) => Err(InvalidSecret::NotText),
    }
}

fn kumas(node: Option<&Node>, field: &'static str) -> Result<Secret, InvalidSecret> {
    base64(node, field).map(|(data, _)| Secret::new(data))
}

/// A secret, without the line breaks that tools put into base64, and decoded.
fn base64(node: Option<&Node>, field: &'static str) -> Result<(String, Vec<u8>), InvalidSecret> {
    let text = text(node, field)?;
    if text.contains("$(") {
        return Err(InvalidSecret::Shell);
    }
    if text.contains("-----BEGIN ") {
        return Err(InvalidSecret::Pem);
    }
    let data: String = text.split_whitespace().collect();
    match STANDARD.decode(&data) {
        Ok(bytes) => Ok((data, bytes)),
        Err(base64::DecodeError::InvalidByte(at, _)) => Err(InvalidSecret::Symbol(at + 1)),
        Err(_) => Err(InvalidSecret::CutOff),
    }
}
