//! Who may reach what through an egress.
//!
//! `ExternalService`s are for those whom permissions name. `MeshExternalService`s are for everybody, unless the Mesh or
//! a permission says otherwise, as they are where no egress is between (`mesh_external_services::access`).

use policy::Tags;

use crate::model::kuma::Input;
use crate::model::kuma::lookup::{Lookup, OutsideService};
use crate::model::kuma::policies::{Policies, Side};
use crate::model::kuma::sidecar::permissions::{by_rules, of_services};
use crate::model::{Clients, Permission, Refusal, Who};
use crate::resources::Resource;
use crate::resources::Resources;
use crate::resources::kuma::dataplane::{Dataplane, ZoneListener};
use crate::resources::kuma::mesh_traffic_permission::MeshTrafficPermission;

/// Who may reach the `ExternalService`s that are one service: whoever may reach each of them (Kuma
/// `configureEgress` in `pkg/plugins/policies/meshtrafficpermission/plugin/v1alpha1/plugin.go` at 2.14.3).
///
/// Kuma does not look at `rules` here. Those of them that deny hold nevertheless.
pub(super) fn of_older_services(input: Input<'_>, mesh: &str, services: &[Tags]) -> Permission {
    let resources = input.resources;
    let each = services.iter().map(|tags| {
        let tags = std::slice::from_ref(tags);
        let policies = Policies::of_any(resources, Side::Egress(mesh), tags);
        let mut permission = of_services(resources, mesh, tags, &policies);
        let newer = matched(resources, &policies);
        permission.denied.extend(by_rules(&newer).denied);
        permission
    });
    each.reduce(both).unwrap_or_default()
}

fn matched<'a>(
    resources: &'a Resources,
    policies: &Policies<'_>,
) -> Vec<&'a Resource<MeshTrafficPermission>> {
    let all = &resources.mesh_traffic_permissions;
    policies.matched(all)
}

/// Those whom both let in.
fn both(mut one: Permission, other: Permission) -> Permission {
    if one == other {
        return one;
    }
    if one.allowed.is_empty() || other.allowed.is_empty() {
        one.allowed = Vec::new();
    } else {
        let any = |clients: &[Clients]| Who::Any(clients.iter().map(|c| c.who.clone()).collect());
        let who = Who::All(vec![any(&one.allowed), any(&other.allowed)]);
        one.allowed = vec![Clients::of(who)];
    }
    one.denied.extend(other.denied);
    one.shadow_denied.extend(other.shadow_denied);
    if other.refusal == Refusal::Close {
        one.refusal = Refusal::Close;
    }
    one
}

/// Who may reach a `MeshExternalService` that egresses are asked for by `server_name`; nothing if nobody is kept from
/// it by a permission.
///
/// `place` is the listener of a Dataplane that the egress is. A `MeshTrafficPermission` for that Dataplane is one for
/// the egress; of those for the whole mesh only what they deny holds, because what they allow is meant for services.
pub(super) fn of_external_service(
    lookup: &Lookup<'_>,
    service: &OutsideService<'_>,
    place: Option<(&Resource<Dataplane>, &ZoneListener)>,
    server_name: &str,
) -> Option<Permission> {
    let own = service.permission.clone();
    let Some((dataplane, listener)) = place else {
        return own;
    };
    let resources = lookup.input.resources;
    let sections = [listener.name.clone(), listener.port.to_string()];
    let policies = Policies::of_any(resources, Side::Sidecar(dataplane, &sections), &[]);
    let all: Vec<_> = matched(resources, &policies)
        .into_iter()
        .filter(|policy| !policy.spec.rules.is_empty())
        .collect();
    let is_for_place = |policy: &&Resource<MeshTrafficPermission>| {
        let target = policy.spec.target_ref.as_ref();
        target.is_some_and(|target| target.kind == "Dataplane")
    };
    let (for_place, for_all): (Vec<_>, Vec<_>) = all.into_iter().partition(is_for_place);
    let has_own = own.is_some();
    let mut permission = match (own, for_place.is_empty()) {
        (Some(own), _) => own,
        (None, false) => Permission::default(),
        (None, true) if for_all.is_empty() => return None,
        (None, true) if lookup.mesh(&dataplane.meta.mesh).forbids_outside() => return None,
        (None, true) => Permission {
            allowed: vec![Clients::of(Who::Anyone)],
            ..Permission::default()
        },
    };
    let asked = |clients: &Clients| {
        let sni = clients.sni.as_ref();
        sni.is_none_or(|sni| sni.eq_ignore_ascii_case(server_name))
    };
    let known = |clients: Vec<Clients>| {
        let clients = clients.into_iter().filter(asked);
        clients.map(|clients| Clients {
            sni: None,
            ..clients
        })
    };
    let more = by_rules(&for_place);
    permission.denied.extend(known(more.denied));
    permission.denied.extend(known(by_rules(&for_all).denied));
    // A permission of the service's own is the narrower one.
    if !has_own {
        permission.allowed.extend(known(more.allowed));
        permission.shadow_denied.extend(known(more.shadow_denied));
    }
    Some(permission)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::SpiffeIds;

    fn allowed(services: &[&str], refusal: Refusal) -> Permission {
        let ids = services.iter();
        let ids = ids.map(|service| Who::Is(SpiffeIds::service("default", service)));
        Permission {
            refusal,
            allowed: ids.map(Clients::of).collect(),
            ..Permission::default()
        }
    }

    #[test]
    fn of_services_with_one_name_the_narrower_permission_counts() {
        let one = allowed(&["a", "b"], Refusal::Answer);
        let other = allowed(&["b"], Refusal::Close);
        let joint = both(one, other);
        assert_eq!(joint.refusal, Refusal::Close);
        let is = |service| Who::Is(SpiffeIds::service("default", service));
        let sets = vec![Who::Any(vec![is("a"), is("b")]), Who::Any(vec![is("b")])];
        assert_eq!(joint.allowed[0].who, Who::All(sets));
    }

    #[test]
    fn nobody_is_let_in_by_a_service_that_lets_nobody_in() {
        let joint = both(
            allowed(&["a"], Refusal::Close),
            allowed(&[], Refusal::Close),
        );
        assert_eq!(joint.allowed, []);
    }
}
