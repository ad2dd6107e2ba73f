//! What Envoy says in its log: about listeners and clusters that it refuses its admin interface says why, about routes,
//! endpoints, certificates and filters only the log does.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use serde_json::Value;

use crate::output::Output;

/// Lines that are kept: a change has some files, and Envoy says a line about each that it refuses.
const KEPT: usize = 1000;
/// A longer line comes in pieces.
const LONGEST_LINE: u64 = 64 * 1024;

/// The last lines of Envoy's log.
#[derive(Clone, Debug, Default)]
pub(super) struct Words(Arc<Mutex<Lines>>);

#[derive(Debug, Default)]
struct Lines {
    /// How many have come before those that are kept.
    gone: usize,
    kept: VecDeque<String>,
}

impl Words {
    /// Hands on what Envoy writes, and keeps some of it. A message comes at the end of it.
    pub(super) fn listen(&self, log: impl Read + Send + 'static, output: &Output) -> Receiver<()> {
        let (words, output) = (self.clone(), output.clone());
        let (done, end) = mpsc::channel();
        thread::spawn(move || {
            let mut log = BufReader::new(log);
            let mut line = Vec::new();
            loop {
                line.clear();
                match log.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line) {
                    Ok(0) | Err(_) => break,
                    Ok(_) => {}
                }
                output.pass_on(&line);
                words.keep(String::from_utf8_lossy(&line).trim_end());
            }
            // Nobody waits for it any more if this fails.
            let _ = done.send(());
        });
        end
    }

    pub(super) fn keep(&self, line: &str) {
        let mut lines = self.lock();
        if lines.kept.len() == KEPT {
            lines.kept.pop_front();
            lines.gone += 1;
        }
        lines.kept.push_back(message(line));
    }

    /// The number of lines so far.
    pub(super) fn count(&self) -> usize {
        let lines = self.lock();
        lines.gone + lines.kept.len()
    }

    /// What has been refused since there were so many lines.
    pub(super) fn refusals(&self, since: usize) -> Vec<String> {
        let lines = self.lock();
        let new = lines.kept.iter().skip(since.saturating_sub(lines.gone));
        let mut refusals: Vec<String> = Vec::new();
        // What is about two files is said twice.
        for line in new.filter(|line| is_refusal(line)) {
            if !refusals.contains(line) {
                refusals.push(line.clone());
            }
        }
        refusals
    }

    /// A thread that panicked has left whole lines.
    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Envoy's `filesystem_subscription_impl.cc` says `Filesystem config update rejected: …`, and of a file that is no answer
/// at all `Filesystem config update failure: …` (1.36 and 1.40). What the filter says about its configuration comes before.
fn is_refusal(line: &str) -> bool {
    let said = ["update rejected", "update failure"];
    said.iter().any(|text| line.contains(text))
        || line.starts_with("wasm log ") && line.contains("configuration")
}

/// The text of a line without time, thread and source file, in either form of the log.
fn message(line: &str) -> String {
    if let Ok(Value::Object(fields)) = serde_json::from_str(line)
        && let Some(text) = fields.get("message").and_then(Value::as_str)
    {
        return text.to_owned();
    }
    let mut text = line;
    // `[time][thread][level][logger] [source:line] `
    while let Some((_, rest)) = text.strip_prefix('[').and_then(|text| text.split_once(']')) {
        text = rest.trim_start();
    }
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_kept_without_times_and_once() {
        let words = Words::default();
        words.keep("[2026-11-21 10:00:00.000][1][warning][config] [source/a.cc:1] Filesystem config update rejected: before");
        let begin = words.count();
        for line in [
            "[2026-11-21 10:00:01.000][1][warning][config] [source/a.cc:1] Filesystem config update rejected: no [x]",
            r#"{"time":"t","level":"warning","message":"Filesystem config update rejected: no [x]"}"#,
            "[2026-11-21 10:00:01.000][1][warning][main] [source/b.cc:1] something else",
        ] {
            words.keep(line);
        }
        assert_eq!(
            words.refusals(begin),
            ["Filesystem config update rejected: no [x]"]
        );
        assert_eq!(words.refusals(0).len(), 2);
    }

    #[test]
    fn only_the_last_lines_are_kept() {
        let words = Words::default();
        for number in 0..KEPT + 5 {
            words.keep(&format!("update rejected: {number}"));
        }
        let begin = words.count() - 2;
        assert_eq!(words.refusals(begin).len(), 2);
        assert_eq!(words.refusals(0).len(), KEPT);
    }
}
