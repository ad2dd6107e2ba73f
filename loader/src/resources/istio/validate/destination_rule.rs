//! `ValidateDestinationRule`.

use std::collections::BTreeSet;

use crate::diagnostic::Code;
use crate::resources::istio::destination_rule::DestinationRule;
use crate::resources::report::{Report, Validate};
use crate::source::Path;

use super::export_to::{self, Of};
use super::{connections, labels, names, selector, traffic_policy, warn};

impl Validate for DestinationRule {
    fn validate(&self, report: &mut Report<'_>) {
        if let Err(text) = names::wildcard_domain(&self.host) {
            report.violation(&Path::of("host"), text);
        }
        if let Some(policy) = &self.traffic_policy {
            traffic_policy::check(report, &Path::of("trafficPolicy"), policy);
        }
        let mut seen = BTreeSet::new();
        for (index, subset) in self.subsets.iter().enumerate() {
            let path = Path::of("subsets").index(index);
            let name = path.field("name");
            if !seen.insert(&subset.name) {
                let text = format!("duplicate subset names: {}", subset.name);
                report.violation(&name, text);
            }
            connections::subset_name(report, &name, &subset.name);
            labels(report, &path.field("labels"), &subset.labels);
            if let Some(policy) = &subset.traffic_policy {
                let path = path.field("trafficPolicy");
                report.errors_only(|report| traffic_policy::check(report, &path, policy));
            }
        }
        let of = match &self.workload_selector {
            Some(_) => Of::SelectedRule,
            None => Of::Configuration,
        };
        let namespace = report.meta().namespace().to_owned();
        export_to::check(report, &namespace, &self.export_to, of);
        if let Some(of) = &self.workload_selector {
            let path = Path::of("workloadSelector").field("matchLabels");
            selector(report, &path, &of.match_labels);
            if of.match_labels.is_empty() {
                let text = "workload selector specified without labels";
                warn(report, &path, Code::DoubtfulSetting, text);
            }
        }
    }
}
