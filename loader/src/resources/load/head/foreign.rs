//! Kinds of other APIs than Kuma's, told apart by `apiVersion`.

use crate::diagnostic::{Code, Diagnostic, Severity};
use crate::resources::registry::{self, Fate, Kind};
use crate::source::{Node, Path};

/// The kind of `node` in Istio or Kubernetes; nothing, after a finding, where it is not read.
pub(super) fn kind(
    node: &Node,
    version: &str,
    findings: &mut Vec<Diagnostic>,
) -> Option<&'static Kind> {
    let (group, number) = version.split_once('/').unwrap_or(("", version));
    let name = node.get("kind").and_then(Node::text).unwrap_or_default();
    let is_read = registry::versions(group).contains(&number);
    let found = registry::of_group(group).find(|kind| kind.name == name);
    if found.is_some() && is_read {
        return found;
    }
    let finding = match registry::foreign(group) {
        Some(Fate::LeftOut(severity, effect)) => {
            let message = format!("{version} {name} is not served: {effect}");
            let finding = match severity {
                Severity::Error => Diagnostic::error(Code::NotServedKind, message),
                Severity::Warning => Diagnostic::warning(Code::NotServedKind, message),
            };
            finding.at(node.locate(&Path::of("kind")))
        }
        _ if is_read => super::unknown(node, &Path::of("kind"), registry::of_group(group)),
        _ => {
            let help = match registry::versions(group) {
                [] => "Kuma's resources have `apiVersion: kuma.io/v1alpha1`, most of Istio's \
                       `apiVersion: networking.istio.io/v1`"
                    .to_owned(),
                [first, ..] => format!("write `apiVersion: {group}/{first}`"),
            };
            let message = format!("unknown apiVersion `{version}`");
            let finding = Diagnostic::error(Code::UnknownVersion, message).help(help);
            finding.at(node.locate(&Path::of("apiVersion")))
        }
    };
    findings.push(finding);
    None
}
