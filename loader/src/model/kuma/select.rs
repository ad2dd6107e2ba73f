//! Which MeshGateway a Dataplane gets, and which listeners a route attaches to.

use std::cmp::Reverse;

use policy::Tags;

use super::lookup::InMesh;
use crate::diagnostic::{Code, Diagnostic};
use crate::resources::kuma::dataplane::{Dataplane, GatewayType};
use crate::resources::kuma::mesh_gateway::{MeshGateway, Selector};
use crate::resources::{Meta, Resource};
use crate::source::Path;

/// How well a selector fits: more tags first, then more exact values (Kuma `TagSelectorRank`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    tags: usize,
    exact: usize,
}

impl Rank {
    /// The rank of two matches together.
    pub(super) fn with(self, other: Self) -> Self {
        Self {
            tags: self.tags + other.tags,
            exact: self.exact + other.exact,
        }
    }

    fn of(selector: &Selector) -> Self {
        let exact = selector.tags.iter().filter(|&(_, value)| value != "*");
        Self {
            exact: exact.count(),
            tags: selector.tags.iter().len(),
        }
    }
}

/// Whether the Dataplane is a gateway that Kuma itself would serve.
pub fn is_builtin_gateway(dataplane: &Resource<Dataplane>) -> bool {
    dataplane
        .spec
        .networking
        .gateway
        .as_ref()
        .is_some_and(|gateway| gateway.kind == GatewayType::Builtin)
}

/// The MeshGateway that selects the Dataplane: the one with the best selector; of equal ones the one created last,
/// then the first by name (Kuma `pkg/core/policy/dataplane_matcher.go` at 2.14.3).
pub(super) fn gateway_of<'a>(
    mesh: &InMesh<'a>,
    dataplane: &Resource<Dataplane>,
    findings: &mut Vec<Diagnostic>,
) -> Option<&'a Resource<MeshGateway>> {
    let tags = &dataplane.spec.networking.gateway.as_ref()?.tags;
    let mut candidates: Vec<_> = mesh
        .gateways_for(tags)
        .filter_map(|gateway| Some((best_rank(&gateway.spec.selectors, tags)?, gateway)))
        .collect();
    candidates.sort_by_key(|(rank, gateway)| {
        let meta = &gateway.meta;
        (Reverse(*rank), Reverse(&meta.created), &meta.name)
    });
    match candidates.as_slice() {
        [] => {
            let path = Path::of("networking.gateway.tags");
            findings.push(
                dataplane
                    .warning(
                        Code::NoGateway,
                        &path,
                        "no MeshGateway selects this Dataplane",
                    )
                    .help(format!(
                        "give a MeshGateway of mesh `{}` a selector that matches {tags}",
                        dataplane.meta.mesh
                    )),
            );
            None
        }
        [(_, only)] => Some(only),
        [(best, first), (second_best, second), ..] => {
            if best == second_best && first.meta.created == second.meta.created {
                findings.push(tie(dataplane, first, second));
            }
            Some(first)
        }
    }
}

fn tie(
    dataplane: &Resource<Dataplane>,
    first: &Resource<MeshGateway>,
    second: &Resource<MeshGateway>,
) -> Diagnostic {
    let message = format!(
        "selects {} as well as `{}` does, which comes first by name and is used",
        dataplane.meta, first.meta.name
    );
    second
        .warning(Code::SelectorTie, &Path::of("selectors"), message)
        .help(
            "a Dataplane gets one MeshGateway: add a tag to the selector of the one that is meant",
        )
}

/// How well the best of the selectors that match `tags` fits.
pub(super) fn best_rank(selectors: &[Selector], tags: &Tags) -> Option<Rank> {
    selectors
        .iter()
        .filter(|selector| tags.matched_by(&selector.tags))
        .map(Rank::of)
        .max()
}

/// What tells policies of the same kind of `targetRef` apart, the greater one wins: those of a zone from those of all
/// zones and those that do not say, more tags of a gateway, who wrote them for whom, and then the first by name (Kuma
/// `SortByTargetRef` in `pkg/plugins/policies/core/matchers/dataplane.go` at 2.14.3).
pub(super) fn precedence(meta: &Meta, tags: usize) -> impl Ord + use<'_> {
    let label = |name| meta.labels.get(name).map_or("", String::as_str);
    let origin = match label("kuma.io/origin") {
        "global" => 1,
        "" => 2,
        "zone" => 3,
        _ => 0,
    };
    let role = match label("kuma.io/policy-role") {
        "" | "system" => 1,
        "producer" => 2,
        "consumer" => 3,
        "workload-owner" => 4,
        _ => 0,
    };
    (origin, tags, role, Reverse(display_name(meta)))
}

/// The name that policies are sorted and found by.
pub(super) fn display_name(meta: &Meta) -> &str {
    let name = meta.labels.get("kuma.io/display-name").map(String::as_str);
    name.filter(|name| !name.is_empty()).unwrap_or(&meta.name)
}
