//! Kinds of other APIs than Kuma's, told apart by `apiVersion`.

use crate::diagnostic::{Code, Diagnostic, Severity};
use crate::resources::registry::{self, Fate, Kind};
use crate::source::{Node, Path};

/// How much alike two groups are, from 0 to 1, if one may be a slip of the pen in the other.
const NEAR: f64 = 0.75;

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
        _ if name.is_empty() => super::unknown(node, &Path::of("kind"), registry::of_group(group)),
        _ if group.is_empty() && (number != "v1" || registry::api_version(name).is_some()) => {
            without_group(node, version, name)
        }
        Some(Fate::LeftOut(severity, effect)) => {
            let message = format!("{version} {name} is not served: {effect}");
            let finding = match severity {
                Severity::Error => Diagnostic::error(Code::NotServedKind, message),
                Severity::Warning => Diagnostic::warning(Code::NotServedKind, message),
            };
            finding.at(node.locate(&Path::of("kind")))
        }
        _ if is_read => super::unknown(node, &Path::of("kind"), registry::of_group(group)),
        _ if is_elsewhere(group, name) => {
            let message =
                format!("{version} {name} is not served: it is none of a mesh's resources");
            let finding = Diagnostic::warning(Code::NotServedKind, message);
            finding.at(node.locate(&Path::of("kind")))
        }
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

/// Whether a kind belongs to somebody whom no mesh knows: a group that is neither one of meshes nor nearly so, and a name
/// that no mesh has. Anything else may be a slip of the pen in something that keeps somebody out.
fn is_elsewhere(group: &str, name: &str) -> bool {
    let of_mesh = |group: &str| {
        let is_below = |domain| group == domain || group.ends_with(&format!(".{domain}"));
        is_below("istio.io") || is_below("kuma.io")
    };
    let is_near = |known| strsim::normalized_damerau_levenshtein(group, known) >= NEAR;
    group.contains('.')
        && !of_mesh(group)
        && !registry::groups().any(is_near)
        && registry::api_version(name).is_none()
}

/// A resource without `apiVersion`, or with one that has no group. Kubernetes would refuse it. Left out with a warning,
/// a rule that keeps somebody out would be missing.
fn without_group(node: &Node, version: &str, name: &str) -> Diagnostic {
    let path = if version.is_empty() {
        Path::of("kind")
    } else {
        Path::of("apiVersion")
    };
    let own = registry::api_version(name);
    let finding = match (&own, version) {
        (None, "") => Diagnostic::warning(
            Code::NotServedKind,
            format!("{name} is not served: it has no `apiVersion`, and no mesh has such a kind"),
        ),
        (Some(_), "") => {
            Diagnostic::error(Code::UnknownVersion, format!("{name} has no `apiVersion`"))
        }
        (Some(_), "v1") => {
            Diagnostic::error(Code::UnknownVersion, format!("there is no {name} in `v1`"))
        }
        _ => {
            let message = format!("unknown apiVersion `{version}`");
            Diagnostic::error(Code::UnknownVersion, message)
        }
    };
    let finding = match own {
        Some(own) => finding.help(format!("write `apiVersion: {own}`")),
        None => finding,
    };
    finding.at(node.locate(&path))
}
