//! The command `meshgate`.

use std::process::ExitCode;

use clap::Parser;
use meshgate::cli::Cli;
use meshgate::commands;
use meshgate::output::Output;
use mimalloc::MiMalloc;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let output = Output::of_process().with_format(cli.log_format);
    match commands::run(cli, &output) {
        Ok(exit) => exit.into(),
        Err(error) => {
            output.error(&error);
            commands::COULD_NOT_WORK.into()
        }
    }
}
