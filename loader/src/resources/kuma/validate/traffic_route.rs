//! `TrafficRoute` (Kuma `pkg/core/resources/apis/mesh/traffic_route_validator.go` at 2.14.3): the rules about
//! destinations, which are what is read of it.

use policy::Tags;

use crate::resources::kuma::traffic_route::{Split, TrafficRoute};
use crate::resources::report::{Report, Validate};
use crate::source::Path;

use super::tags;

impl Validate for TrafficRoute {
    fn validate(&self, report: &mut Report<'_>) {
        tags::selectors_with_service(report, &Path::of("sources"), &self.sources);
        tags::only_services(report, &Path::of("destinations"), &self.destinations);
        let path = Path::of("conf");
        let Some(conf) = &self.conf else {
            return report.violation(&path, "cannot be empty");
        };
        where_to(report, &path, &conf.split, &conf.destination);
        for (index, http) in conf.http.iter().enumerate() {
            let path = path.field("http").index(index);
            where_to(report, &path, &http.split, &http.destination);
        }
    }
}

/// `validateSplitAndDestination`.
fn where_to(report: &mut Report<'_>, path: &Path, split: &[Split], destination: &Tags) {
    match (split.is_empty(), destination.is_empty()) {
        (true, true) => {
            report.violation(path, "requires either \"destination\" or \"split\"");
        }
        (false, false) => report.violation(
            path,
            "\"split\" cannot be defined at the same time as \"destination\"",
        ),
        (true, false) => tags::required(report, &path.field("destination"), destination),
        (false, true) => {}
    }
    let path = path.field("split");
    for (index, entry) in split.iter().enumerate() {
        let path = path.index(index);
        if entry.weight.is_none() {
            report.violation(&path.field("weight"), "needs to be defined");
        }
        tags::required(report, &path.field("destination"), &entry.destination);
    }
    let has_weight = split.iter().any(|entry| entry.weight.unwrap_or(0) > 0);
    if !split.is_empty() && !has_weight {
        report.violation(
            &path,
            "there must be at least one split entry with weight above 0",
        );
    }
}
