//! `ZoneIngress` (Kuma `pkg/core/resources/apis/mesh/zone_ingress_validator.go` at 2.14.3).

use crate::resources::kuma::zone_ingress::ZoneIngress;
use crate::resources::report::{Report, Validate};
use crate::source::Path;

use super::dataplane::address;
use super::{port, tags};

impl Validate for ZoneIngress {
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
        match (net.advertised_address.as_str(), net.advertised_port) {
            ("", 1..) => report.violation(
                &path.field("advertisedAddress"),
                "has to be defined with advertisedPort",
            ),
            (name, 0) if !name.is_empty() => report.violation(
                &path.field("advertisedPort"),
                "has to be defined with advertisedAddress",
            ),
            _ => {}
        }
        for (field, text) in [
            ("address", &net.address),
            ("advertisedAddress", &net.advertised_address),
        ] {
            if !text.is_empty() {
                let place = path.field(field);
                let name = place.field("address");
                report.calling(&place, &name, |report| address(report, &place, text));
            }
        }
        port(report, &path.field("port"), net.port);
        if net.advertised_port != 0 {
            port(report, &path.field("advertisedPort"), net.advertised_port);
        }
        for (index, service) in self.available_services.iter().enumerate() {
            // Kuma's own paths call the list `availableService`.
            let place = Path::of("availableServices").index(index).field("tags");
            let name = Path::of("availableService").index(index).field("tags");
            report.calling(&place, &name, |report| {
                tags::own_with_service(report, &place, &service.tags);
            });
        }
    }
}
