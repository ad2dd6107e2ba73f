//! The one proxy that `bootstrap` and `run` are about.

use std::collections::HashSet;

use anyhow::bail;
use time::OffsetDateTime;

use super::load::{Loaded, identity, load_for};
use super::workloads;
use crate::cli::ProxyArgs;
use crate::diagnostic::{Code, Diagnostic};
use crate::identity::{Keeper, Meshes, Renewal, Store};
use crate::model::Proxy;
use crate::model::istio::{self, Workload};
use crate::model::kuma::{self, Input, Lookup};
use crate::output::Output;
use crate::resources::Resource;
use crate::resources::kuma::dataplane::Dataplane;
use crate::resources::kuma::zone_egress::ZoneEgress;
use crate::{check, files, source};

/// One proxy, and who keeps its identity.
pub(super) struct Chosen {
    pub(super) proxy: Proxy,
    /// Nobody if its mesh has no mTLS. Nothing has been renewed yet.
    pub(super) renewal: Option<Renewal>,
}

/// The proxy that the arguments name, with an identity if its mesh has mTLS; nothing if its resources have errors. All
/// findings are printed.
pub(super) fn proxy(args: &ProxyArgs, output: &Output) -> anyhow::Result<Option<Chosen>> {
    let mut loaded = load_for(args, output)?;
    let chosen = loaded.choose(args);
    loaded.print(output);
    let mut chosen = chosen?;
    if let Some(renewal) = chosen.as_mut().and_then(|own| own.renewal.as_mut()) {
        renewal.renew(OffsetDateTime::now_utc(), |note| output.warn(note))?;
    }
    Ok(chosen)
}

impl Loaded {
    /// The proxy that the arguments name, with an identity if its mesh has mTLS; nothing if there are errors that may
    /// concern it. What was not found before is added to the findings.
    pub(super) fn choose(&mut self, args: &ProxyArgs) -> anyhow::Result<Option<Chosen>> {
        if workloads::are_named(args) {
            self.forget_other_workloads();
        }
        if self.has_fatal_errors_for_sidecars() {
            return Ok(None);
        }
        let is_sidecar = match choose(args, self)? {
            Candidate::Dataplane(dataplane) => !kuma::is_builtin_gateway(dataplane),
            Candidate::ZoneEgress(_) | Candidate::Workload(_) => false,
        };
        if is_sidecar {
            self.keep_vips()?;
        } else if self.has_fatal_errors() {
            return Ok(None);
        }
        let mut made = std::mem::take(&mut self.made);
        let input = self.input();
        let mut more = Vec::new();
        let (proxy, nothing) = match choose(args, self)? {
            Candidate::Dataplane(dataplane) => (
                made.take_dataplane(&dataplane.meta)
                    .or_else(|| kuma::proxy(input, dataplane, &mut more)),
                format!("{}: no MeshGateway selects it", dataplane.meta),
            ),
            Candidate::ZoneEgress(egress) => (
                made.take_egress(&egress.meta)
                    .or_else(|| kuma::zone_egress(input, egress, &mut more)),
                format!("{}: it has no address", egress.meta),
            ),
            Candidate::Workload(workload) => {
                let kept = made.take_workload(&workload).map(|(proxy, unplaced)| {
                    more.extend(unplaced);
                    proxy
                });
                let proxy = kept.or_else(|| istio::gateway(input, &workload, &mut more));
                more = check::unnamed(more, &self.findings);
                (
                    proxy,
                    format!("{workload}: no server of a Gateway is left for it"),
                )
            }
        };
        let meshes = meshes(input);
        // Checks make proxies too, so most of what is found here is known.
        self.add(more);
        let is_refused = if is_sidecar {
            self.has_fatal_errors_for_sidecars()
        } else {
            self.has_fatal_errors()
        };
        if is_refused {
            return Ok(None);
        }
        let Some(mut proxy) = proxy else {
            bail!("{nothing}, so there is nothing to serve");
        };
        if let Some(address) = args.address {
            proxy.listen_on(address);
        }
        let identities: Vec<_> = proxy.identities().cloned().collect();
        let renewal = if identities.is_empty() {
            None
        } else {
            let keeper = Keeper::new(Store::new(files::work_dir()?), meshes);
            Some(Renewal::new(keeper, identities))
        };
        Ok(Some(Chosen { proxy, renewal }))
    }

