//! What is looked up is what trying all would find.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::model::kuma::select::best_rank;
use crate::resources::kuma::mesh_timeout::{MeshTimeout, Timeout};
use crate::{resources, source};

const MESHES: [&str; 2] = ["default", "other"];
const ROUTES: [&str; 2] = ["MeshHTTPRoute/default/r0", "MeshHTTPRoute/default/r1"];

/// The text of a few tags, from few names and values, so that many fit.
fn tags() -> impl Strategy<Value = String> {
    let tag = (
        select(&["a", "b", SERVICE_TAG][..]),
        select(&["0", "1", "'*'"][..]),
    );
    vec(tag, 0..3).prop_map(|tags| {
        let tags: BTreeMap<_, _> = tags.into_iter().collect();
        let tags = tags.iter().map(|(name, value)| format!("{name}: {value}"));
        format!("{{{}}}", tags.collect::<Vec<_>>().join(", "))
    })
}

fn target() -> impl Strategy<Value = String> {
    const KINDS: [&str; 8] = [
        "Mesh",
        "MeshSubset",
        "MeshService",
        "MeshServiceSubset",
        "MeshGateway",
        "MeshHTTPRoute",
        "MeshExternalService",
        "Dataplane",
    ];
    const NAMES: [&str; 7] = ["'0'", "'1'", "r0", "r1", "edge", "web", "''"];
    const LABELS: [&str; 3] = ["{}", "{x: y}", "{x: z}"];
    let parts = (
        select(&KINDS[..]),
        select(&NAMES[..]),
        select(&LABELS[..]),
        tags(),
    );
    parts.prop_map(|(kind, name, labels, tags)| {
        format!("{{kind: {kind}, name: {name}, labels: {labels}, tags: {tags}}}")
    })
}

/// A policy of each generation.
fn policies() -> impl Strategy<Value = Vec<String>> {
    let policy =
        (select(&MESHES[..]), target(), vec(target(), 0..3)).prop_map(|(mesh, target, to)| {
            let to = to
                .iter()
                .map(|to| format!("{{targetRef: {to}, default: {{connectionTimeout: 1s}}}}"));
            let to = to.collect::<Vec<_>>().join(", ");
            (
                "MeshTimeout",
                mesh,
                format!("spec: {{targetRef: {target}, to: [{to}]}}"),
            )
        });
    let older = (select(&MESHES[..]), vec(tags(), 1..3), vec(tags(), 1..3)).prop_map(
        |(mesh, sources, to)| {
            let list = |tags: Vec<String>| {
                let tags = tags.iter().map(|tags| format!("{{match: {tags}}}"));
                tags.collect::<Vec<_>>().join(", ")
            };
            let (sources, to) = (list(sources), list(to));
            (
                "Timeout",
                mesh,
                format!("sources: [{sources}]\ndestinations: [{to}]\nconf: {{connectTimeout: 1s}}"),
            )
        },
    );
    vec(prop_oneof![policy, older], 0..24).prop_map(|policies| {
        let text = |(index, (kind, mesh, rest)): (usize, (&str, &str, String))| {
            format!("type: {kind}\nmesh: {mesh}\nname: p{index}\n{rest}\n")
        };
        policies.into_iter().enumerate().map(text).collect()
    })
}

const PROXIES: &str = "type: MeshGateway
mesh: default
name: edge
selectors: [{match: {kuma.io/service: edge}}]
---
type: Dataplane
mesh: default
name: web
labels: {x: y}
networking:
  address: 127.0.0.1
  inbound: [{port: 80, tags: {kuma.io/service: '0'}}]
---
type: MeshExternalService
mesh: default
name: r0
labels: {x: z}
spec:
  match: {type: HostnameGenerator, port: 80, protocol: http}
  endpoints: [{address: 127.0.0.1, port: 80}]
";

