//! Builds the filters as Wasm modules: what `scripts/build-wasm.sh` and the loader's build script both run.
//!
//! The modules come out of a cargo of their own, with a target folder of its own: the cargo that waits for this one
//! holds the lock of the usual folder.

use std::env;
use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

pub mod strip;

/// The target: its modules import nothing but what the filters ask for, so no WASI.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// The filters: package and module.
pub const FILTERS: [(&str, &str); 5] = [
    ("host-match", "host_match"),
    ("listener-tags", "listener_tags"),
    ("cross-mesh", "cross_mesh"),
    ("external-access", "external_access"),
    ("gateway", "gateway"),
];

/// Set to build the standard library too, where the toolchain has its source but not the target.
const BUILD_STD: &str = "MESHGATE_BUILD_STD";

/// A built module.
#[derive(Clone, Debug)]
pub struct Module {
    /// Its name: `gateway`.
    pub name: &'static str,
    /// Its file: `target/wasm/gateway.wasm`.
    pub path: PathBuf,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// The folder of the modules in the checkout `root`.
pub fn folder(root: &Path) -> PathBuf {
    root.join("target/wasm")
}

/// Builds all filters of the checkout `root` into its `target/wasm` folder.
pub fn build(root: &Path) -> Result<Vec<Module>> {
    let folder = folder(root);
    let built = cargo(root, &folder, &[])?;
    let finish = |&(_, name): &(&str, &'static str)| {
        let raw = built.join(name).with_extension("wasm");
        let raw = fs::read(&raw).with_context(|| format!("cannot read {}", raw.display()))?;
        let bytes = strip::strip(&raw).with_context(|| format!("{name}.wasm"))?;
        let path = folder.join(name).with_extension("wasm");
        write(&path, &bytes).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Module { name, path, bytes })
    };
    FILTERS.iter().map(finish).collect()
}

/// Builds the filters so that they count what they take from the heap, and returns their folder. They export the number
/// as `meshgate_allocations`.
pub fn build_counting(root: &Path) -> Result<PathBuf> {
    let folder = folder(root).join("counting");
    let features = ["--package=shell", "--features=shell/count-allocations"];
    cargo(root, &folder, &features)
}

/// Builds the filters as they are into the target folder `folder`, and returns where they are in it.
fn cargo(root: &Path, folder: &Path, more: &[&str]) -> Result<PathBuf> {
    let build_std = env::var_os(BUILD_STD).is_some_and(|value| value == "1");
    ensure!(build_std || has_target()?, "{}", how_to_get_the_target());
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .current_dir(root)
        .args(["build", "--quiet", "--locked"]);
    cargo.args(["--profile", "wasm", "--target", TARGET]);
    cargo.arg("--target-dir").arg(folder).args(more);
    for (package, _) in FILTERS {
        cargo.args(["--package", package]);
    }
    for (name, _) in env::vars_os().filter(|(name, _)| is_of_the_outer_build(name)) {
        cargo.env_remove(name);
    }
    if build_std {
        // The flag is for nightly compilers, unless this is set.
        cargo.env("RUSTC_BOOTSTRAP", "1");
        cargo.args(["-Z", "build-std=std,panic_abort"]);
    }
    cargo.env("CARGO_ENCODED_RUSTFLAGS", remapped_paths().join("\x1f"));
    let status = cargo.status().context("cannot start cargo")?;
    ensure!(status.success(), "cargo could not build the filters");
    Ok(folder.join(TARGET).join("wasm"))
}

/// Whether the variable tells how the waiting cargo builds for its own target (or checks, or measures coverage).
fn is_of_the_outer_build(name: &OsString) -> bool {
    let Some(name) = name.to_str() else {
        return false;
    };
    let kept = [
        "CARGO_HOME",
        "CARGO_NET_",
        "CARGO_HTTP_",
        "CARGO_REGISTRIES_",
    ];
    let settings = ["RUSTC", "RUSTDOC", "RUSTFLAGS", "RUSTC_WORKSPACE_WRAPPER"];
    name.starts_with("CARGO") && !kept.iter().any(|start| name.starts_with(start))
        || settings.contains(&name)
        || name == "MAKEFLAGS"
        || name == "__CARGO_DEFAULT_LIB_METADATA"
}

/// Compiler flags that keep the folders of this machine out of the modules: the same source has to give the same
/// bytes, and nobody has to know where they were built.
fn remapped_paths() -> Vec<String> {
    let home = env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cargo")));
    let registries = home.map(|home| home.join("registry/src"));
    let folders = registries.and_then(|folder| fs::read_dir(folder).ok());
    folders
        .into_iter()
        .flatten()
        .filter_map(Result::ok)
        .filter_map(|folder| folder.path().into_os_string().into_string().ok())
        .map(|path| format!("--remap-path-prefix={path}=registry"))
        .collect()
}

fn has_target() -> Result<bool> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(&rustc)
        .args(["--print", "target-libdir", "--target", TARGET])
        .output()
        .with_context(|| format!("cannot start {}", rustc.display()))?;
    let message = String::from_utf8_lossy(&output.stderr);
    let rustc = rustc.display();
    ensure!(
        output.status.success(),
        "{rustc} failed: {}",
        message.trim()
    );
    Ok(Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_dir())
}

fn how_to_get_the_target() -> String {
    format!(
        "the Rust target {TARGET} is not installed. With rustup:\n    rustup target add {TARGET}\n\
         Without it, where the toolchain has the source of the standard library (Debian: rustc-web, cargo-web, \
         rust-web-src, lld):\n    export {BUILD_STD}=1"
    )
}

/// Replaces the file in one step: another build may be reading it. The same content stays untouched.
fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let readable = Permissions::from_mode(0o644);
    let old = fs::metadata(path).is_ok_and(|old| old.permissions().mode() & 0o444 == 0o444);
    if old && fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    let folder = path.parent().context("no folder")?;
    let file = tempfile::NamedTempFile::new_in(folder)?;
    fs::write(file.path(), bytes)?;
    // Temporary files are their owner's alone; Envoy in a container is another user.
    file.as_file().set_permissions(readable)?;
    file.persist(path)?;
    Ok(())
}
