//! `meshgate status`: what a running gateway says about itself.

use anyhow::Context;

use super::Exit;
use crate::cli::{StatusArgs, StatusFormat};
use crate::output::Output;
use crate::run::Status;

pub(super) fn run(args: &StatusArgs, output: &Output) -> anyhow::Result<Exit> {
    let text = match ask(args) {
        Ok(text) => text,
        // Whatever the reason is: a gateway that does not answer is not healthy.
        Err(error) if args.ready => {
            output.error(&error);
            return Ok(Exit::Findings);
        }
        Err(error) => return Err(error),
    };
    let status: Status = serde_json::from_str(&text).context("that is no status of meshgate")?;
    match args.format {
        StatusFormat::Human => output.data(format!("{status}\n").as_bytes())?,
        StatusFormat::Json => output.data(text.as_bytes())?,
    }
    let is_ready = status.envoy.ready && !status.envoy.draining;
    let is_current = status.refused.is_none() && !status.loaded.last_good;
    Ok(if is_ready && (args.ready || is_current) {
        Exit::Fine
    } else {
        Exit::Findings
    })
}

fn ask(args: &StatusArgs) -> anyhow::Result<String> {
    let answer = ureq::get(format!("http://{}/status", args.at)).call();
    let mut answer = answer.with_context(|| {
        format!(
            "no gateway answers on {}; `meshgate run` says where its status is",
            args.at
        )
    })?;
    Ok(answer.body_mut().read_to_string()?)
}
