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

/// `<n> kbps` and so on, with one space or none (`BandwidthRegex` in `pkg/core/validators` at 2.14.3). Kuma gives Envoy,
/// which counts KiB/s, the number of kbit/s (`ConvertBandwidthToKbps`), and whoever has measured what comes of it wants
/// the same again.
pub(crate) fn kibibytes(limit: &str) -> Option<u64> {
    let (number, unit) = limit.split_at(limit.find(|c: char| !c.is_ascii_digit())?);
    let factor = match unit.strip_prefix(' ').unwrap_or(unit) {
        "kbps" => 1,
        "Mbps" => 1_000,
        "Gbps" => 1_000_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::kibibytes;

    #[test]
    fn bandwidths_are_read_as_kuma_reads_them() {
        for (text, expected) in [
            ("50 Mbps", Some(50_000)),
            ("100Mbps", Some(100_000)),
            ("5 kbps", Some(5)),
            ("1Gbps", Some(1_000_000)),
            ("1  kbps", None),
            ("kbps", None),
            ("1 bps", None),
            ("1", None),
            ("", None),
            ("99999999999999999999 kbps", None),
            ("18446744073709551615 Gbps", None),
        ] {
            assert_eq!(kibibytes(text), expected, "{text}");
        }
    }
}
