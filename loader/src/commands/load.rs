//! What `bootstrap` and `run` begin with: resources, and the one proxy to be made of them.

use std::collections::BTreeMap;

use anyhow::bail;
use time::OffsetDateTime;

use crate::cli::{ConfigFormat, Paths, ProxyArgs, Reasons};
use crate::diagnostic::{Code, Diagnostic, Severity, render};
use crate::envoy::{AccessLog, EnvoyRange};
use crate::model::Proxy;
use crate::model::istio::{self, Workload};
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
    let mut loaded = load(&args.paths, false, output)?;
    if !args.gateway_labels.is_empty() || args.namespace.is_some() {
        without_other_workloads(&mut loaded);
    }
    if !loaded.findings.is_empty() {
        let color = output.color_on_stderr();
        output.talk(render::human(&loaded.sources, &loaded.findings, color).trim_end());
    }
    if loaded.has_fatal_errors() {
        return Ok(None);
    }
    let input = Input {
        resources: &loaded.resources,
        sources: &loaded.sources,
    };
    let dataplane = match choose(args, &loaded)? {
        Chosen::Dataplane(dataplane) => dataplane,
        Chosen::Workload(workload) => return istio_proxy(input, &loaded, &workload, output),
    };
    // What it finds was found and printed above.
    match kuma::gateway(input, dataplane, &mut Vec::new()) {
        Some(proxy) => Ok(Some(proxy)),
        None => bail!(
            "{}: no MeshGateway selects it, so there is nothing to serve",
            dataplane.meta
        ),
    }
}

/// The proxy of an Istio gateway. One that no resource names has not been looked at before, so what is wrong with it is
/// printed now.
fn istio_proxy(
    input: Input<'_>,
    loaded: &Loaded,
    workload: &Workload,
    output: &Output,
) -> anyhow::Result<Option<Proxy>> {
    let mut findings = Vec::new();
    let proxy = istio::gateway(input, workload, &mut findings);
    findings = check::unnamed(findings, &loaded.findings);
    render::sort(&mut findings);
    if !findings.is_empty() {
        let color = output.color_on_stderr();
        output.talk(render::human(&loaded.sources, &findings, color).trim_end());
    }
    let fatal = |f: &Diagnostic| f.severity == Severity::Error && !f.code.is_isolated();
    if findings.iter().any(fatal) {
        return Ok(None);
    }
    match proxy {
        Some(proxy) => Ok(Some(proxy)),
        None => {
            bail!("{workload}: no server of a Gateway is left for it, so there is nothing to serve")
        }
    }
}

/// What is wrong with a workload that selectors tell of is nothing to somebody who names another one.
fn without_other_workloads(loaded: &mut Loaded) {
    let others = istio::check(Input {
        resources: &loaded.resources,
        sources: &loaded.sources,
    });
    loaded.findings.retain(|finding| {
        let mut others = others.iter();
        !others
            .any(|f| (f.code, f.span, &f.message) == (finding.code, finding.span, &finding.message))
    });
}

/// Whom a configuration is for.
enum Chosen<'a> {
    /// A built-in gateway of Kuma.
    Dataplane(&'a Resource<Dataplane>),
    /// A gateway of Istio.
    Workload(Workload),
}

/// The proxy that is named, or the only one.
fn choose<'a>(args: &ProxyArgs, loaded: &'a Loaded) -> anyhow::Result<Chosen<'a>> {
    let is_istio =
        !args.gateway_labels.is_empty() || args.namespace.is_some() || args.address.is_some();
    let named_dataplane = args.dataplane.is_some() || args.mesh.is_some();
    let candidates: Vec<_> = loaded
        .resources
        .dataplanes
        .iter()
        .filter(|dataplane| !is_istio && kuma::is_builtin_gateway(dataplane))
        .collect();
    let workloads = if named_dataplane {
        Vec::new()
    } else {
        choose_workload(args, loaded)
    };
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
    match (named.as_slice(), workloads.as_slice()) {
        ([one], []) => Ok(Chosen::Dataplane(one)),
        ([], [one]) => Ok(Chosen::Workload(one.clone())),
        ([], []) if is_istio => bail!("no Gateway of Istio selects a workload with these labels"),
        ([], []) if candidates.is_empty() => bail!(
            "these resources have no Dataplane that is a built-in gateway, and no Gateway of Istio; add one with `networking.gateway: {{type: BUILTIN, tags: …}}`"
        ),
        ([], []) => bail!(
            "no built-in gateway Dataplane has that name; there are\n{}",
            list(&candidates, loaded)
        ),
        (several, []) => bail!(
            "{} Dataplanes can be built from these resources; choose one with --dataplane (and --mesh)\n{}",
            several.len(),
            list(several, loaded)
        ),
        ([], several) => bail!(
            "{} gateways of Istio can be built from these resources; choose one with --gateway-labels and --namespace\n{}",
            several.len(),
            list_workloads(several)
        ),
        (dataplanes, others) => bail!(
            "{} proxies can be built from these resources; choose one with --dataplane, or with --gateway-labels and --namespace\n{}\n{}",
            dataplanes.len() + others.len(),
            list(dataplanes, loaded),
            list_workloads(others)
        ),
    }
}

/// The workload with the labels that are given; without them all that the resources have.
fn choose_workload(args: &ProxyArgs, loaded: &Loaded) -> Vec<Workload> {
    let mut known = istio::workloads(&loaded.resources);
    if let Some(namespace) = &args.namespace {
        // A workload that only selectors tell of can be in any namespace.
        for workload in &mut known {
            if !workload.is_written {
                workload.namespace.clone_from(namespace);
            }
        }
        known.retain(|workload| workload.namespace == *namespace);
    }
    if !args.gateway_labels.is_empty() {
        let labels: BTreeMap<_, _> = args.gateway_labels.iter().cloned().collect();
        let written = known
            .into_iter()
            .filter(|workload| workload.is_written && workload.is_selected_by(&labels));
        known = written.collect();
        if known.is_empty() {
            known.extend(istio::named(
                &loaded.resources,
                labels,
                args.namespace.as_deref(),
            ));
        }
    }
    for workload in &mut known {
        workload.address = args.address;
    }
    known
}

fn list_workloads(workloads: &[Workload]) -> String {
    let line = |workload: &Workload| {
        let labels = workload.labels.iter();
        let labels: Vec<_> = labels
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        format!(
            "  {}   --gateway-labels {} --namespace {}",
            workload.name,
            labels.join(","),
            workload.namespace
        )
    };
    workloads.iter().map(line).collect::<Vec<_>>().join("\n")
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
        secrets: files::work_dir()?
            .join("proxies")
            .join(&proxy.mesh)
            .join(&proxy.name),
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
