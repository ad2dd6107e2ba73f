//! `MeshTCPRoute` (Kuma `pkg/plugins/policies/meshtcproute/api/v1alpha1/validator.go` at 2.14.3, and the bound of its
//! CRD).

use crate::resources::kuma::mesh_tcp_route::MeshTcpRoute;
use crate::resources::report::{Report, Validate};
use crate::source::Path;

use super::mesh_http_route::backend_ref;
use super::target_ref::target_ref;

impl Validate for MeshTcpRoute {
    fn validate(&self, report: &mut Report<'_>) {
        if let Some(target) = &self.target_ref {
            let kinds = [
                "Mesh",
                "MeshSubset",
                "MeshGateway",
                "MeshService",
                "MeshServiceSubset",
                "Dataplane",
            ];
            target_ref(report, &Path::of("targetRef"), target, &kinds);
        }
        let target = self.target_ref.as_ref();
        let kinds: &[&str] = if target.is_some_and(|target| target.kind == "MeshGateway") {
            &["Mesh"]
        } else {
            &["MeshService", "MeshExternalService", "MeshMultiZoneService"]
        };
        for (index, to) in self.to.iter().enumerate() {
            let path = Path::of("to").index(index);
            target_ref(report, &path.field("targetRef"), &to.target_ref, kinds);
            let path = path.field("rules");
            if to.rules.len() > 1 {
                report.violation(&path, "must have at most 1 items");
            }
            for (index, rule) in to.rules.iter().enumerate() {
                let path = path.index(index).field("default").field("backendRefs");
                if rule.conf.backend_refs.is_empty() {
                    report.violation(&path, "must be defined");
                }
                for (index, backend) in rule.conf.backend_refs.iter().enumerate() {
                    backend_ref(report, &path.index(index), backend);
                }
            }
        }
    }
}
