//! What `bootstrap` and `run` begin with: resources, and the one proxy to be made of them.

use anyhow::bail;
use time::OffsetDateTime;

use crate::cli::{Paths, ProxyArgs, Reasons};
use crate::diagnostic::{Code, Diagnostic, Severity, render};
use crate::envoy::{AccessLog, EnvoyRange};
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

    pub(super) fn print(&self, output: &Output) {
        if !self.findings.is_empty() {
            let color = output.color_on_stderr();
            output.talk(render::human(&self.sources, &self.findings, color).trim_end());
        }
    }

    /// The proxy that the arguments name, or nothing if the resources have errors that concern it.
    pub(super) fn proxy(&self, args: &ProxyArgs) -> anyhow::Result<Option<Proxy>> {
        if self.has_fatal_errors() {
            return Ok(None);
        }
        let dataplane = choose(args, self)?;
        let input = Input {
            resources: &self.resources,
            sources: &self.sources,
        };
        // What it finds is among the findings already.
        match kuma::gateway(input, dataplane, &mut Vec::new()) {
            Some(proxy) => Ok(Some(proxy)),
            None => bail!(
                "{}: no MeshGateway selects it, so there is nothing to serve",
                dataplane.meta
            ),
        }
    }

    /// Whether a proxy made of the resources might do what its user did not mean.
    ///
    /// A listener without its certificate is left out and all others are served; any other error may be about this
    /// proxy, whatever resource it is in.
    fn has_fatal_errors(&self) -> bool {
        let fatal = |f: &Diagnostic| f.severity == Severity::Error && !f.code.is_isolated();
        self.findings.iter().any(fatal)
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
        findings.extend(check::certificates(input, OffsetDateTime::now_utc()));
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

/// The proxy that the arguments name, or nothing if its resources have errors; all findings are printed.
pub(super) fn proxy(args: &ProxyArgs, output: &Output) -> anyhow::Result<Option<Proxy>> {
    let loaded = load(&args.paths, false, output)?;
    loaded.print(output);
    loaded.proxy(args)
}

/// The Dataplane that is named, or the only one.
fn choose<'a>(args: &ProxyArgs, loaded: &'a Loaded) -> anyhow::Result<&'a Resource<Dataplane>> {
    let candidates: Vec<_> = loaded
        .resources
        .dataplanes
        .iter()
        .filter(|dataplane| kuma::is_builtin_gateway(dataplane))
        .collect();
    let named: Vec<_> = candidates
        .iter()
        .copied()
        .filter(|d| {
            args.dataplane
                .as_ref()
                .is_none_or(|name| d.meta.name == *name)
        })
        .filter(|d| args.mesh.as_ref().is_none_or(|mesh| d.meta.mesh == *mesh))
        .collect();
    match (named.as_slice(), candidates.as_slice()) {
        ([one], _) => Ok(one),
        ([], []) => bail!(
            "these resources have no Dataplane that is a built-in gateway; add one with `networking.gateway: {{type: BUILTIN, tags: …}}`"
        ),
        ([], all) => bail!(
            "no built-in gateway Dataplane has that name; there are\n{}",
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
        let gateway = kuma::gateway_of(&loaded.resources, d, &mut Vec::new());
        let gateway = gateway.map_or("no gateway".to_owned(), |g| {
            format!("gateway {}", g.meta.name)
        });
        let span = d.span(&source::Path::root());
        let file = &loaded.sources.file(span.file).name;
        let (row, _) = loaded.sources.line_column(span);
        format!(
            "  {:width$}   mesh {}   {gateway}   {file}:{row}",
            d.meta.name, d.meta.mesh
        )
    };
    dataplanes.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// What the arguments say about Envoy.
pub(super) fn options(
    args: &ProxyArgs,
    access_log: Option<AccessLog>,
    range: EnvoyRange,
) -> anyhow::Result<envoy::Options> {
    Ok(envoy::Options {
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
        range,
    })
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
