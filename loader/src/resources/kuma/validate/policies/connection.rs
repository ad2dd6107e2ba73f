//! What older policies have in common: `sources`, `destinations` and a `conf`.

use crate::resources::kuma::policy::{Connection, Duration};
use crate::resources::report::Report;
use crate::source::Path;

use super::super::tags;
use super::duration;

/// The rules for `sources` and `destinations` of policies for whole services.
pub(super) fn connection<C>(report: &mut Report<'_>, policy: &Connection<C>) {
    tags::selectors_with_service(report, &Path::of("sources"), &policy.sources);
    tags::only_services(report, &Path::of("destinations"), &policy.destinations);
}

/// Whether there is a `conf`; `text` says what is wrong if not.
pub(super) fn has_conf(report: &mut Report<'_>, text: &str) -> bool {
    let path = Path::of("conf");
    let is_there = report.is_written(&path);
    if !is_there {
        report.violation(&path, text);
    }
    is_there
}

/// `validateDuration_GreaterThan0OrNil`; what is negative Kuma does not look at, and Envoy refuses.
pub(super) fn above_zero(report: &mut Report<'_>, path: &Path, value: Option<&Duration>) {
    match value {
        Some(Duration::Of(time)) if time.is_zero() => {
            report.violation(path, "has to be greater than 0 when defined");
        }
        value => duration(report, path, value, true),
    }
}
