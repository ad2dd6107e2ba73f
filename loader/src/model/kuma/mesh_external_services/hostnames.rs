//! The hostnames of services outside of the mesh (Kuma `generateHostnames` in
//! `pkg/core/resources/apis/hostnamegenerator/hostname/generator.go` at 2.14.3).

use std::collections::BTreeMap;

use super::template::{Facts, evaluate};
use crate::diagnostic::{Code, Diagnostic};
use crate::model::kuma::Input;
use crate::model::kuma::lookup::InMesh;
use crate::resources::kuma::hostname_generator::HostnameGenerator;
use crate::resources::kuma::mesh_external_service::MeshExternalService;
use crate::resources::{Meta, Resource};
use crate::source::Path;

/// The zone of resources that name none, as a control plane calls it.
const LOCAL_ZONE: &str = "default";
/// Where a resource comes from: `zone` for those that are given here.
const ORIGIN: &str = "kuma.io/origin";
/// The name of the generator that every control plane makes, and its template (Kuma `pkg/defaults` at 2.14.3). One
/// that has the name takes its place.
const DEFAULT: (&str, &str) = (
    "local-mesh-external-service",
    "{{ .DisplayName }}.extsvc.mesh.local",
);

/// The hostnames of each service of a mesh that has any, by the service's name and sorted. What has been asked for and
/// cannot be is added to the findings.
pub(in crate::model::kuma) fn hostnames(
    mesh: &InMesh<'_>,
    findings: &mut Vec<Diagnostic>,
) -> BTreeMap<String, Vec<String>> {
    let services = mesh.mesh_external_services.iter().copied();
    let mut services: Vec<_> = services.map(|s| (s, labels(&s.meta))).collect();
    services.sort_by_key(|(service, _)| (&service.meta.created, &service.meta.name));
    let mut owners: BTreeMap<String, &str> = BTreeMap::new();
    for generator in generators(mesh.input) {
        for (service, labels) in &services {
            let Some(template) = generator.template_for(labels) else {
                continue;
            };
            let facts = Facts {
                name: &service.meta.name,
                mesh: mesh.name,
                labels,
                local_zone: LOCAL_ZONE,
            };
            match evaluate(template, &facts) {
                Err(why) => findings.push(generator.not_made(service, &why)),
                Ok(hostname) => match owners.get(&hostname) {
                    Some(owner) if *owner != service.meta.name => {
                        findings.push(taken(service, &hostname, owner));
                    }
                    _ => {
                        owners.insert(hostname, &service.meta.name);
                    }
                },
            }
        }
    }
    let mut hostnames: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (hostname, owner) in owners {
        let names = hostnames.entry(owner.to_owned()).or_default();
        names.push(hostname);
    }
    hostnames
}

/// The services of a mesh that no generator is for.
pub(in crate::model::kuma) fn nameless<'a>(
    mesh: &InMesh<'a>,
) -> Vec<&'a Resource<MeshExternalService>> {
    let generators = generators(mesh.input);
    let is_named = |labels: &BTreeMap<String, String>| {
        let mut generators = generators.iter();
        generators.any(|generator| generator.template_for(labels).is_some())
    };
    let services = mesh.mesh_external_services.iter().copied();
    services
        .filter(|service| !is_named(&labels(&service.meta)))
        .collect()
}

/// A generator, or the one that is there if nobody writes any.
enum Generator<'a> {
    Given(&'a Resource<HostnameGenerator>),
    Default,
}

/// Those for services outside of the mesh, in the order in which they get what they ask for.
fn generators(input: Input<'_>) -> Vec<Generator<'_>> {
    let mut given: Vec<_> = input
        .resources
        .hostname_generators
        .iter()
        .filter(|generator| generator.spec.selector.mesh_external_service.is_some())
        .collect();
    let has_default = input
        .resources
        .hostname_generators
        .iter()
        .any(|generator| generator.meta.name == DEFAULT.0);
    given.sort_by_key(|generator| {
        let meta = &generator.meta;
        let is_local = meta
            .labels
            .get(ORIGIN)
            .is_none_or(|origin| origin == "zone");
        (!is_local, &meta.created, &meta.name)
    });
    // A control plane makes its own before anybody can write another one.
    let default = (!has_default).then_some(Generator::Default);
    default
        .into_iter()
        .chain(given.into_iter().map(Generator::Given))
        .collect()
}

impl Generator<'_> {
    /// The template for a service with these labels, if it is for it.
    fn template_for(&self, labels: &BTreeMap<String, String>) -> Option<&str> {
        match self {
            Self::Default => labels
                .get(ORIGIN)
                .is_some_and(|origin| matches!(origin.as_str(), "zone" | "global"))
                .then_some(DEFAULT.1),
            Self::Given(generator) => {
                let spec = &generator.spec;
                let selector = spec.selector.mesh_external_service.as_ref()?;
                let is_made_here = spec.extension.is_none() && selector.matches(labels);
                is_made_here.then_some(spec.template.as_str())
            }
        }
    }

    fn not_made(&self, service: &Resource<MeshExternalService>, why: &str) -> Diagnostic {
        let message = format!("no hostname for {}: {why}", service.meta);
        match self {
            Self::Default => service.warning(Code::HostnameNotMade, &Path::root(), message),
            Self::Given(generator) => {
                generator.warning(Code::HostnameNotMade, &Path::of("template"), message)
            }
        }
    }
}

fn taken(service: &Resource<MeshExternalService>, hostname: &str, owner: &str) -> Diagnostic {
    let message = format!("`{hostname}`: Hostname collision with MeshExternalService: {owner}");
    service
        .warning(Code::HostnameTaken, &Path::root(), message)
        .help("the first one keeps the hostname: by time of creation, then by name")
}

/// Those that are written, and those that a control plane adds.
pub(in crate::model::kuma) fn labels(meta: &Meta) -> BTreeMap<String, String> {
    let mut labels = meta.labels.clone();
    let mut add = |name: &str, value: &str| {
        labels
            .entry(name.to_owned())
            .or_insert_with(|| value.to_owned());
    };
    add(ORIGIN, "zone");
    add("kuma.io/mesh", &meta.mesh);
    add("kuma.io/zone", LOCAL_ZONE);
    add("kuma.io/display-name", &meta.name);
    match &meta.namespace {
        Some(namespace) => {
            add("kuma.io/env", "kubernetes");
            add("k8s.kuma.io/namespace", namespace);
        }
        None => add("kuma.io/env", "universal"),
    }
    labels
}
