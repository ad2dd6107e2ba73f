//! What is wrong with Istio's resources together (`pkg/config/analysis/analyzers` of Istio at 1.32, with the codes of
//! `istioctl analyze`), and what Istio drops in silence.
//!
//! Most are warnings: Istio serves the rest of the resources, and so does meshgate.

mod conflicts;
mod credentials;
mod destinations;
mod hosts;
mod redirects;
mod registry;
mod rules;
mod workloads;

use crate::diagnostic::Diagnostic;
use crate::resources::Resources;
use time::OffsetDateTime;

/// Everything that is wrong with the resources together.
pub(super) fn all(resources: &Resources) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    workloads::check(resources, &mut findings);
    conflicts::check(resources, &mut findings);
    redirects::check(resources, &mut findings);
    hosts::check(resources, &mut findings);
    destinations::check(resources, &mut findings);
    rules::check(resources, &mut findings);
    findings
}

/// What is wrong with the certificates of gateways at a time.
pub(super) fn certificates(resources: &Resources, now: OffsetDateTime) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    credentials::check(resources, now, &mut findings);
    findings
}
