//! The verbs of the command line, one file each.

mod bootstrap;
mod certs;
mod choose;
mod generate;
mod load;
mod options;
mod run;
mod status;
mod stream_logs;
mod validate;
mod workloads;

use std::process::ExitCode;

use crate::cli::{Cli, Command};
use crate::output::Output;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// As it should.
    Fine,
    /// There are findings.
    Findings,
    /// With the code of the Envoy that it ran.
    Envoy(u8),
}

/// The exit code of a command that could not do its work.
pub const COULD_NOT_WORK: u8 = 2;

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Fine => Self::SUCCESS,
            Exit::Findings => Self::from(1),
            Exit::Envoy(code) => Self::from(code),
        }
    }
}

/// Does what the command line says.
pub fn run(cli: Cli, output: &Output) -> anyhow::Result<Exit> {
    match cli.command {
        Command::Validate(args) => validate::run(&args, output),
        Command::Bootstrap(args) => bootstrap::run(&args, output),
        Command::Run(args) => run::run(&args, output),
        Command::Status(args) => status::run(&args, output),
        Command::Exec(args) => Err(run::exec(&args)),
        Command::StreamLogs { pipe } => stream_logs::run(&pipe, output),
        Command::Rule { code } => validate::rule(code.as_deref(), output),
        Command::Certs(args) => certs::run(&args, output),
        Command::Generate(command) => generate::run(command, output),
    }
}
