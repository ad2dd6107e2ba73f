//! From one configuration of a running Envoy to the next, or back.
//!
//! What is new comes before what refers to it, and what is old goes after what referred to it; each step waits until
//! Envoy has taken it. If Envoy refuses one, the steps that were done are undone.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::Value;

use super::admin::{Admin, Updates};
use super::directory::Directory;
use super::discovery::{CLUSTERS, File, Split, Stage};
use super::stop::Stop;
use super::words::Words;

/// How long Envoy may take for one step. It connects to nobody for it, but has to compile regular expressions.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long it may take to go back.
const PATIENCE_BACK: Duration = Duration::from_secs(5);
/// How long its log may take to get here.
const PATIENCE_WORDS: Duration = Duration::from_secs(1);
/// The first wait before Envoy is asked again. Each is twice the one before: the answer costs Envoy time.
const FIRST_WAIT: Duration = Duration::from_millis(5);
/// The longest wait.
const LAST_WAIT: Duration = Duration::from_millis(200);

/// Why a configuration was not taken.
#[derive(Debug)]
pub(super) enum NotTaken {
    /// Envoy says no.
    Refused(Refused),
    /// It could not be done.
    Failed(anyhow::Error),
}

/// What Envoy says no with.
#[derive(Debug, Default)]
pub(super) struct Refused {
    /// Its words.
    pub(super) words: String,
    /// The counters that tell it, a line for each.
    pub(super) counters: String,
}

impl From<anyhow::Error> for NotTaken {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(error)
    }
}

/// One file to be swapped.
struct Move {
    /// In `next/`.
    from: PathBuf,
    /// In `live/`.
    to: PathBuf,
    file: File,
    /// Whether Envoy looks at it before the listeners are swapped.
    watched: bool,
}

/// A running Envoy and its files.
#[derive(Clone, Copy, Debug)]
pub(super) struct Running<'a> {
    pub(super) directory: &'a Directory,
    pub(super) admin: &'a Admin,
    pub(super) words: &'a Words,
    pub(super) stop: &'a Stop,
}

/// What was before a change.
struct Before {
    updates: Updates,
    words: usize,
}

/// Gives Envoy the files of `new` that differ from those of `old`.
pub(super) fn swap(envoy: Running<'_>, old: &Split, new: &Split) -> Result<(), NotTaken> {
    let directory = envoy.directory;
    let steps = steps(old, new);
    if steps.is_empty() {
        return Ok(());
    }
    let moves = steps.iter().flatten();
    directory.prepare(moves.map(|m| (m.from.as_path(), m.file.bytes.as_slice())))?;
    let before = Before::of(envoy)?;
    let mut done = Vec::new();
    for step in &steps {
        if let Err(why) = take(envoy, step, &before, &mut done) {
            back(envoy, old, &done);
            return Err(why);
        }
    }
    directory.remove_unused(new);
    Ok(())
}

/// The moves, in steps that wait for each other.
fn steps(old: &Split, new: &Split) -> Vec<Vec<Move>> {
    let mut moves: Vec<(Stage, Move)> = Vec::new();
    let mut add = |path: &Path, from: &str, file: File, stage| {
        let watched = old.files.contains_key(path);
        let (from, to) = (PathBuf::from(from), path.to_owned());
        moves.push((
            stage,
            Move {
                from,
                to,
                file,
                watched,
            },
        ));
    };
    let same =
        |path: &Path, file: &File| old.files.get(path).is_some_and(|o| o.bytes == file.bytes);
    for (path, file) in new.files.iter().filter(|(path, file)| !same(path, file)) {
        // What nothing refers to yet has to be there before something does.
        let stage = if old.files.contains_key(path) {
            file.stage
        } else {
            Stage::First
        };
        if path != Path::new(CLUSTERS) {
            add(path, &path.to_string_lossy(), file.clone(), stage);
        }
    }
    let (clusters, both) = (Path::new(CLUSTERS), new.clusters_with(old));
    let last = new
        .files
        .get(clusters)
        .filter(|last| last.bytes != both.bytes);
    if !same(clusters, &both) {
        add(clusters, CLUSTERS, both, Stage::Clusters);
    }
    if let Some(last) = last {
        add(clusters, "clusters-last.pb", last.clone(), Stage::Last);
    }
    let stages = [
        Stage::First,
        Stage::Clusters,
        Stage::Routes,
        Stage::Listeners,
        Stage::Last,
    ];
    let mut steps: Vec<Vec<Move>> = stages.iter().map(|_| Vec::new()).collect();
    for (stage, one) in moves {
        if let Some(step) = stages.iter().zip(&mut steps).find(|(s, _)| **s == stage) {
            step.1.push(one);
        }
    }
    steps.retain(|step| !step.is_empty());
    steps
}

