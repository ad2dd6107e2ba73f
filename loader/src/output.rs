//! The one place that prints: data to standard output, everything else to standard error.

use std::env;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::process;

use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::cli::LogFormat;

/// Where a command prints.
#[derive(Clone, Debug)]
pub struct Output {
    color_on_stdout: bool,
    color_on_stderr: bool,
    json: bool,
}

impl Output {
    /// The streams of this process; with colours on those that are terminals, if nobody minds (<https://no-color.org>).
    pub fn of_process() -> Self {
        let minds = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            color_on_stdout: io::stdout().is_terminal() && !minds,
            color_on_stderr: io::stderr().is_terminal() && !minds,
            json: false,
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
        }
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
        // There is nobody to tell that nobody can be told.
        let _ = if self.json {
            let time = OffsetDateTime::now_utc()
                .format(&Rfc3339)
                .unwrap_or_default();
            let line = json!({ "time": time, "message": text.to_string() });
            writeln!(io::stderr().lock(), "{line}")
        } else {
            writeln!(io::stderr().lock(), "{text}")
        };
    }

    /// Prints why a command could not do its work.
    pub fn error(&self, error: &anyhow::Error) {
        self.talk(format_args!("meshgate: {error:#}"));
    }
}
