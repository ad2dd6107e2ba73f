//! What is wrong with Istio's resources together (`pkg/config/analysis/analyzers` of Istio at 1.32, with the codes of
//! `istioctl analyze`), and what Istio drops in silence.
//!
//! Most are warnings: Istio serves the rest of the resources, and so does meshgate.

mod conflicts;
mod credentials;
mod delegates;
mod destinations;
mod entries;
mod hosts;
mod redirects;
mod registry;
mod rules;
mod subsets;
mod workloads;

use std::collections::HashSet;

use time::OffsetDateTime;

use super::Made;
use crate::diagnostic::Diagnostic;
use crate::model::istio;
use crate::model::kuma::Input;
use crate::resources::Resources;

/// Everything that is wrong with the resources together: what the analyzers say, and of what is found while each
/// gateway is made as it would be served, what they do not say.
pub(super) fn all(input: Input<'_>, made: &mut Made) -> Vec<Diagnostic> {
    let resources = input.resources;
    let mut findings = Vec::new();
    credentials::check(resources, &mut findings);
    workloads::check(resources, &mut findings);
    conflicts::check(resources, &mut findings);
    redirects::check(resources, &mut findings);
    hosts::check(resources, &mut findings);
    destinations::check(resources, &mut findings);
    rules::check(resources, &mut findings);
    delegates::check(resources, &mut findings);
    subsets::check(resources, &mut findings);
    entries::check(resources, &mut findings);
    made.of_workloads = istio::check(input, |workload, proxy, unplaced| {
        made.add_workload(workload, proxy, unplaced);
    });
    findings.extend(unnamed(made.of_workloads.clone(), &findings));
    findings
}

/// Of what is wrong with one gateway, what is not among `known`. The analyzers look at resources in Istio's words,
/// making a gateway at what it would serve; of two with one code and place, the first says it all.
pub fn unnamed(mut findings: Vec<Diagnostic>, known: &[Diagnostic]) -> Vec<Diagnostic> {
    let said: HashSet<_> = known.iter().map(|f| (f.code, f.span)).collect();
    findings.retain(|f| !said.contains(&(f.code, f.span)));
    findings
}

/// What is wrong with the certificates of gateways at a time.
pub(super) fn certificates(resources: &Resources, now: OffsetDateTime) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    credentials::stale(resources, now, &mut findings);
    findings
}
