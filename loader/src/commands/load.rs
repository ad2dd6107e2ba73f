//! What `bootstrap` and `run` begin with: resources, and the one proxy to be made of them.

use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use anyhow::bail;
use time::OffsetDateTime;

use crate::cli::{ConfigFormat, Paths, ProxyArgs, Reasons};
use crate::diagnostic::{Code, Diagnostic, Severity, render};
use crate::envoy::{AccessLog, EnvoyRange};
use crate::identity::{Keeper, Store};
use crate::model::Proxy;
use crate::model::kuma::{self, Input};
use crate::output::Output;
use crate::resources::kuma::dataplane::Dataplane;
use crate::resources::{self, Resource, Resources};
use crate::source::{self, Sources};
use crate::{check, envoy, files, wasm};

/// Resources and all that is wrong with them.
pub(super) struct Loaded {
    pub(super) sources: Sources,
    pub(super) resources: Resources,
    /// In the order of files and lines.
    pub(super) findings: Vec<Diagnostic>,
}

impl Loaded {
    pub(super) fn has_errors(&self) -> bool {
        self.findings.iter().any(|f| f.severity == Severity::Error)
    }

    /// Whether a proxy made of the resources might do what its user did not mean.
    ///
    /// A listener without its certificate is left out and all others are served; any other error may be about this
    /// proxy, whatever resource it is in.
    pub(super) fn has_fatal_errors(&self) -> bool {
        let fatal = |f: &Diagnostic| f.severity == Severity::Error && !f.code.is_isolated();
        self.findings.iter().any(fatal)
    }

    /// Tells what is wrong.
    pub(super) fn print(&self, output: &Output) {
        if !self.findings.is_empty() {
            let color = output.color_on_stderr();
            output.talk(render::human(&self.sources, &self.findings, color).trim_end());
        }
    }
}

/// Reads resources, and checks each by itself; unless `resource_only`, also together.
pub(super) fn load(args: &Paths, resource_only: bool, output: &Output) -> anyhow::Result<Loaded> {
    let (sources, documents, mut findings) = source::read(&args.paths);
    let (unread, rest): (Vec<_>, Vec<_>) = findings
        .into_iter()
        .partition(|finding| finding.code == Code::PathNotRead);
    if !unread.is_empty() {
        output.talk(render::human(&sources, &unread, output.color_on_stderr()).trim_end());
        bail!("nothing was done, because not all paths could be read");
    }
    findings = rest;
    if documents.is_empty() && findings.is_empty() {
        findings.push(Diagnostic::warning(
            Code::NoResources,
            "there are no resources in what was named",
        ));
    }
    let (resources, more) = resources::load(documents, resource_only);
    findings.extend(more);
    if !resource_only {
        let input = Input {
            resources: &resources,
            sources: &sources,
        };
        findings.extend(check::all(input));
        let now = OffsetDateTime::now_utc();
        findings.extend(check::certificates(input, now));
        findings.extend(check::authorities(input, now));
    }
    if args.strict {
        let not_served = |finding: &&mut Diagnostic| finding.code.is_not_served();
        for finding in findings.iter_mut().filter(not_served) {
            finding.severity = Severity::Error;
        }
    }
    render::sort(&mut findings);
    Ok(Loaded {
        sources,
        resources,
        findings,
    })
}

/// The longest time without a look at the clock, which somebody may set.
const LONGEST_WAIT: Duration = Duration::from_mins(1);
/// The shortest, for certificates that are valid for a moment.
const SHORTEST_WAIT: Duration = Duration::from_millis(200);

/// How long to wait before the next look at something that is due at a time.
pub(super) fn until(due: OffsetDateTime) -> Duration {
    let left = Duration::try_from(due - OffsetDateTime::now_utc());
    left.unwrap_or_default().clamp(SHORTEST_WAIT, LONGEST_WAIT)
}

/// One proxy, and who keeps its identity.
pub(super) struct Chosen {
    pub(super) proxy: Proxy,
    /// Nobody if its mesh has no mTLS.
    pub(super) keeper: Option<Keeper>,
}

impl Chosen {
    /// Makes or renews the identity if it is due, in files that Envoy watches; gives the time to call this again.
    pub(super) fn keep_identity(&self) -> anyhow::Result<Option<OffsetDateTime>> {
        let (Some(keeper), Some(identity)) = (&self.keeper, &self.proxy.identity) else {
            return Ok(None);
        };
        let kept = keeper.keep(identity, OffsetDateTime::now_utc())?;
        Ok(Some(kept.due))
    }

    /// Renews the identity for as long as the process lives. A failure is told and tried again: what there is holds for
    /// another fifth of its time.
    pub(super) fn renew_in_background(self, output: &Output) {
        let output = output.clone();
        thread::spawn(move || {
            loop {
                match self.keep_identity() {
                    Ok(None) => return,
                    Ok(Some(due)) => thread::sleep(until(due)),
                    Err(error) => {
                        output.error(&error.context("the identity could not be renewed"));
                        thread::sleep(LONGEST_WAIT);
                    }
                }
            }
        });
    }
}

