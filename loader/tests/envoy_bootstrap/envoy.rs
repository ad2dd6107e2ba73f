//! A stock Envoy with a configuration that this test made.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// `$MESHGATE_ENVOY`, or the project's own copy. Says so if there is none.
pub fn find() -> Option<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.envoy/1.40.0/envoy");
    let path = std::env::var_os("MESHGATE_ENVOY").map_or(own, PathBuf::from);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: no Envoy at {}", path.display());
    None
}

/// A module that takes every configuration and lets every request pass.
pub fn module() -> Vec<u8> {
    let text = r#"(module
        (memory (export "memory") 1)
        (func (export "malloc") (param i32) (result i32) i32.const 0)
        (func (export "proxy_abi_version_0_2_1")))"#;
    wat::parse_str(text).unwrap()
}

pub fn validate(envoy: &Path, config: &Path) -> Output {
    Command::new(envoy)
        .args(["--mode", "validate", "--log-level", "warning", "-c"])
        .arg(config)
        .output()
        .unwrap()
}

/// A running Envoy, ended when dropped.
pub struct Running(Child);

impl Running {
    /// Starts it and returns what its admin interface answers for `path`.
    pub fn start(envoy: &Path, config: &Path) -> (Self, String) {
        let admin = config.with_extension("admin");
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
        let deadline = Instant::now() + Duration::from_secs(60);
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

/// The body of an answer. HTTP/1.0, which ends with the connection.
pub fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.0\r\nHost: admin\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    body.to_owned()
}
