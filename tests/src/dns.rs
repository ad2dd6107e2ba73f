//! DNS queries as a client sends them, byte by byte (RFC 1035).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, ensure};
use tokio::net::UdpSocket;
use tokio::time::timeout;

use crate::until;

/// The type of IPv4 addresses.
pub const A: u16 = 1;
/// The type of IPv6 addresses.
pub const AAAA: u16 = 28;
/// The type of texts.
pub const TXT: u16 = 16;

/// The code of an answer that has what was asked for.
pub const FOUND: u8 = 0;
/// The code for names that do not exist.
pub const NO_SUCH_NAME: u8 = 3;

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// `RCODE`.
    pub code: u8,
    /// The addresses, sorted.
    pub addresses: Vec<IpAddr>,
}

/// Asks until there is an answer: UDP may lose what is sent.
pub async fn ask(server: SocketAddr, name: &str, kind: u16) -> anyhow::Result<Answer> {
    until("an answer of DNS", async || {
        once(server, name, kind).await.ok()
    })
    .await
}

async fn once(server: SocketAddr, name: &str, kind: u16) -> anyhow::Result<Answer> {
    const ID: [u8; 2] = [0x4d, 0x47];
    // A question, and recursion as resolvers of programs want it.
    let mut query = [ID, [1, 0], [0, 1], [0, 0], [0, 0], [0, 0]].concat();
    for label in name.split('.') {
        query.push(u8::try_from(label.len())?);
        query.extend(label.as_bytes());
    }
    query.push(0);
    query.extend(kind.to_be_bytes());
    query.extend([0, 1]);
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    socket.connect(server).await?;
    socket.send(&query).await?;
    let mut answer = [0; 4096];
    let length = timeout(Duration::from_secs(2), socket.recv(&mut answer)).await??;
    let answer = answer.get(..length).context("too long")?;
    ensure!(answer.starts_with(&ID), "the answer to another query");
    let number = |at: usize| -> anyhow::Result<u16> {
        let bytes = answer.get(at..at + 2).context("too short")?;
        Ok(u16::from_be_bytes(bytes.try_into()?))
    };
    // The question is said again as it was.
    ensure!(
        answer.get(12..query.len()) == query.get(12..),
        "another question"
    );
    let mut at = query.len();
    let mut addresses = Vec::new();
    for _ in 0..number(6)? {
        at = after_name(answer, at)?;
        ensure!(number(at)? == kind, "another type");
        let length = usize::from(number(at + 8)?);
        let data = answer.get(at + 10..at + 10 + length).context("too short")?;
        at += 10 + length;
        addresses.push(match length {
            4 => Ipv4Addr::from(<[u8; 4]>::try_from(data)?).into(),
            _ => Ipv6Addr::from(<[u8; 16]>::try_from(data)?).into(),
        });
    }
    addresses.sort();
    Ok(Answer {
        code: answer.get(3).context("too short")? & 15,
        addresses,
    })
}

fn after_name(answer: &[u8], mut at: usize) -> anyhow::Result<usize> {
    loop {
        match *answer.get(at).context("too short")? {
            0 => return Ok(at + 1),
            // A pointer to a name that was there before.
            length if length >= 0xc0 => return Ok(at + 2),
            length => at += 1 + usize::from(length),
        }
    }
}