/// The proxy that the arguments name, with an identity if its mesh has mTLS; nothing if its resources have errors. All
/// findings are printed.
pub(super) fn proxy(args: &ProxyArgs, output: &Output) -> anyhow::Result<Option<Chosen>> {
    let loaded = load(&args.paths, false, output)?;
    loaded.print(output);
    if loaded.has_fatal_errors() {
        return Ok(None);
    }
    let dataplane = choose(args, &loaded)?;
    let input = Input {
        resources: &loaded.resources,
        sources: &loaded.sources,
    };
    let mut more = Vec::new();
    let proxy = kuma::proxy(input, dataplane, &mut more);
    // Most of what it finds was found and printed above.
    let is_new = |f: &Diagnostic| {
        let mut known = loaded.findings.iter();
        !known.any(|k| (k.code, k.span, &k.message) == (f.code, f.span, &f.message))
    };
    more.retain(is_new);
    if !more.is_empty() {
        render::sort(&mut more);
        let color = output.color_on_stderr();
        output.talk(render::human(&loaded.sources, &more, color).trim_end());
        if more
            .iter()
            .any(|f| f.severity == Severity::Error && !f.code.is_isolated())
        {
            return Ok(None);
        }
    }
    let Some(mut proxy) = proxy else {
        bail!(
            "{}: no MeshGateway selects it, so there is nothing to serve",
            dataplane.meta
        );
    };
    if let Some(address) = args.address {
        proxy.listen_on(address);
    }
    let keeper = match &proxy.identity {
        Some(_) => Some(Keeper::new(
            Store::new(files::work_dir()?),
            kuma::meshes(input),
        )),
        None => None,
    };
    let chosen = Chosen { proxy, keeper };
    chosen.keep_identity()?;
    Ok(Some(chosen))
}

/// The Dataplane that is named, or the only one.
fn choose<'a>(args: &ProxyArgs, loaded: &'a Loaded) -> anyhow::Result<&'a Resource<Dataplane>> {
    let candidates: Vec<_> = loaded.resources.dataplanes.iter().collect();
    let in_mesh = |d: &&Resource<Dataplane>| {
        let mesh = args.mesh.as_ref();
        mesh.is_none_or(|mesh| d.meta.mesh == *mesh)
    };
    let mut named: Vec<_> = candidates.iter().copied().filter(in_mesh).collect();
    match &args.dataplane {
        Some(name) => named.retain(|d| d.meta.name == *name),
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

/// The configuration of Envoy for the proxy.
pub(super) fn configuration(
    proxy: &Proxy,
    args: &ProxyArgs,
    access_log: Option<AccessLog>,
    range: EnvoyRange,
    format: ConfigFormat,
) -> anyhow::Result<Vec<u8>> {
    let options = envoy::Options {
        admin: args.admin,
        wasm: match &args.wasm {
            Some(file) => file.clone(),
            None => wasm_file()?,
        },
        mode: if args.audit {
            policy::config::Mode::Audit
        } else {
            policy::config::Mode::Enforce
        },
        reasons: match args.reasons {
            Reasons::Full => policy::config::Reasons::Full,
            Reasons::Short => policy::config::Reasons::Short,
            Reasons::None => policy::config::Reasons::None,
        },
        access_log,
        secrets: match &proxy.identity {
            Some(own) => Store::new(files::work_dir()?).proxy(&own.mesh, &own.dataplane)?,
            None => PathBuf::new(),
        },
        range,
    };
    let format = match format {
        ConfigFormat::Yaml => envoy::Format::Yaml,
        ConfigFormat::Json => envoy::Format::Json,
        ConfigFormat::Pb => envoy::Format::Pb,
    };
    Ok(envoy::encode(&envoy::bootstrap(proxy, &options), format)?)
}

/// The place of an access log: `-` is Envoy's standard output.
pub(super) fn access_log(path: &str) -> AccessLog {
    match path {
        "-" => AccessLog::Stdout,
        path => AccessLog::File(path.into()),
    }
}

/// Puts the filter where Envoy can read it. Its name changes with its content, because Envoy does not look at a file
/// that it knows again.
fn wasm_file() -> anyhow::Result<String> {
    let folder = files::work_dir()?.join("wasm");
    files::private_folder(&folder)?;
    let file = folder.join(wasm::file_name());
    if !file.is_file() {
        files::write(&file, wasm::GATEWAY, 0o600)?;
    }
    file.into_os_string()
        .into_string()
        .map_err(|path| anyhow::anyhow!("the path {} is no UTF-8, Envoy needs one", path.display()))
}