/// The policies that hold, found by trying all of them.
fn tried<'p>(
    policies: &Policies<'_>,
    all: &'p List<MeshTimeout>,
    to: Option<To<'_>>,
) -> Vec<(&'p str, Vec<usize>)> {
    let route = to.and_then(To::route);
    let reached = all.iter().filter_map(|policy| {
        let entries = policy.spec.to.iter().enumerate();
        let is_meant = |target| to.is_some_and(|to| to.is_meant_by(target, &policy.meta.mesh));
        let entries = entries.filter(|(_, entry)| is_meant(&entry.target_ref));
        Some(Reached {
            rank: policies.rank(policy, policies.listeners, route)?,
            policy,
            entries: entries.map(|(index, _)| index).collect(),
        })
    });
    let reached = sorted(reached.collect()).into_iter();
    let reached = reached.map(|reached| (&*reached.policy.meta.name, reached.entries));
    reached
        .filter(|(_, entries)| to.is_none() || !entries.is_empty())
        .collect()
}

fn looked_up<'p>(
    policies: &Policies<'_>,
    all: &'p List<MeshTimeout>,
    to: Option<To<'_>>,
) -> Vec<(&'p str, Vec<usize>)> {
    let Some(to) = to else {
        let matched = policies.matched(all).into_iter();
        return matched
            .map(|policy| (&*policy.meta.name, Vec::new()))
            .collect();
    };
    let about = policies
        .about(all, to)
        .into_iter()
        .map(|(policy, mut entries)| {
            entries.retain(|&entry| {
                to.is_meant_by(&policy.spec.to[entry].target_ref, &policy.meta.mesh)
            });
            (&*policy.meta.name, entries)
        });
    about.filter(|(_, entries)| !entries.is_empty()).collect()
}

fn older_tried<'p>(
    policies: &Policies<'_>,
    all: &'p List<Timeout>,
    destination: &Tags,
) -> Option<&'p str> {
    let of_mesh = all.iter().filter(|policy| policies.is_of_mesh(policy));
    let ranked = of_mesh.filter_map(|policy| {
        let sources = policies.listeners.iter();
        let sources = sources.filter_map(|tags| best_rank(&policy.spec.sources, tags));
        let rank = sources
            .max()?
            .with(best_rank(&policy.spec.destinations, destination)?);
        Some((rank, std::cmp::Reverse(&policy.meta.name)))
    });
    ranked.max().map(|(_, name)| name.0.as_str())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn all_policies_that_hold_are_found(texts in policies(), listeners in vec(tags(), 0..4)) {
        let text = format!("{PROXIES}---\n{}", texts.join("---\n"));
        let (_, documents, _) = source::read_text("policies.yaml", &text);
        let (resources, _) = resources::load(documents, false);
        let listeners: Vec<Tags> = listeners
            .iter()
            .map(|text| text.trim_matches(['{', '}']).replace('\'', ""))
            .map(|text| text.split(", ").filter_map(|tag| tag.split_once(": ")).collect())
            .collect();
        let service = Destination::outside(&resources.mesh_external_services[0]);
        let sections = ["80".to_owned()];
        for side in [
            Side::Gateway(&resources.mesh_gateways[0]),
            Side::Sidecar(&resources.dataplanes[0], &sections),
            Side::Egress("default"),
        ] {
            let policies = Policies::of_any(&resources, side, &listeners);
            let routes = ROUTES.map(|route| Some(To::Route(route)));
            let others = [To::Listener, To::Service("0"), To::Destination(&service)].map(Some);
            for to in routes.into_iter().chain(others).chain([None]) {
                let all = &resources.mesh_timeouts;
                prop_assert_eq!(looked_up(&policies, all, to), tried(&policies, all, to));
            }
            for destination in &listeners {
                let all = &resources.timeouts;
                let found = policies.connection(all, destination);
                let found = found.map(|policy| &*policy.meta.name);
                prop_assert_eq!(found, older_tried(&policies, all, destination));
            }
        }
    }
}
