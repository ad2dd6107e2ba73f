//! `MeshService` and `MeshMultiZoneService` (Kuma `pkg/core/resources/apis/meshservice/api/v1alpha1/validator.go` and
//! `meshmultizoneservice` at 2.14.3).

use crate::resources::kuma::mesh_service::{MeshMultiZoneService, MeshService};
use crate::resources::report::{Report, Validate};
use crate::source::Path;

/// A label of DNS: the name becomes one.
const MAX_NAME: usize = 63;

const PROTOCOLS: [&str; 5] = ["grpc", "http", "http2", "kafka", "tcp"];

impl Validate for MeshService {
    fn validate(&self, report: &mut Report<'_>) {
        if report.display_name().len() > MAX_NAME {
            report.about_name("must not be longer than 63 characters");
        }
        let selector = &self.selector;
        let selectors = [
            selector.dataplane_tags.is_some(),
            selector.dataplane_ref.is_some(),
            selector.dataplane_labels.is_some(),
        ];
        if selectors.into_iter().filter(|&is_set| is_set).count() > 1 {
            report.violation(
                &Path::of("selector"),
                "must specify only one of: dataplaneTags, dataplaneRef, or dataplaneLabels",
            );
        }
    }
}

impl Validate for MeshMultiZoneService {
    fn validate(&self, report: &mut Report<'_>) {
        let path = Path::of("selector.meshService.matchLabels");
        if self.selector.mesh_service.match_labels.is_empty() {
            report.violation(&path, "cannot be empty");
        }
        if self.ports.is_empty() {
            report.violation(&Path::of("ports"), "cannot be empty");
        }
        for (index, port) in self.ports.iter().enumerate() {
            let path = Path::of("ports").index(index);
            if port.name.as_deref() == Some("") {
                report.violation(&path.field("name"), "must not be empty");
            }
            if !PROTOCOLS.contains(&port.app_protocol.as_str()) {
                report.violation(
                    &path.field("appProtocol"),
                    "appProtocol must be one of: grpc, http, http2, kafka, tcp",
                );
            }
        }
    }
}
