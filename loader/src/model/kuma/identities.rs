//! Who the proxies of a mesh are.

use std::collections::BTreeSet;

use policy::Tags;

use super::lookup::Lookup;
use super::{SERVICE_TAG, zone_egress};
use crate::diagnostic::{Code, Diagnostic};
use crate::model::Identity;
use crate::resources::Resource;
use crate::resources::kuma::dataplane::{Dataplane, ZoneListenerType};
use crate::source::Path;

/// The label that names a service where no tag does (Kuma `pkg/xds/secrets/identity_tags.go` at 2.14.3).
const WORKLOAD_LABEL: &str = "kuma.io/workload";

/// Who a Dataplane is; nobody if its mesh has no mTLS, and an error, which is in `findings`, if it has no name that a
/// certificate can have.
pub(super) fn identity(
    lookup: &Lookup<'_>,
    dataplane: &Resource<Dataplane>,
    findings: &mut Vec<Diagnostic>,
) -> Result<Option<Identity>, Nameless> {
    let mesh = &dataplane.meta.mesh;
    if !lookup.has_mtls(mesh) {
        return Ok(None);
    }
    let networking = &dataplane.spec.networking;
    let inbounds = networking.inbound.iter().map(|inbound| &inbound.tags);
    let gateway = networking.gateway.as_ref().map(|gateway| &gateway.tags);
    let mut tags: Vec<Tags> = inbounds.chain(gateway).cloned().collect();
    let services = tags.iter().filter_map(|tags| tags.get(SERVICE_TAG));
    let mut services: BTreeSet<String> = services.map(ToOwned::to_owned).collect();
    let mut listeners = networking.listeners.iter();
    if listeners.any(|listener| listener.kind == ZoneListenerType::ZoneEgress) {
        services.insert(zone_egress::SERVICE.to_owned());
    }
    if services.is_empty()
        && let Some(workload) = dataplane.meta.labels.get(WORKLOAD_LABEL)
    {
        services.insert(workload.clone());
        tags = vec![[(SERVICE_TAG, workload)].into_iter().collect()];
    }
    let wrong = match services.iter().find(|service| !is_segment(service)) {
        None if services.is_empty() => format!(
            "there is no `{SERVICE_TAG}` tag and no `{WORKLOAD_LABEL}` label, so there is nothing to name it by in mTLS"
        ),
        Some(service) => format!(
            "`{service}` cannot be in a SPIFFE ID: path segment characters are limited to letters, numbers, dots, dashes, and underscores"
        ),
        None => {
            return Ok(Some(Identity {
                mesh: mesh.clone(),
                dataplane: dataplane.meta.core_name(),
                services: services.into_iter().collect(),
                tags,
            }));
        }
    };
    let path = Path::of("networking");
    findings.push(
        dataplane
            .error(Code::NoSpiffeId, &path, wrong)
            .help("name the service like this: `backend-v1.prod_eu`"),
    );
    Err(Nameless)
}

/// There is no certificate for such a Dataplane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nameless;

/// A segment of the path of a SPIFFE ID (`SPIFFE-ID.md` §2.2 of github.com/spiffe/spiffe).
fn is_segment(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    !matches!(text, "" | "." | "..") && text.bytes().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments() {
        for (text, is_one) in [
            ("backend", true),
            ("back-end_v1.2", true),
            ("B", true),
            ("...", true),
            ("", false),
            (".", false),
            ("..", false),
            ("a/b", false),
            ("a:b", false),
            ("*", false),
        ] {
            assert_eq!(is_segment(text), is_one, "{text}");
        }
    }
}
