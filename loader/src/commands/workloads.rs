//! The gateways of Istio that `bootstrap` and `run` can be about.

use std::collections::BTreeMap;

use crate::cli::ProxyArgs;
use crate::model::istio::{self, Workload};
use crate::resources::Resources;

/// Whether the arguments name one.
pub(super) fn are_named(args: &ProxyArgs) -> bool {
    !args.gateway_labels.is_empty() || args.namespace.is_some() || args.locality.is_some()
}

/// Those with the labels and in the namespace that are given; without them all that the resources have.
pub(super) fn of(args: &ProxyArgs, resources: &Resources) -> Vec<Workload> {
    let mut known = fitting(args, resources);
    for workload in &mut known {
        workload.address = args.address;
        if args.locality.is_some() {
            workload.locality.clone_from(&args.locality);
        }
    }
    known
}

fn fitting(args: &ProxyArgs, resources: &Resources) -> Vec<Workload> {
    let mut known = istio::workloads(resources);
    if let Some(namespace) = &args.namespace {
        // One that only selectors tell of can be in any namespace.
        for workload in &mut known {
            if !workload.is_written {
                workload.namespace.clone_from(namespace);
            }
        }
        known.retain(|workload| workload.namespace == *namespace);
    }
    if args.gateway_labels.is_empty() {
        return known;
    }
    let labels: BTreeMap<_, _> = args.gateway_labels.iter().cloned().collect();
    known.retain(|workload| workload.is_written && workload.is_selected_by(&labels));
    if known.is_empty() {
        known.extend(istio::named(resources, labels, args.namespace.as_deref()));
    }
    known
}

/// For the user to choose from.
pub(super) fn list(workloads: &[Workload]) -> String {
    let line = |workload: &Workload| {
        let labels = workload.labels.iter();
        let labels: Vec<_> = labels
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        format!(
            "  {}   --gateway-labels {} --namespace {}",
            workload.name,
            labels.join(","),
            workload.namespace
        )
    };
    workloads.iter().map(line).collect::<Vec<_>>().join("\n")
}
