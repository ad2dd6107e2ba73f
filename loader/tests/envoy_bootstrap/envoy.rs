//! A stock Envoy with a configuration that this test made.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use meshgate::envoy::EnvoyRange;

/// `$MESHGATE_ENVOY`, or the project's own copy. Says so if there is none.
pub(crate) fn find() -> Option<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.envoy/1.40.0/envoy");
    let path = std::env::var_os("MESHGATE_ENVOY").map_or(own, PathBuf::from);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: no Envoy at {}", path.display());
    None
}

/// Whether it is of the [`EnvoyRange`].
pub(crate) fn is_in(envoy: &Path, range: EnvoyRange) -> bool {
    let output = Command::new(envoy).arg("--version").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mut versions = text.split('/').filter_map(|part| {
        let (major, minor) = part.split_once('.')?;
        let minor = minor.split('.').next()?;
        Some((major.parse::<u32>().ok()?, minor.parse::<u32>().ok()?))
    });
    match range {
        EnvoyRange::From1_36 => true,
        EnvoyRange::From1_40 => versions.next().unwrap() >= (1, 40),
    }
}

/// A module that takes every configuration and lets every request pass.
pub(crate) fn module() -> Vec<u8> {
    let text = r#"(module
        (memory (export "memory") 1)
        (func (export "malloc") (param i32) (result i32) i32.const 0)
        (func (export "proxy_abi_version_0_2_1")))"#;
    wat::parse_str(text).unwrap()
}

pub(crate) fn validate(envoy: &Path, config: &Path) -> Output {
    Command::new(envoy)
        .args(["--mode", "validate", "--log-level", "warning", "-c"])
        .arg(config)
        .output()
        .unwrap()
}

/// A running Envoy, ended when dropped.
pub(crate) struct Running(Child);

impl Running {
    /// Starts it and returns what its admin interface answers for `path`.
    pub(crate) fn start(envoy: &Path, config: &Path) -> (Self, String) {
        let mut admin = config.as_os_str().to_owned();
        admin.push(".admin");
        let child = Command::new(envoy)
            .args(["--use-dynamic-base-id", "--concurrency", "1"])
            .args(["--log-level", "warning", "--admin-address-path"])
            .arg(&admin)
            .arg("-c")
            .arg(config)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut running = Self(child);
        let deadline = Instant::now() + Duration::from_mins(1);
        loop {
            let address = std::fs::read_to_string(&admin).unwrap_or_default();
            if address.contains(':') {
                return (running, address);
            }
            let ended = running.0.try_wait().unwrap();
            assert!(ended.is_none(), "envoy ended: {ended:?}");
            assert!(Instant::now() < deadline, "envoy does not start");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// The body of an answer of the admin interface, which comes in chunks.
pub(crate) fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, mut rest) = answer.split_once("\r\n\r\n").unwrap();
    if !head.contains("chunked") {
        return rest.to_owned();
    }
    let mut body = String::new();
    loop {
        let (size, after) = rest.split_once("\r\n").unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            return body;
        }
        body.push_str(&after[..size]);
        rest = &after[size + 2..];
    }
}
