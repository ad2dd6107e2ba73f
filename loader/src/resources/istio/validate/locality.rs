//! Near and far endpoints (`ValidateLocalityLbSetting`, `ValidateZoneAwareLbSetting`).

use std::collections::BTreeSet;

use crate::diagnostic::Code;
use crate::resources::istio::traffic_policy::{Failover, LocalityLb, ZoneAwareLb};
use crate::resources::report::Report;
use crate::source::Path;

use super::warn;

const TOPOLOGY: [&str; 3] = [
    "topology.kubernetes.io/region",
    "topology.kubernetes.io/zone",
    "topology.istio.io/subzone",
];

/// `ValidateLocalityLbSetting`.
pub(super) fn near(report: &mut Report<'_>, path: &Path, setting: &LocalityLb, outliers: bool) {
    if !setting.distribute.is_empty() && !setting.failover.is_empty() {
        let text = "can not simultaneously specify 'distribute' and 'failover'";
        return report.violation(path, text);
    }
    let topology = topology(&setting.failover_priority);
    if let Some(label) = topology.filter(|_| !setting.failover.is_empty()) {
        let text = format!(
            "can not simultaneously set 'failover' and topology label '{label}' in 'failover_priority'"
        );
        return report.violation(&path.field("failoverPriority"), text);
    }
    for (index, entry) in setting.distribute.iter().enumerate() {
        let path = path.field("distribute").index(index).field("to");
        if entry.to.values().any(|weight| !(1..=100).contains(weight)) {
            return report.violation(&path, "locality weight must be in range [1, 100]");
        }
        let total: u32 = entry.to.values().sum();
        if total != 100 {
            return report.violation(&path, format!("total locality weight {total} != 100"));
        }
        localities(report, &path, entry.to.keys().map(String::as_str));
    }
    let from = setting.distribute.iter().map(|entry| entry.from.as_str());
    localities(report, &path.field("distribute"), from);
    let has_failover = !setting.failover.is_empty() || !setting.failover_priority.is_empty();
    detection(report, path, has_failover && !outliers);
    let only = "locality lb failover only specify region";
    failover(report, path, &setting.failover, "locality lb", only);
}

/// `ValidateZoneAwareLbSetting`.
pub(super) fn zones(report: &mut Report<'_>, path: &Path, setting: &ZoneAwareLb, outliers: bool) {
    if let Some(label) = topology(&setting.failover_priority) {
        let text = format!(
            "'failover_priority' for zone aware lb must not use topology label '{label}'; region- and zone-level \
             routing are handled automatically"
        );
        report.violation(&path.field("failoverPriority"), text);
    }
    let has_failover = !setting.failover.is_empty() || !setting.failover_priority.is_empty();
    detection(report, path, has_failover && !outliers);
    let only = "zone aware lb failover only specifies region; zone and subzone failover are handled automatically";
    failover(report, path, &setting.failover, "zone aware lb", only);
}

fn topology(labels: &[String]) -> Option<&str> {
    let mut labels = labels.iter().map(String::as_str);
    labels.find(|label| TOPOLOGY.contains(label))
}

fn detection(report: &mut Report<'_>, path: &Path, is_missing: bool) {
    if is_missing {
        let text = "outlier detection policy must be provided for failover";
        warn(report, path, Code::IneffectiveSetting, text);
    }
}

fn failover(report: &mut Report<'_>, path: &Path, list: &[Failover], noun: &str, only: &str) {
    for (index, entry) in list.iter().enumerate() {
        let path = path.field("failover").index(index);
        let both = [&entry.from, &entry.to];
        if entry.from == entry.to {
            let text = format!("{noun} failover settings must specify different regions");
            report.violation(&path, text);
        }
        if both.iter().any(|region| region.contains('/')) {
            report.violation(&path, only);
        }
        if both.iter().any(|region| region.contains('*')) {
            let text = format!("{noun} failover region should not contain '*' wildcard");
            report.violation(&path, text);
        }
    }
}

/// `validateLocalities`: none may hold another one that was given before it, except with `/*` at its end.
fn localities<'a>(report: &mut Report<'_>, path: &Path, names: impl Iterator<Item = &'a str>) {
    // Each locality that was given, and each that holds one of them.
    let mut whole = BTreeSet::new();
    let mut partly = BTreeSet::new();
    for name in names {
        let stars = name.bytes().filter(|byte| *byte == b'*').count();
        if stars > 1 || stars == 1 && !name.ends_with('*') {
            let text = format!(
                "locality {name} wildcard '*' number can not exceed 1 and must be in the end"
            );
            return report.violation(path, text);
        }
        if name.splitn(3, '/').any(str::is_empty) {
            let text = format!("locality {name} must not contain empty region/zone/subzone info");
            return report.violation(path, text);
        }
        let bare = name.strip_suffix("/*").unwrap_or(name);
        let parts: Vec<_> = bare.splitn(3, '/').collect();
        let above: Vec<_> = (1..parts.len())
            .filter_map(|n| parts.get(..n))
            .map(|p| p.join("/"))
            .collect();
        let is_held = whole.contains("*") || above.iter().any(|name| whole.contains(name));
        let holds = bare == name && partly.contains(bare);
        if is_held || holds || whole.contains(bare) {
            let text = format!("locality {name} overlap with previous specified ones");
            return report.violation(path, text);
        }
        whole.insert(bare.to_owned());
        partly.extend(above);
    }
}
