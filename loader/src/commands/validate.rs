//! `meshgate validate`: everything that is wrong with some resources, in one run. `meshgate rule`: what a finding means.

use anyhow::bail;

use super::{Exit, load};
use crate::cli::{ReportFormat, ValidateArgs};
use crate::diagnostic::{Code, render};
use crate::output::Output;

pub(super) fn run(args: &ValidateArgs, output: &Output) -> anyhow::Result<Exit> {
    let loaded = load::load(&args.paths, args.resource_only, output)?;
    let findings = &loaded.findings;
    let files = loaded.sources.files().len();
    let summary = render::summary(findings, files, loaded.resources.total);
    match args.format {
        ReportFormat::Human => {
            let text = render::human(&loaded.sources, findings, output.color_on_stdout());
            output.data(format!("{text}{summary}\n").as_bytes())?;
        }
        ReportFormat::Json => output.data(render::json(&loaded.sources, findings).as_bytes())?,
        ReportFormat::Sarif => output.data(render::sarif(&loaded.sources, findings).as_bytes())?,
    }
    Ok(if loaded.has_errors() {
        Exit::Findings
    } else {
        Exit::Fine
    })
}

pub(super) fn rule(code: Option<&str>, output: &Output) -> anyhow::Result<Exit> {
    let Some(text) = code else {
        for code in Code::ALL {
            output.data(format!("{code}  {}\n", code.explanation().title).as_bytes())?;
        }
        return Ok(Exit::Fine);
    };
    let Some(code) = Code::parse(text) else {
        bail!("there is no code `{text}`; `meshgate rule` lists all");
    };
    let explanation = code.explanation();
    let example = match explanation.example {
        "" => String::new(),
        example => format!("\nExample:\n    {}\n", example.replace('\n', "\n    ")),
    };
    let page = format!(
        "{code}: {}\n\n{}\n\nWhy: {}\n{example}\nFix: {}\n",
        explanation.title, explanation.means, explanation.why, explanation.fix
    );
    output.data(page.as_bytes())?;
    Ok(Exit::Fine)
}
