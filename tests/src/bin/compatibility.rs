//! `make test-matrix`: what `cargo test` printed, on standard input, to `docs/compatibility.md`.

use std::io::{BufRead, stdin};
use std::process::ExitCode;
use std::{fs, io};

use system_tests::checkout;
use system_tests::compatibility::Matrix;

fn main() -> io::Result<ExitCode> {
    let mut printed = String::new();
    for line in stdin().lock().lines() {
        let line = line?;
        println!("{line}");
        printed += &line;
        printed.push('\n');
    }
    let matrix = Matrix::read(&printed);
    if !matrix.is_complete() {
        eprintln!("not every test passed on every Envoy; docs/compatibility.md stays as it is");
        return Ok(ExitCode::FAILURE);
    }
    fs::write(checkout().join("docs/compatibility.md"), matrix.markdown())?;
    Ok(ExitCode::SUCCESS)
}
