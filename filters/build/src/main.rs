//! Builds the filters and prints the size of each: `scripts/build-wasm.sh` runs it.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let root = root.canonicalize()?;
    for module in wasm_build::build(&root)? {
        let path = module.path.strip_prefix(&root)?;
        println!("{:>8} bytes  {}", module.bytes.len(), path.display());
    }
    Ok(())
}