    /// What is wrong with a workload that only selectors tell of, or that there is none, is nothing to somebody who names
    /// one.
    fn forget_other_workloads(&mut self) {
        let others: HashSet<_> = self.made.of_workloads.iter().map(identity).collect();
        let is_about_other = |f: &Diagnostic| others.contains(&identity(f));
        let is_none = |f: &Diagnostic| f.code == Code::SelectorWithoutWorkload;
        self.findings.retain(|f| !is_about_other(f) && !is_none(f));
        self.made.forget();
    }
}

/// Kuma's meshes with mTLS, and Istio's.
pub(super) fn meshes(input: Input<'_>) -> Meshes {
    let mut meshes = kuma::meshes(input);
    if let Some(own) = istio::mesh(input) {
        meshes.entry(own.mesh.clone()).or_insert(own);
    }
    meshes
}

/// Whose proxy can be made.
enum Candidate<'a> {
    /// A built-in gateway of Kuma, or the proxy next to a service.
    Dataplane(&'a Resource<Dataplane>),
    /// The proxy of a zone egress.
    ZoneEgress(&'a Resource<ZoneEgress>),
    /// A gateway of Istio.
    Workload(Box<Workload>),
}

/// What is named, or the only one there is.
fn choose<'a>(args: &ProxyArgs, loaded: &'a Loaded) -> anyhow::Result<Candidate<'a>> {
    let named_dataplane = args.dataplane.is_some() || args.mesh.is_some();
    let workloads = if named_dataplane {
        Vec::new()
    } else {
        workloads::of(args, &loaded.resources)
    };
    let is_istio = workloads::are_named(args);
    if is_istio || loaded.resources.dataplanes.is_empty() && !workloads.is_empty() {
        return match workloads.as_slice() {
            [one] => Ok(Candidate::Workload(Box::new(one.clone()))),
            [] => bail!("no Gateway of Istio selects a workload with these labels"),
            several => bail!(
                "{} gateways of Istio can be built from these resources; choose one with --gateway-labels and --namespace\n{}",
                several.len(),
                workloads::list(several)
            ),
        };
    }
    if !workloads.is_empty() {
        let dataplanes: Vec<_> = loaded.resources.dataplanes.iter().collect();
        bail!(
            "{} proxies can be built from these resources; choose one with --dataplane, or with --gateway-labels and --namespace\n{}\n{}",
            dataplanes.len() + workloads.len(),
            list(&dataplanes, loaded),
            workloads::list(&workloads)
        );
    }
    if let Some(egress) = egress(args, loaded)? {
        return Ok(Candidate::ZoneEgress(egress));
    }
    choose_dataplane(args.dataplane.as_deref(), args.mesh.as_deref(), loaded)
        .map(Candidate::Dataplane)
}

/// The egress that is named, or the only one where there is no Dataplane.
fn egress<'a>(
    args: &ProxyArgs,
    loaded: &'a Loaded,
) -> anyhow::Result<Option<&'a Resource<ZoneEgress>>> {
    let resources = &loaded.resources;
    let all = resources.zone_egresses.iter();
    // It is in no mesh, so whoever names a mesh means another one.
    let mut all: Vec<_> = all.filter(|_| args.mesh.is_none()).collect();
    match &args.dataplane {
        Some(name) => {
            all.retain(|egress| egress.meta.name == *name);
            let mut dataplanes = resources.dataplanes.iter();
            if !all.is_empty() && dataplanes.any(|dataplane| dataplane.meta.name == *name) {
                bail!(
                    "both a ZoneEgress and a Dataplane have the name {name}; with --mesh it is the Dataplane, and the ZoneEgress needs a name of its own"
                );
            }
        }
        None if !resources.dataplanes.is_empty() => return Ok(None),
        None => {}
    }
    match all.as_slice() {
        [] => Ok(None),
        [one] => Ok(Some(one)),
        several => bail!(
            "{} zone egresses can be built from these resources; choose one with --dataplane\n{}",
            several.len(),
            list_egresses(several, loaded)
        ),
    }
}

