//! What all commands about resources begin with: the resources, and what is wrong with them.

use anyhow::bail;
use time::OffsetDateTime;

use crate::check;
use crate::cli::Paths;
use crate::diagnostic::{Code, Diagnostic, Severity, render};
use crate::model::kuma::Input;
use crate::output::Output;
use crate::resources::{self, Resources};
use crate::source::{self, Sources};

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
            let text = render::human(&self.sources, &self.findings, color);
            let findings = render::json(&self.sources, &self.findings);
            output.report(
                text.trim_end(),
                &serde_json::from_str(&findings).unwrap_or_default(),
            );
        }
    }

    /// Whether a proxy made of the resources might do what its user did not mean.
    ///
    /// A listener without its certificate is left out and all others are served; any other error may be about this
    /// proxy, whatever resource it is in.
    pub(super) fn has_fatal_errors(&self) -> bool {
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
    })
}
