//! `ZoneEgress` (Kuma `pkg/core/resources/apis/mesh/zone_egress_validator.go` at 2.14.3).

use crate::resources::kuma::zone_egress::ZoneEgress;
use crate::resources::report::{Report, Validate};
use crate::source::Path;

use super::dataplane::address;
use super::port;

impl Validate for ZoneEgress {
    fn validate(&self, report: &mut Report<'_>) {
        let path = Path::of("networking");
        let net = &self.networking;
        let is_admin = net
            .admin
            .as_ref()
            .is_some_and(|admin| admin.port == net.port);
        if is_admin && matches!(net.address.as_str(), "127.0.0.1" | "0.0.0.0") {
            report.violation(&Path::of("networking.admin.port"), "must differ from port");
        }
        if !net.address.is_empty() {
            address(report, &path.field("address"), &net.address);
        }
        port(report, &path.field("port"), net.port);
    }
}