fn list_egresses(egresses: &[&Resource<ZoneEgress>], loaded: &Loaded) -> String {
    let line = |egress: &&Resource<ZoneEgress>| {
        let (file, row) = place(egress, loaded);
        format!("  {}   zone egress   {file}:{row}", egress.meta.name)
    };
    egresses.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn place<'a, T>(resource: &Resource<T>, loaded: &'a Loaded) -> (&'a str, usize) {
    let span = resource.span(&source::Path::root());
    let file = &loaded.sources.file(span.file).name;
    (file, loaded.sources.line_column(span).0)
}

/// The Dataplane that is named, or the only one.
pub(super) fn choose_dataplane<'a>(
    name: Option<&str>,
    mesh: Option<&str>,
    loaded: &'a Loaded,
) -> anyhow::Result<&'a Resource<Dataplane>> {
    let candidates: Vec<_> = loaded.resources.dataplanes.iter().collect();
    let in_mesh = |d: &&Resource<Dataplane>| mesh.is_none_or(|mesh| d.meta.mesh == mesh);
    let mut named: Vec<_> = candidates.iter().copied().filter(in_mesh).collect();
    match name {
        Some(name) => named.retain(|d| d.meta.name == name || d.meta.core_name() == name),
        // Dataplanes of services are most often there to be called; the one gateway among them is meant.
        None => {
            let is_gateway = |d: &&Resource<Dataplane>| kuma::is_builtin_gateway(d);
            if named.iter().filter(|d| is_gateway(d)).count() == 1 {
                named.retain(is_gateway);
            }
        }
    }
    match (named.as_slice(), candidates.as_slice()) {
        ([one], _) => Ok(one),
        ([], []) => bail!(
            "these resources have no Dataplane, and no Gateway of Istio; add one, for a gateway of Kuma with `networking.gateway: {{type: BUILTIN, tags: …}}`"
        ),
        ([], all) => bail!(
            "no Dataplane has that name; there are\n{}",
            with_egresses(list(all, loaded), loaded)
        ),
        (several, _) => bail!(
            "{} Dataplanes can be built from these resources; choose one with --dataplane (and --mesh)\n{}",
            several.len(),
            with_egresses(list(several, loaded), loaded)
        ),
    }
}

/// The list, and all egresses, which can be chosen too.
fn with_egresses(list: String, loaded: &Loaded) -> String {
    let egresses: Vec<_> = loaded.resources.zone_egresses.iter().collect();
    if egresses.is_empty() {
        return list;
    }
    list + "\n" + &list_egresses(&egresses, loaded)
}

fn list(dataplanes: &[&Resource<Dataplane>], loaded: &Loaded) -> String {
    let width = dataplanes
        .iter()
        .map(|d| d.meta.core_name().len())
        .max()
        .unwrap_or(0);
    let lookup = Lookup::new(loaded.input());
    let line = |d: &&Resource<Dataplane>| {
        let what = what(&lookup, d);
        let (file, row) = place(d, loaded);
        format!(
            "  {:width$}   mesh {}   {what}   {file}:{row}",
            d.meta.core_name(),
            d.meta.mesh
        )
    };
    dataplanes.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// What a Dataplane's proxy is.
fn what(lookup: &Lookup<'_>, dataplane: &Resource<Dataplane>) -> String {
    if !kuma::is_builtin_gateway(dataplane) {
        return format!("sidecar for {}", kuma::service_of(dataplane));
    }
    match lookup.gateway_of(dataplane, &mut Vec::new()) {
        Some(gateway) => format!("gateway {}", gateway.meta.name),
        None => "no gateway".to_owned(),
    }
}
