//! Clients that send the same request over one connection, again and again.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::task::JoinSet;

/// What a client speaks.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Protocol {
    /// HTTP/1.1, one request after the other.
    Http1,
    /// HTTP/2 without TLS, some requests at a time.
    Http2,
}

/// How many requests are under way at a time over HTTP/2.
const AT_ONCE: u32 = 10;

/// A connection and the request that is sent over it.
pub(crate) enum Client {
    Http1 {
        stream: TcpStream,
        request: Vec<u8>,
        status: u16,
    },
    Http2 {
        sender: http2::SendRequest<Empty<Bytes>>,
        uri: String,
        status: u16,
    },
}

impl Client {
    /// Connects, and expects `status` as the answer to each request for `host`.
    pub(crate) async fn open(
        protocol: Protocol,
        address: SocketAddr,
        host: &str,
        status: u16,
    ) -> anyhow::Result<Self> {
        Ok(match protocol {
            Protocol::Http1 => {
                let stream = TcpStream::connect(address)?;
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(Duration::from_secs(10)))?;
                Self::Http1 {
                    stream,
                    request: format!("GET / HTTP/1.1\r\nhost: {host}\r\n\r\n").into_bytes(),
                    status,
                }
            }
            Protocol::Http2 => {
                let stream = tokio::net::TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                let (sender, connection) =
                    http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
                tokio::spawn(connection);
                Self::Http2 {
                    sender,
                    uri: format!("http://{host}/"),
                    status,
                }
            }
        })
    }

    /// Sends `count` requests and reads their answers.
    pub(crate) async fn send(&mut self, count: u32) -> anyhow::Result<()> {
        match self {
            Self::Http1 {
                stream,
                request,
                status,
            } => {
                for _ in 0..count {
                    stream.write_all(request)?;
                    let got = answer(stream)?;
                    ensure!(got == *status, "the status is {got}, not {status}");
                }
            }
            Self::Http2 {
                sender,
                uri,
                status,
            } => {
                for _ in 0..count / AT_ONCE {
                    let mut answers = JoinSet::new();
                    for _ in 0..AT_ONCE {
                        sender.ready().await?;
                        let request = hyper::Request::get(uri.as_str()).body(Empty::new())?;
                        answers.spawn(whole(sender.send_request(request)));
                    }
                    while let Some(got) = answers.join_next().await {
                        let got = got??;
                        ensure!(got == *status, "the status is {got}, not {status}");
                    }
                }
            }
        }
        Ok(())
    }
}

/// Reads one whole answer over HTTP/2, and gives its status.
async fn whole(
    answer: impl Future<Output = hyper::Result<hyper::Response<Incoming>>>,
) -> hyper::Result<u16> {
    let answer = answer.await?;
    let status = answer.status().as_u16();
    answer.into_body().collect().await?;
    Ok(status)
}

/// Reads one whole answer, which has a `content-length` and fits into the buffer, and gives its status.
fn answer(stream: &mut TcpStream) -> anyhow::Result<u16> {
    let mut buffer = [0; 4096];
    let mut filled = 0;
    loop {
        let read = stream.read(buffer.get_mut(filled..).unwrap_or_default())?;
        ensure!(read > 0, "the connection was closed");
        filled += read;
        let text = std::str::from_utf8(buffer.get(..filled).unwrap_or_default())?;
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            ensure!(filled < buffer.len(), "an answer with a long head");
            continue;
        };
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.get(9..12));
        let length = lines
            .find_map(|line| line.strip_prefix("content-length: "))
            .context("no content-length")?;
        let length: usize = length.parse()?;
        if body.len() > length {
            bail!("more than one answer");
        }
        if body.len() == length {
            return Ok(status.context("no status")?.parse()?);
        }
    }
}
