//! `MeshFaultInjection`. Kuma does not apply the older `FaultInjection` to gateways.

use super::select::{Policies, To};
use crate::model::policy::Fault;
use crate::resources::kuma::mesh_fault_injection::{HttpFault, MeshFaults};

pub(super) fn route(policies: &Policies<'_>, route: To<'_>) -> Vec<Fault> {
    let all = &policies.resources.mesh_fault_injections;
    let conf = policies.outbound(all, route);
    faults(conf)
}

/// What goes wrong for everybody who calls an inbound.
pub(super) fn inbound(policies: &Policies<'_>) -> Vec<Fault> {
    faults(policies.inbound(&policies.resources.mesh_fault_injections))
}

fn faults(conf: Option<MeshFaults>) -> Vec<Fault> {
    let faults = conf.and_then(|conf| conf.http).unwrap_or_default();
    faults.iter().map(fault).collect()
}

fn fault(conf: &HttpFault) -> Fault {
    Fault {
        abort: conf
            .abort
            .as_ref()
            .and_then(|abort| Some((abort.http_status, abort.percentage.get()?))),
        grpc_abort: None,
        delay: conf
            .delay
            .as_ref()
            .and_then(|delay| Some((delay.value.as_ref()?.get()?, delay.percentage.get()?))),
        bandwidth: conf.response_bandwidth.as_ref().and_then(|bandwidth| {
            Some((kibibytes(&bandwidth.limit)?, bandwidth.percentage.get()?))
        }),
    }
}

/// `<n> kbps` and so on. Kuma gives Envoy, which counts KiB/s, the number of kbit/s (`ConvertBandwidthToKbps` at
/// 2.14.3), and whoever has measured what comes of it wants the same again.
pub(crate) fn kibibytes(limit: &str) -> Option<u64> {
    let (number, unit) = limit.split_once(' ')?;
    let factor = match unit.trim() {
        "kbps" => 1,
        "Mbps" => 1_000,
        "Gbps" => 1_000_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}
