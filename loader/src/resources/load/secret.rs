//! Secrets, in both formats.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::diagnostic::{Code, Diagnostic};
use crate::resources::kuma::secret::Secret;
use crate::source::{Node, Path, Value};

use super::head::Head;

/// The type of Kubernetes Secrets that Kuma reads.
const TYPE: &str = "system.kuma.io/secret";

/// The secret of `node`; nothing where it is none of Kuma's or cannot be read, after a finding.
///
/// No finding repeats what is in it.
pub(super) fn read(head: &Head, node: &Node, findings: &mut Vec<Diagnostic>) -> Option<Secret> {
    let mut finding = |finding: Diagnostic, path: &Path| {
        let finding = finding.at(node.locate(path)).about(&head.meta, path);
        findings.push(finding);
    };
    if !head.is_kubernetes {
        return text(node, &Path::of("data"))
            .and_then(|data| base64(data))
            .map_err(|error| finding(error, &Path::of("data")))
            .ok();
    }
    let kind = node.get("type").and_then(Node::text).unwrap_or("Opaque");
    if kind != TYPE {
        let unused = Diagnostic::warning(
            Code::UnusedSecret,
            format!("a Secret of type {kind} is not used: Kuma reads only {TYPE}"),
        )
        .help("put private key and certificates, PEM one after the other, into the key `value`");
        finding(unused, &Path::of("type"));
        return None;
    }
    // The API server adds `stringData` to `data`, in base64, and lets it win.
    if let Some(string) = node.get("stringData").and_then(|data| data.get("value")) {
        return match string.text() {
            Some(text) => Some(Secret {
                data: STANDARD.encode(text),
            }),
            None => {
                finding(not_text(), &Path::of("stringData.value"));
                None
            }
        };
    }
    let path = Path::of("data.value");
    text(node.get("data").unwrap_or(node), &Path::of("value"))
        .and_then(|data| base64(data))
        .map_err(|error| finding(error, &path))
        .ok()
}

fn text<'n>(node: &'n Node, path: &Path) -> Result<&'n str, Diagnostic> {
    let field = path.to_string();
    match node.get(&field) {
        Some(node) => match &node.value {
            Value::Scalar { text, .. } => Ok(text),
            Value::Null => Err(missing(&field)),
            _ => Err(not_text()),
        },
        None => Err(missing(&field)),
    }
}

fn missing(field: &str) -> Diagnostic {
    Diagnostic::error(Code::InvalidSecret, format!("the secret has no `{field}`"))
}

fn not_text() -> Diagnostic {
    Diagnostic::error(Code::InvalidSecret, "the secret is no text")
}

/// The secret, with the line breaks that base64 tools put in taken out.
fn base64(text: &str) -> Result<Secret, Diagnostic> {
    let data: String = text.split_whitespace().collect();
    if text.contains("$(") {
        let finding = Diagnostic::error(
            Code::ShellInSecret,
            "the secret is shell text that no shell has run",
        )
        .help(
            "run `meshgate generate tls-certificate --type=server --hostname=… --key-file=- --cert-file=- | base64 \
             -w0` and write here what it prints",
        );
        return Err(finding);
    }
    if let Err(error) = STANDARD.decode(&data) {
        let mut finding = Diagnostic::error(
            Code::InvalidSecret,
            format!("the secret is not base64: {}", reason(error)),
        );
        if text.contains("-----BEGIN ") {
            finding = finding.help("this is PEM: encode it with `base64 -w0`");
        }
        return Err(finding);
    }
    Ok(Secret { data })
}

/// What is wrong, without the symbols themselves.
fn reason(error: base64::DecodeError) -> String {
    match error {
        base64::DecodeError::InvalidByte(at, _) => format!("symbol {} is none of it", at + 1),
        base64::DecodeError::InvalidLength(_) => "its length is not a multiple of 4".to_owned(),
        base64::DecodeError::InvalidLastSymbol(..) | base64::DecodeError::InvalidPadding => {
            "its end is damaged".to_owned()
        }
    }
}
