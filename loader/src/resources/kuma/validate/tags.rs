//! Rules for tags and selectors (Kuma `pkg/core/resources/apis/mesh/validators.go` at 2.14.3).

use policy::Tags;

use crate::resources::kuma::mesh_gateway::Selector;
use crate::resources::report::Report;
use crate::source::Path;

pub(super) const SERVICE: &str = "kuma.io/service";
pub(super) const PROTOCOL: &str = "kuma.io/protocol";

const MISSING_SERVICE: &str = "mandatory tag \"kuma.io/service\" is missing";

/// `ValidateSelectors` as gateways and their routes call it.
pub(super) fn selectors(report: &mut Report<'_>, selectors: &[Selector], only_one: bool) {
    let path = Path::of("selectors");
    if selectors.is_empty() {
        report.advise(
            &path,
            "must have at least one element",
            "write `selectors:` with `- match: {kuma.io/service: …}`",
        );
    }
    for (index, selector) in selectors.iter().enumerate() {
        required(report, &path.index(index).field("match"), &selector.tags);
        if index > 0 && only_one {
            report.violation(&path.index(index), "there can be at most one selector");
        }
    }
}

/// `ValidateSelectors` where neither service nor protocol matter.
pub(super) fn any_selectors(report: &mut Report<'_>, path: &Path, selectors: &[Selector]) {
    if selectors.is_empty() {
        report.violation(path, "must have at least one element");
    }
    for (index, selector) in selectors.iter().enumerate() {
        at_least_one(report, &path.index(index).field("match"), &selector.tags);
    }
}

/// `ValidateSelectors` where at least one tag and the service are required.
pub(super) fn selectors_with_service(report: &mut Report<'_>, path: &Path, selectors: &[Selector]) {
    if selectors.is_empty() {
        report.violation(path, "must have at least one element");
    }
    for (index, selector) in selectors.iter().enumerate() {
        required(report, &path.index(index).field("match"), &selector.tags);
    }
}

/// `ValidateSelectors` with `OnlyServiceTagAllowed`.
pub(super) fn only_services(report: &mut Report<'_>, path: &Path, selectors: &[Selector]) {
    if selectors.is_empty() {
        report.violation(path, "must have at least one element");
    }
    for (index, selector) in selectors.iter().enumerate() {
        let path = path.index(index).field("match");
        let tags = &selector.tags;
        if tags.iter().count() != 1 || tags.get(SERVICE).is_none() {
            let text = format!("must consist of exactly one tag \"{SERVICE}\"");
            report.violation(&path, text);
        }
        for (name, _) in tags.iter().filter(|(name, _)| *name != SERVICE) {
            report.violation(&path.key(name), format!("tag \"{name}\" is not allowed"));
        }
        self::selector(report, &path, tags);
        if tags.get(SERVICE).is_none() {
            report.violation(&path, MISSING_SERVICE);
        }
    }
}

/// `ValidateSelector` where at least one tag is required.
pub(super) fn at_least_one(report: &mut Report<'_>, path: &Path, tags: &Tags) {
    if tags.is_empty() {
        report.violation(path, "must have at least one tag");
    }
    selector(report, path, tags);
}

/// `ValidateSelector` where at least one tag and the service are required.
pub(super) fn required(report: &mut Report<'_>, path: &Path, tags: &Tags) {
    at_least_one(report, path, tags);
    if tags.get(SERVICE).is_none() {
        report.violation(path, MISSING_SERVICE);
    }
}

/// `ValidateSelector` for tags that come on top of a Dataplane's own.
pub(super) fn additional(report: &mut Report<'_>, path: &Path, tags: &Tags) {
    for (name, _) in tags.iter() {
        if matches!(
            name,
            "kuma.io/external-service-name" | PROTOCOL | SERVICE | "kuma.io/zone"
        ) {
            report.violation(&path.key(name), format!("tag name must not be \"{name}\""));
        }
    }
    selector(report, path, tags);
}

/// `ValidateSelector` without more.
pub(super) fn selector(report: &mut Report<'_>, path: &Path, tags: &Tags) {
    each(report, path, tags, |value| {
        let is_valid = value == "*" || value.bytes().all(|byte| is_value(byte) || byte == b'/');
        (!is_valid).then_some(
            "tag value must consist of alphanumeric characters, dots, dashes, slashes and underscores or be \"*\"",
        )
    });
}

/// `ValidateTags`.
pub(super) fn own(report: &mut Report<'_>, path: &Path, tags: &Tags) {
    each(report, path, tags, |value| {
        (!value.bytes().all(is_value)).then_some(
            "tag value must consist of alphanumeric characters, dots, dashes and underscores",
        )
    });
}

/// `ValidateTags`, with the service required.
pub(super) fn own_with_service(report: &mut Report<'_>, path: &Path, tags: &Tags) {
    own(report, path, tags);
    if tags.get(SERVICE).is_none() {
        report.violation(path, MISSING_SERVICE);
    }
}

fn each(
    report: &mut Report<'_>,
    path: &Path,
    tags: &Tags,
    refuse: impl Fn(&str) -> Option<&'static str>,
) {
    for (name, value) in tags.iter() {
        let place = path.key(name);
        if name.is_empty() {
            report.violation(path, "tag name must be non-empty");
        }
        if !name.bytes().all(|byte| is_value(byte) || byte == b'/') {
            report.violation(
                &place,
                "tag name must consist of alphanumeric characters, dots, dashes, slashes and underscores",
            );
        }
        if value.is_empty() {
            report.violation(&place, "tag value must be non-empty");
        }
        if let Some(text) = refuse(value) {
            report.violation(&place, text);
        }
    }
}

fn is_value(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':')
}
