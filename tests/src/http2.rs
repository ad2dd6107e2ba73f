//! HTTP/2 with control over every header: what no client library lets anybody send (RFC 9113, RFC 7541).

use anyhow::ensure;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::PATIENCE;
use crate::client::Connection;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// What a server answers to one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Http2Answer {
    /// An answer, with its body as text.
    Whole(String),
    /// The beginning of an answer with the status 200, and nothing yet after it.
    Open,
    /// The end of the stream or of the connection.
    Reset,
}

impl Connection {
    /// Sends a request with these headers and no body, in this order, and reads what comes back. The stream stays
    /// open on this side for a `CONNECT`.
    pub async fn raw_http2(mut self, headers: &[(&str, &str)]) -> anyhow::Result<Http2Answer> {
        let is_connect = headers.contains(&(":method", "CONNECT"));
        let mut block = Vec::new();
        for (name, value) in headers {
            // A literal that goes into no table, with a new name (RFC 7541 §6.2.2).
            block.push(0);
            for text in [name, value] {
                let length = u8::try_from(text.len())?;
                ensure!(length < 127, "a length of more than one byte");
                block.push(length);
                block.extend(text.as_bytes());
            }
        }
        let flags = if is_connect {
            END_HEADERS
        } else {
            END_HEADERS | END_STREAM
        };
        let mut bytes = PREFACE.to_vec();
        bytes.extend(frame(SETTINGS, 0, 0, &[])?);
        bytes.extend(frame(HEADERS, flags, 1, &block)?);
        self.stream.write_all(&bytes).await?;
        timeout(PATIENCE, self.answer(is_connect)).await?
    }

    async fn answer(&mut self, is_connect: bool) -> anyhow::Result<Http2Answer> {
        let mut body = Vec::new();
        loop {
            let mut head = [0; 9];
            if self.stream.read_exact(&mut head).await.is_err() {
                return Ok(Http2Answer::Reset);
            }
            let [high, middle, low, kind, flags, id @ ..] = head;
            let length = u32::from_be_bytes([0, high, middle, low]);
            let mut content = vec![0; usize::try_from(length)?];
            self.stream.read_exact(&mut content).await?;
            let is_own = u32::from_be_bytes(id) == 1;
            match kind {
                GOAWAY => return Ok(Http2Answer::Reset),
                RST_STREAM if is_own => return Ok(Http2Answer::Reset),
                DATA if is_own => body.extend(content),
                // The status 200 has a number in the static table (RFC 7541, appendix A).
                HEADERS
                    if is_own
                        && is_connect
                        && content.contains(&0x88)
                        && flags & END_STREAM == 0 =>
                {
                    return Ok(Http2Answer::Open);
                }
                _ => {}
            }
            if is_own && matches!(kind, DATA | HEADERS) && flags & END_STREAM != 0 {
                return Ok(Http2Answer::Whole(
                    String::from_utf8_lossy(&body).into_owned(),
                ));
            }
        }
    }
}

fn frame(kind: u8, flags: u8, stream: u32, content: &[u8]) -> anyhow::Result<Vec<u8>> {
    let [_, length @ ..] = u32::try_from(content.len())?.to_be_bytes();
    let head = [&length[..], &[kind, flags], &stream.to_be_bytes()].concat();
    Ok([&head, content].concat())
}
