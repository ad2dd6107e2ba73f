//! The command under test.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use anyhow::{Context, ensure};

/// The `meshgate` binary next to the running test, built when it is missing.
///
/// # Panics
/// If it cannot be built.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| find_or_build().expect("the meshgate binary"))
}

fn find_or_build() -> anyhow::Result<PathBuf> {
    let test = std::env::current_exe()?;
    // Tests are in `target/PROFILE/deps`, other binaries in `target/PROFILE`.
    let folder = test.parent().context("no folder")?;
    let folder = if folder.ends_with("deps") {
        folder.parent().context("no folder")?
    } else {
        folder
    };
    let binary = folder.join("meshgate");
    if !binary.exists() {
        let profile = match folder.file_name().and_then(OsStr::to_str) {
            None | Some("debug") => "dev",
            Some(profile) => profile,
        };
        let status = Command::new(env!("CARGO"))
            .args(["build", "--package", "meshgate", "--profile", profile])
            .arg("--target-dir")
            .arg(folder.parent().context("no target folder")?)
            .current_dir(crate::checkout())
            .status()?;
        ensure!(
            status.success(),
            "cargo build of meshgate ends with {status}"
        );
    }
    Ok(binary)
}

/// Runs `meshgate` to its end.
pub fn run(args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> anyhow::Result<Output> {
    let work = binary().with_file_name("meshgate-tests");
    let output = command(&work).args(args).output();
    output.context("meshgate does not start")
}

/// Runs `meshgate` to its end, which has to be a good one, with a working directory of its own.
pub fn run_in(
    work: &Path,
    args: impl IntoIterator<Item = impl AsRef<OsStr>>,
) -> anyhow::Result<Output> {
    let output = command(work).args(args).output();
    let output = output.context("meshgate does not start")?;
    ensure!(
        output.status.success(),
        "meshgate ends with {}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(output)
}

/// `meshgate` with this working directory.
pub fn command(work: &Path) -> Command {
    let mut command = Command::new(binary());
    command
        .env("NO_COLOR", "1")
        .env("MESHGATE_WORK_DIR", work)
        .stdin(Stdio::null());
    command
}

/// Writes the bootstrap of a Dataplane, as JSON, with the admin interface on a free port; `args` are added.
pub fn bootstrap(
    resources: &Path,
    dataplane: &str,
    to: &Path,
    args: &[&str],
) -> anyhow::Result<()> {
    let own = [
        OsStr::new("bootstrap"),
        resources.as_os_str(),
        "--dataplane".as_ref(),
        dataplane.as_ref(),
        "--admin".as_ref(),
        "127.0.0.1:0".as_ref(),
        "--format".as_ref(),
        "json".as_ref(),
        "-o".as_ref(),
        to.as_os_str(),
    ];
    let output = run(own.into_iter().chain(args.iter().map(OsStr::new)))?;
    ensure!(
        output.status.success(),
        "meshgate bootstrap ends with {}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

/// A certificate with its key, as the `data` of a Secret has them before base64: `meshgate generate tls-certificate`.
pub fn certificate(hostname: &str, key_type: &str) -> anyhow::Result<String> {
    let output = run([
        "generate",
        "tls-certificate",
        "--type=server",
        &format!("--hostname={hostname}"),
        &format!("--key-type={key_type}"),
        "--key-file=-",
        "--cert-file=-",
    ])?;
    ensure!(
        output.status.success(),
        "meshgate generate tls-certificate ends with {}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(output.stdout)?)
}
