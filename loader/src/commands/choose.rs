//! The one proxy that `bootstrap` and `run` are about.

use anyhow::bail;
use time::OffsetDateTime;

use super::load::{Loaded, load};
use crate::cli::ProxyArgs;
use crate::diagnostic::{Diagnostic, render};
use crate::identity::{Keeper, Renewal, Store};
use crate::model::Proxy;
use crate::model::kuma::{self, Input};
use crate::output::Output;
use crate::resources::kuma::dataplane::Dataplane;
use crate::resources::{Resource, Resources};
use crate::{files, source};

/// One proxy, and who keeps its identity.
pub(super) struct Chosen {
    pub(super) proxy: Proxy,
    /// Nobody if its mesh has no mTLS.
    pub(super) renewal: Option<Renewal>,
}

/// The proxy that the arguments name, with an identity if its mesh has mTLS; nothing if its resources have errors. All
/// findings are printed.
pub(super) fn proxy(args: &ProxyArgs, output: &Output) -> anyhow::Result<Option<Chosen>> {
    let mut loaded = load(&args.paths, false, output)?;
    let chosen = loaded.choose(args);
    loaded.print(output);
    chosen
}

impl Loaded {
    /// The proxy that the arguments name, with an identity if its mesh has mTLS; nothing if there are errors that may
    /// concern it. What was not found before is added to the findings.
    pub(super) fn choose(&mut self, args: &ProxyArgs) -> anyhow::Result<Option<Chosen>> {
        if self.has_fatal_errors() {
            return Ok(None);
        }
        let dataplane = choose(args.dataplane.as_deref(), args.mesh.as_deref(), self)?;
        let input = Input {
            resources: &self.resources,
            sources: &self.sources,
        };
        let mut more = Vec::new();
        let proxy = kuma::proxy(input, dataplane, &mut more);
        let name = dataplane.meta.to_string();
        let meshes = kuma::meshes(input);
        self.add(more);
        if self.has_fatal_errors() {
            return Ok(None);
        }
        let Some(mut proxy) = proxy else {
            bail!("{name}: no MeshGateway selects it, so there is nothing to serve");
        };
        if let Some(address) = args.address {
            proxy.listen_on(address);
        }
        let renewal = match &proxy.identity {
            Some(identity) => {
                let keeper = Keeper::new(Store::new(files::work_dir()?), meshes);
                let now = OffsetDateTime::now_utc();
                Some(Renewal::begin(keeper, identity.clone(), now)?)
            }
            None => None,
        };
        Ok(Some(Chosen { proxy, renewal }))
    }

    /// Adds findings. Checks make proxies too, so most of those about one are there.
    fn add(&mut self, more: Vec<Diagnostic>) {
        let is_new = |f: &Diagnostic| {
            let mut known = self.findings.iter();
            !known.any(|k| (k.code, k.span, &k.message) == (f.code, f.span, &f.message))
        };
        let more: Vec<_> = more.into_iter().filter(is_new).collect();
        self.findings.extend(more);
        render::sort(&mut self.findings);
    }
}

/// The Dataplane that is named, or the only one.
pub(super) fn choose<'a>(
    name: Option<&str>,
    mesh: Option<&str>,
    loaded: &'a Loaded,
) -> anyhow::Result<&'a Resource<Dataplane>> {
    let candidates: Vec<_> = loaded.resources.dataplanes.iter().collect();
    let in_mesh = |d: &&Resource<Dataplane>| mesh.is_none_or(|mesh| d.meta.mesh == mesh);
    let mut named: Vec<_> = candidates.iter().copied().filter(in_mesh).collect();
    match name {
        Some(name) => named.retain(|d| d.meta.name == name),
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
            "these resources have no Dataplane; add one, for a gateway with `networking.gateway: {{type: BUILTIN, tags: …}}`"
        ),
        ([], all) => bail!(
            "no Dataplane has that name; there are\n{}",
            list(all, loaded)
        ),
        (several, _) => bail!(
            "{} Dataplanes can be built from these resources; choose one with --dataplane (and --mesh)\n{}",
            several.len(),
            list(several, loaded)
        ),
    }
}

fn list(dataplanes: &[&Resource<Dataplane>], loaded: &Loaded) -> String {
    let width = dataplanes
        .iter()
        .map(|d| d.meta.name.len())
        .max()
        .unwrap_or(0);
    let line = |d: &&Resource<Dataplane>| {
        let what = what(&loaded.resources, d);
        let span = d.span(&source::Path::root());
        let file = &loaded.sources.file(span.file).name;
        let (row, _) = loaded.sources.line_column(span);
        format!(
            "  {:width$}   mesh {}   {what}   {file}:{row}",
            d.meta.name, d.meta.mesh
        )
    };
    dataplanes.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// What a Dataplane's proxy is.
fn what(resources: &Resources, dataplane: &Resource<Dataplane>) -> String {
    if !kuma::is_builtin_gateway(dataplane) {
        return format!("sidecar for {}", kuma::service_of(dataplane));
    }
    match kuma::gateway_of(resources, dataplane, &mut Vec::new()) {
        Some(gateway) => format!("gateway {}", gateway.meta.name),
        None => "no gateway".to_owned(),
    }
}
