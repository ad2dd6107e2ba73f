//! `meshgate status`: what a running gateway says about itself.

use anyhow::Context;

use super::Exit;
use crate::cli::{StatusArgs, StatusFormat};
use crate::output::Output;
use crate::run::Status;

pub(super) fn run(args: &StatusArgs, output: &Output) -> anyhow::Result<Exit> {
    let answer = ureq::get(format!("http://{}/status", args.at)).call();
    let mut answer = answer.with_context(|| {
        format!(
            "no gateway answers on {}; `meshgate run` says where its status is",
            args.at
        )
    })?;
    let text = answer.body_mut().read_to_string()?;
    let status: Status = serde_json::from_str(&text).context("that is no status of meshgate")?;
    match args.format {
        StatusFormat::Human => output.data(format!("{status}\n").as_bytes())?,
        StatusFormat::Json => output.data(text.as_bytes())?,
    }
    let served = status.refused.is_none() && status.envoy.ready;
    Ok(if served { Exit::Fine } else { Exit::Findings })
}
