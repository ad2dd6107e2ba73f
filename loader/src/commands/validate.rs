//! `meshgate validate`: everything that is wrong with some resources, in one run.

use std::path::PathBuf;

use crate::diagnostic::{Code, Diagnostic, Severity, render};
use crate::resources::{self, Resources};
use crate::source;

/// How findings are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For people.
    #[default]
    Human,
    /// A JSON array.
    Json,
    /// SARIF 2.1.0.
    Sarif,
}

/// What to look at, and how.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Files, folders and `-`.
    pub paths: Vec<PathBuf>,
    /// How findings are written.
    pub format: Format,
    /// Each resource by itself, as Kuma's own validator judges it.
    pub resource_only: bool,
    /// Whether the terminal shows colours.
    pub colour: bool,
}

/// What the command says and how it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The findings.
    pub stdout: String,
    /// What could not be done.
    pub stderr: String,
    /// 0 without errors (there may be warnings), 1 with, 2 if a path could not be read.
    pub status: u8,
}

/// Reads resources and says what is wrong with them; `check` finds what is wrong with them together.
pub fn validate(options: &Options, check: impl FnOnce(&Resources) -> Vec<Diagnostic>) -> Outcome {
    let (sources, documents, mut findings) = source::read(&options.paths);
    let is_empty = documents.is_empty();
    let (resources, more) = resources::load(documents, options.resource_only);
    findings.extend(more);
    if is_empty && findings.is_empty() {
        findings.push(Diagnostic::warning(
            Code::NoResources,
            "there are no resources in what was named",
        ));
    }
    if !options.resource_only {
        findings.extend(check(&resources));
    }
    render::sort(&mut findings);
    let (unread, findings): (Vec<_>, Vec<_>) = findings
        .into_iter()
        .partition(|finding| finding.code == Code::PathNotRead);
    let stdout = match options.format {
        Format::Human => {
            render::human(&sources, &findings, options.colour)
                + &render::summary(&findings, sources.files().len(), resources.total)
                + "\n"
        }
        Format::Json => render::json(&sources, &findings),
        Format::Sarif => render::sarif(&sources, &findings),
    };
    let has_errors = findings
        .iter()
        .any(|finding| finding.severity == Severity::Error);
    Outcome {
        stdout,
        stderr: render::human(&sources, &unread, options.colour),
        status: match (unread.is_empty(), has_errors) {
            (false, _) => 2,
            (true, true) => 1,
            (true, false) => 0,
        },
    }
}