impl Before {
    fn of(envoy: Running<'_>) -> anyhow::Result<Self> {
        Ok(Self {
            words: envoy.words.count(),
            updates: envoy.admin.updates()?,
        })
    }
}

fn take<'a>(
    envoy: Running<'_>,
    step: &'a [Move],
    before: &Before,
    done: &mut Vec<&'a Path>,
) -> Result<(), NotTaken> {
    for one in step {
        envoy.directory.swap(&one.from, &one.to)?;
        done.push(&one.to);
    }
    let expected = step
        .iter()
        .filter(|m| m.watched)
        .map(|m| m.file.version.as_str())
        .collect();
    wait(envoy, &expected, before, PATIENCE)
}

fn wait(
    envoy: Running<'_>,
    expected: &BTreeSet<&str>,
    before: &Before,
    patience: Duration,
) -> Result<(), NotTaken> {
    let deadline = Instant::now() + patience;
    let mut pause = FIRST_WAIT;
    loop {
        envoy.stop.check()?;
        let now = envoy.admin.updates().context("Envoy does not answer")?;
        let refused = now.refused_since(&before.updates);
        if !refused.is_empty() {
            return Err(NotTaken::Refused(words(envoy, before, &refused)));
        }
        let missing = expected
            .iter()
            .filter(|version| !now.versions.contains(**version))
            .count();
        if missing == 0 && now.warming == 0 {
            return Ok(());
        }
        if Instant::now() > deadline {
            let words = format!(
                "it has not taken {missing} files, and {} of its listeners and clusters wait for something",
                now.warming
            );
            return Err(NotTaken::Refused(Refused {
                words,
                ..Refused::default()
            }));
        }
        thread::sleep(pause);
        pause = (pause * 2).min(LAST_WAIT);
    }
}

/// Undoes the moves. Nobody can help if that fails too: Envoy keeps what it has, and a restart writes all files anew.
fn back(envoy: Running<'_>, old: &Split, done: &[&Path]) {
    for path in done.iter().rev() {
        let _ = envoy.directory.put_back(path);
    }
    let files = done.iter().filter_map(|path| old.files.get(*path));
    let expected = files.map(|file| file.version.as_str()).collect();
    if let Ok(now) = Before::of(envoy) {
        let _ = wait(envoy, &expected, &now, PATIENCE_BACK);
    }
    envoy.directory.remove_unused(old);
}

/// What Envoy says about what it refuses: about listeners and clusters on its admin interface, about everything in its
/// log. The counters are named after what they count, so `blame` finds the resource by them where no word names it.
fn words(envoy: Running<'_>, before: &Before, refused: &[&str]) -> Refused {
    let dump = envoy.admin.get("config_dump").unwrap_or_default();
    let mut details = BTreeSet::new();
    errors(
        &serde_json::from_str(&dump).unwrap_or_default(),
        &mut details,
    );
    let counters = refused.join("\n");
    let said: Vec<_> = if details.is_empty() {
        said_now(envoy.words, before.words)
    } else {
        details.into_iter().collect()
    };
    if said.is_empty() {
        return Refused {
            words: format!("it says no more than its counters: {counters}"),
            counters,
        };
    }
    Refused {
        words: said.join("\n"),
        counters,
    }
}

/// What the log says; it comes a little after the counters.
fn said_now(words: &Words, before: usize) -> Vec<String> {
    let deadline = Instant::now() + PATIENCE_WORDS;
    loop {
        let said = words.refusals(before);
        if !said.is_empty() || Instant::now() > deadline {
            return said;
        }
        thread::sleep(FIRST_WAIT);
    }
}

fn errors(value: &Value, details: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            if let Some(text) = fields
                .get("error_state")
                .and_then(|s| s["details"].as_str())
            {
                let name = fields
                    .get("name")
                    .and_then(Value::as_str)
                    .unwrap_or_default();
                details.insert(format!("{name}: {text}"));
            }
            fields.values().for_each(|value| errors(value, details));
        }
        Value::Array(items) => items.iter().for_each(|value| errors(value, details)),
        _ => {}
    }
}

#[cfg(test)]
mod tests;
