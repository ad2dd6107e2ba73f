//! `exportTo`.

use std::collections::BTreeSet;

use crate::resources::report::Report;
use crate::source::Path;

use super::names::is_label;

/// Whose `exportTo` it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    /// A VirtualService or a DestinationRule.
    Configuration,
    /// A DestinationRule for some clients only.
    SelectedRule,
    /// A ServiceEntry.
    ServiceEntry,
}

/// `validateExportTo`.
pub(super) fn check(report: &mut Report<'_>, namespace: &str, export_to: &[String], of: Of) {
    let path = Path::of("exportTo");
    let mut seen = BTreeSet::new();
    for (index, entry) in export_to.iter().enumerate() {
        let key = if entry == "." { namespace } else { entry };
        let path = path.index(index);
        if seen.contains(key) {
            report.violation(
                &path,
                if key == entry {
                    format!("duplicate entries in exportTo for entry {entry}")
                } else {
                    format!("duplicate entries in exportTo: . and current namespace {namespace}")
                },
            );
        } else if key == "~" && of != Of::ServiceEntry {
            let text = "exportTo ~ (none) is not allowed for Istio configuration objects";
            report.advise(&path, text, "write `.` for the own namespace only");
        } else if !(matches!(key, "*" | "~") || is_label(key)) {
            let text = "only .,*, or a valid DNS 1123 label is allowed as exportTo entry";
            report.violation(&path, text);
        } else {
            seen.insert(key);
        }
    }
    if of == Of::SelectedRule && !seen.is_empty() {
        if !seen.contains(namespace) {
            report.violation(
                &path,
                "destination rule with workload selector cannot have exportTo beyond current namespace",
            );
        } else if seen.len() > 1 {
            report.violation(
                &path,
                "destination rule with workload selector cannot have multiple entries in exportTo",
            );
        }
    }
    if seen.contains("*") && export_to.len() > 1 {
        let text = "cannot have both public (*) and non-public exportTo values for a resource";
        report.advise(&path, text, "write `*` alone: it holds all namespaces");
    }
    if seen.contains("~") && export_to.len() > 1 {
        let text = "cannot export service entry to no one (~) and someone";
        report.violation(&path, text);
    }
}
