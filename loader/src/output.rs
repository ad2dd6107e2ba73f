//! The one place that prints: data to standard output, everything else to standard error.

use std::env;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::process;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::cli::LogFormat;

/// Where a command prints.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one thing that a stream can have or not"
)]
pub struct Output {
    color_on_stdout: bool,
    color_on_stderr: bool,
    json: bool,
    /// Whether standard error is a terminal on which a line can be written over.
    is_screen: bool,
    /// Whether a line of [`Self::progress`] is on it.
    progress: Arc<Mutex<bool>>,
}

/// Takes the line away on which the cursor is (ECMA-48: CR, and EL with 2).
const CLEAR_LINE: &str = "\r\x1b[2K";

impl Output {
    /// The streams of this process; with colours on those that are terminals, if nobody minds (<https://no-color.org>).
    pub fn of_process() -> Self {
        let minds = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let is_dumb = env::var_os("TERM").is_some_and(|value| value == "dumb");
        let is_screen = io::stderr().is_terminal() && !is_dumb;
        Self {
            color_on_stdout: io::stdout().is_terminal() && !is_dumb && !minds,
            color_on_stderr: is_screen && !minds,
            json: false,
            is_screen,
            progress: Arc::default(),
        }
    }

    /// The same streams with messages in this form.
    #[must_use]
    pub fn with_format(&self, format: LogFormat) -> Self {
        let json = format == LogFormat::Json;
        Self {
            color_on_stdout: self.color_on_stdout,
            color_on_stderr: self.color_on_stderr && !json,
            json,
            is_screen: self.is_screen && !json,
            progress: Arc::clone(&self.progress),
        }
    }

    /// Whether messages are objects.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Whether colours may be used on standard output.
    pub fn color_on_stdout(&self) -> bool {
        self.color_on_stdout
    }

    /// Whether colours may be used on standard error.
    pub fn color_on_stderr(&self) -> bool {
        self.color_on_stderr
    }

    /// Prints what the user asked for.
    pub fn data(&self, bytes: &[u8]) -> anyhow::Result<()> {
        let mut stdout = io::stdout().lock();
        match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
            // The reader has seen enough: `meshgate bootstrap … | head`.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => process::exit(0),
            result => Ok(result?),
        }
    }

    /// Prints what the user should know.
    pub fn talk(&self, text: impl std::fmt::Display) {
        if self.json {
            self.object(json!({ "message": text.to_string() }));
        } else {
            self.pass_on(format!("{text}\n").as_bytes());
        }
    }

    /// Prints what somebody should look at, although nothing has failed.
    pub fn warn(&self, text: &str) {
        self.talk(format_args!("meshgate: warning: {text}"));
    }

    /// Prints `text`, which says what `findings` say: they are objects as `validate --format json` prints them, and each
    /// becomes a message of its own where messages are objects.
    pub fn report(&self, text: &str, findings: &Value) {
        match findings
            .as_array()
            .filter(|all| self.json && !all.is_empty())
        {
            Some(all) => all.iter().for_each(|finding| self.object(finding.clone())),
            None => self.talk(text),
        }
    }

    fn object(&self, fields: Value) {
        let time = OffsetDateTime::now_utc().format(&Rfc3339);
        let mut object = Map::new();
        object.insert("time".to_owned(), time.unwrap_or_default().into());
        if let Value::Object(fields) = fields {
            object.extend(fields.into_iter().filter(|(_, value)| !value.is_null()));
        }
        self.pass_on(format!("{}\n", Value::Object(object)).as_bytes());
    }

    /// Prints lines of the log of another program as they are.
    pub fn pass_on(&self, lines: &[u8]) {
        let mut shown = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        let mut stderr = io::stderr().lock();
        // There is nobody to tell that nobody can be told.
        if std::mem::take(&mut *shown) {
            let _ = stderr.write_all(CLEAR_LINE.as_bytes());
        }
        let _ = stderr.write_all(lines);
    }

    /// Says on a terminal what takes its time, until something else is said.
    pub fn progress(&self, doing: impl std::fmt::Display) {
        if self.is_screen {
            let mut shown = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
            let _ = write!(io::stderr().lock(), "{CLEAR_LINE}{doing} …");
            *shown = true;
        }
    }

    /// Takes the line of [`Self::progress`] away.
    pub fn done(&self) {
        self.pass_on(&[]);
    }

    /// Prints why a command could not do its work.
    pub fn error(&self, error: &anyhow::Error) {
        self.talk(format_args!("meshgate: {error:#}"));
    }
}
