//! `meshgate certs`: the CAs of meshes and the identities of their Dataplanes and workloads, made, shown and renewed.

mod report;

use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use anyhow::Context;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use time::OffsetDateTime;

use self::report::Report;
use super::choose::meshes;
use super::{Exit, load};
use crate::cli::CertsArgs;
use crate::diagnostic::Severity;
use crate::files;
use crate::identity::{Keeper, Store};
use crate::model::Identity;
use crate::model::istio;
use crate::model::kuma::{self, Lookup};
use crate::output::Output;

pub(super) fn run(args: &CertsArgs, output: &Output) -> anyhow::Result<Exit> {
    let mut loaded = load::load(&args.paths, false, output)?;
    // `validate` has the rest.
    loaded
        .findings
        .retain(|finding| finding.severity == Severity::Error);
    loaded.print(output);
    if loaded.has_fatal_errors() {
        return Ok(Exit::Findings);
    }
    let input = loaded.input();
    let lookup = Lookup::new(input);
    let dataplanes = loaded.resources.dataplanes.iter();
    // What is wrong with them was found and printed above.
    let identities =
        dataplanes.filter_map(|dataplane| lookup.identity(dataplane, &mut Vec::new()).ok()?);
    let egresses = loaded.resources.zone_egresses.iter();
    let egresses = egresses.flat_map(|egress| kuma::egress_identities(&lookup, egress));
    let identities: Vec<Identity> = identities
        .chain(egresses)
        .chain(istio::identities(input))
        .collect();
    let meshes = meshes(input);
    let keeper = Keeper::new(Store::new(files::work_dir()?), meshes.clone());
    // Before the first look, so that no signal is lost.
    let stopped = args.watch.then(signals).transpose()?;
    let mut said: Option<Report> = None;
    loop {
        let renew = args.rotate && said.is_none();
        let report = Report::make(
            &keeper,
            &meshes,
            &identities,
            renew,
            OffsetDateTime::now_utc(),
        )?;
        report.warnings.iter().for_each(|text| output.warn(text));
        if said.as_ref().is_none_or(|said| report.is_news_after(said)) {
            output.data(report.text(args.format)?.as_bytes())?;
        }
        let Some(stopped) = &stopped else {
            return Ok(if report.is_whole() {
                Exit::Fine
            } else {
                Exit::Findings
            });
        };
        if !matches!(
            stopped.recv_timeout(report.wait()),
            Err(RecvTimeoutError::Timeout)
        ) {
            return Ok(Exit::Fine);
        }
        said = Some(report);
    }
}

/// Gets a message when the process is to end.
fn signals() -> anyhow::Result<Receiver<()>> {
    let mut signals = Signals::new([SIGTERM, SIGINT]).context("could not listen to signals")?;
    let (sender, stopped) = channel();
    thread::spawn(move || {
        if signals.forever().next().is_some() {
            // Nobody listens if the command has just ended.
            let _ = sender.send(());
        }
    });
    Ok(stopped)
}

/// The longest time without a look at the clock, which somebody may set.
const LONGEST_WAIT: Duration = Duration::from_mins(1);
/// The shortest, for certificates that are valid for a moment.
const SHORTEST_WAIT: Duration = Duration::from_millis(200);

/// How long to wait before the next look at something that is due at a time.
fn until(due: OffsetDateTime) -> Duration {
    let left = Duration::try_from(due - OffsetDateTime::now_utc());
    left.unwrap_or_default().clamp(SHORTEST_WAIT, LONGEST_WAIT)
}
