//! Ports that a test has to know before anybody opens them.

use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU16, Ordering};

use anyhow::Context;

/// Below those that Linux gives to connections and to whoever asks for any port
/// (`net.ipv4.ip_local_port_range` begins at 32768), which could take a port between its choice and its use.
const FIRST: u16 = 10_240;
const COUNT: u16 = 22_000;

/// A port of 127.0.0.1, free for TCP and UDP, that no other test of this process gets.
pub fn free_port() -> anyhow::Result<u16> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Programs at the same time begin at places of their own.
    let start = std::process::id().wrapping_mul(251);
    let mut ports = (0..COUNT).map(|_| {
        let next = u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
        let offset = start.wrapping_add(next) % u32::from(COUNT);
        FIRST + u16::try_from(offset).unwrap_or_default()
    });
    let is_free = |&port: &u16| {
        let at = (Ipv4Addr::LOCALHOST, port);
        TcpListener::bind(at).is_ok() && UdpSocket::bind(at).is_ok()
    };
    ports.find(is_free).context("no port is free")
}
