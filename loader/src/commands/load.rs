//! What all commands about resources begin with: the resources, and what is wrong with them.

use std::collections::HashSet;

use anyhow::bail;
use time::OffsetDateTime;

use crate::check::{self, Made};
use crate::cli::{Paths, ProxyArgs};
use crate::diagnostic::{Code, Diagnostic, Severity, render};
use crate::files;
use crate::model::kuma::Input;
use crate::output::Output;
use crate::resources::kuma::mesh_http_route::TargetRef;
use crate::resources::{self, Resources};
use crate::source::{self, Sources, Span};
use crate::vips::{self, Range};

/// Resources and all that is wrong with them.
pub(super) struct Loaded {
    pub(super) sources: Sources,
    pub(super) resources: Resources,
    /// In the order of files and lines.
    pub(super) findings: Vec<Diagnostic>,
    /// The proxies that the checks have made and one of which is probably to be served.
    pub(super) made: Made,
}

impl Loaded {
    pub(super) fn input(&self) -> Input<'_> {
        Input {
            resources: &self.resources,
            sources: &self.sources,
        }
    }

    pub(super) fn has_errors(&self) -> bool {
        self.findings.iter().any(|f| f.severity == Severity::Error)
    }

    pub(super) fn print(&self, output: &Output) {
        if !self.findings.is_empty() {
            let color = output.color_on_stderr();
            let text = render::human(&self.sources, &self.findings, color);
            let findings = render::json(&self.sources, &self.findings);
            output.report(
                text.trim_end(),
                &serde_json::from_str(&findings).unwrap_or_default(),
            );
        }
    }

    /// What is said of the resources, once the proxy is made: they take more memory than anything made of them.
    pub(super) fn without_resources(self) -> (Sources, Vec<Diagnostic>) {
        (self.sources, self.findings)
    }

    /// Gives services outside of the mesh the virtual addresses that are kept in the working directory, and keeps those of
    /// new ones there.
    pub(super) fn keep_vips(&mut self) -> anyhow::Result<()> {
        let Ok(range) = vip_range() else {
            return Ok(()); // which is a finding already
        };
        if self.resources.mesh_external_services.is_empty() {
            return Ok(());
        }
        let before = self.resources.vips.clone();
        let resources = &mut self.resources;
        let give = |kept: &mut vips::Kept| vips::give(resources, &range, kept);
        match vips::store::keep(&files::work_dir()?, &range, give)? {
            Ok(findings) => self.add(findings),
            Err(finding) => self.add(vec![finding]),
        }
        if self.resources.vips != before {
            self.made.forget();
        }
        Ok(())
    }

    /// Adds findings that are not there yet.
    pub(super) fn add(&mut self, more: Vec<Diagnostic>) {
        let known: HashSet<_> = self.findings.iter().map(identity).collect();
        let is_new = |f: &Diagnostic| !known.contains(&identity(f));
        let more: Vec<_> = more.into_iter().filter(is_new).collect();
        self.findings.extend(more);
        render::sort(&mut self.findings);
    }

    /// Whether a proxy made of the resources might do what its user did not mean.
    ///
    /// A listener without its certificate is left out and all others are served; any other error may be about this
    /// proxy, whatever resource it is in.
    pub(super) fn has_fatal_errors(&self) -> bool {
        self.findings.iter().any(is_fatal)
    }

    /// The same for the proxy next to a service, which no route of a MeshGateway is about.
    pub(super) fn has_fatal_errors_for_sidecars(&self) -> bool {
        let is_of_gateway = |target: &Option<TargetRef>| {
            target
                .as_ref()
                .is_some_and(|target| target.kind == "MeshGateway")
        };
        let http = self.resources.mesh_http_routes.iter();
        let http = http.filter(|route| is_of_gateway(&route.spec.target_ref));
        let tcp = self.resources.mesh_tcp_routes.iter();
        let tcp = tcp.filter(|route| is_of_gateway(&route.spec.target_ref));
        let elsewhere: HashSet<_> = http
            .map(|route| route.meta.to_string())
            .chain(tcp.map(|route| route.meta.to_string()))
            .collect();
        let is_elsewhere =
            |f: &Diagnostic| f.resource.as_ref().is_some_and(|r| elsewhere.contains(r));
        self.findings
            .iter()
            .any(|finding| is_fatal(finding) && !is_elsewhere(finding))
    }
}

/// Reads resources, and checks each by itself; unless `resource_only`, also together.
pub(super) fn load(args: &Paths, resource_only: bool, output: &Output) -> anyhow::Result<Loaded> {
    load_with(args, resource_only, None, output)
}

/// The same for whoever goes on to one proxy.
pub(super) fn load_for(args: &ProxyArgs, output: &Output) -> anyhow::Result<Loaded> {
    load_with(&args.paths, false, args.dataplane.as_deref(), output)
}

fn load_with(
    args: &Paths,
    resource_only: bool,
    wanted: Option<&str>,
    output: &Output,
) -> anyhow::Result<Loaded> {
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
    let (mut resources, more) = resources::load(documents, resource_only);
    findings.extend(more);
    let mut made = Made::wanting(wanted);
    if !resource_only {
        // Those that are kept come with a proxy: whoever only checks resources writes nothing.
        match vip_range() {
            Ok(range) => {
                findings.extend(vips::give(&mut resources, &range, &mut vips::Kept::new()));
            }
            Err(finding) if !resources.mesh_external_services.is_empty() => findings.push(*finding),
            Err(_) => {}
        }
        let input = Input {
            resources: &resources,
            sources: &sources,
        };
        findings.extend(check::with_proxies(input, &mut made));
        let now = OffsetDateTime::now_utc();
        findings.extend(check::certificates(input, now));
        findings.extend(check::authorities(input, now));
    }
    if args.strict {
        let is_dropped = |finding: &&mut Diagnostic| finding.code.is_dropped();
        for finding in findings.iter_mut().filter(is_dropped) {
            finding.severity = Severity::Error;
        }
    }
    render::sort(&mut findings);
    Ok(Loaded {
        sources,
        resources,
        findings,
        made,
    })
}

fn is_fatal(finding: &Diagnostic) -> bool {
    finding.severity == Severity::Error && !finding.code.is_isolated()
}

/// What two findings share that are one.
pub(super) fn identity(finding: &Diagnostic) -> (Code, Option<Span>, &str) {
    (finding.code, finding.span, &finding.message)
}

/// The range of virtual addresses.
fn vip_range() -> Result<Range, Box<Diagnostic>> {
    let text = std::env::var(vips::RANGE).unwrap_or_default();
    let text = if text.is_empty() {
        vips::DEFAULT_RANGE
    } else {
        &text
    };
    text.parse().map_err(|why| {
        let message = format!("{}: `{text}`: {why}", vips::RANGE);
        Box::new(Diagnostic::error(Code::VipRange, message))
    })
}
