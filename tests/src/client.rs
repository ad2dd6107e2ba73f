//! Clients with control over what is sent: any authority, any byte.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::{http1, http2};
use hyper::header::{CONTENT_LENGTH, HOST, HeaderMap, HeaderName, TRANSFER_ENCODING};
use hyper::{Request, Uri};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::PATIENCE;
use crate::echo::Echo;
use crate::tls::{HelloVersion, Tls, client_hello};

/// A connection on which nothing has been sent yet but a TLS handshake.
pub struct Connection {
    pub(crate) stream: Box<dyn Stream>,
    /// The server's certificate, as DER.
    pub certificate: Option<Vec<u8>>,
    /// The protocol that ALPN chose.
    pub alpn: Option<String>,
}

pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A connection that is kept for many requests.
#[derive(Debug)]
pub struct Session(Sender);

#[derive(Debug)]
enum Sender {
    Http1(http1::SendRequest<Empty<Bytes>>),
    Http2(http2::SendRequest<Empty<Bytes>>, &'static str),
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as text.
    pub body: String,
}

/// What a server did with a `ClientHello`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HelloAnswer {
    /// It went on with the handshake.
    ServerHello,
    /// It refused, with this alert (RFC 8446 §6).
    Alert(u8),
    /// It closed the connection without a word.
    Closed,
}

/// A request without body for any host.
///
/// # Panics
/// If a byte of the host may be in no header: such requests are for [`Connection::raw`].
pub fn request(method: &str, host: &str, path: &str) -> Request<Empty<Bytes>> {
    Request::builder()
        .method(method)
        .uri(path)
        .header(HOST, host)
        .body(Empty::new())
        .expect("a method, a path and a header value")
}

/// A `GET`; see [`request`].
pub fn get(host: &str, path: &str) -> Request<Empty<Bytes>> {
    request("GET", host, path)
}

impl Connection {
    /// A plain connection.
    pub async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = timeout(PATIENCE, TcpStream::connect(address)).await??;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream: Box::new(stream),
            certificate: None,
            alpn: None,
        })
    }

    /// A connection with TLS.
    pub async fn open_tls(address: SocketAddr, tls: &Tls) -> anyhow::Result<Self> {
        let stream = timeout(PATIENCE, TcpStream::connect(address)).await??;
        stream.set_nodelay(true)?;
        let connector = TlsConnector::from(Arc::new(tls.config()?));
        let handshake = connector.connect(tls.server_name()?, stream);
        let stream = timeout(PATIENCE, handshake).await??;
        let session = stream.get_ref().1;
        let certificate = session.peer_certificates().and_then(<[_]>::first);
        Ok(Self {
            certificate: certificate.map(|der| der.to_vec()),
            alpn: session
                .alpn_protocol()
                .map(|name| String::from_utf8_lossy(name).into_owned()),
            stream: Box::new(stream),
        })
    }

    /// Sends a request in HTTP/1.1 and ends the connection.
    pub async fn http1(self, request: Request<Empty<Bytes>>) -> anyhow::Result<Response> {
        let mut responses = self.http1_all(vec![request]).await?;
        responses.pop().context("no answer")
    }

    /// Sends requests in HTTP/1.1, one after the other, over this one connection.
    pub async fn http1_all(
        self,
        requests: Vec<Request<Empty<Bytes>>>,
    ) -> anyhow::Result<Vec<Response>> {
        let (mut sender, connection) = http1::handshake(TokioIo::new(self.stream)).await?;
        let task = tokio::spawn(connection);
        let mut responses = Vec::new();
        for request in requests {
            let exchange = async {
                sender.ready().await?;
                Response::read(sender.send_request(request).await?).await
            };
            responses.push(timeout(PATIENCE, exchange).await??);
        }
        task.abort();
        Ok(responses)
    }

    /// Sends requests in HTTP/2 over this one connection, each with `Host` as its `:authority`.
    pub async fn http2(
        self,
        scheme: &str,
        requests: Vec<Request<Empty<Bytes>>>,
    ) -> anyhow::Result<Vec<Response>> {
        let (mut sender, connection) =
            http2::handshake(TokioExecutor::new(), TokioIo::new(self.stream)).await?;
        let task = tokio::spawn(connection);
        let mut responses = Vec::new();
        for request in requests {
            let request = with_authority(request, scheme)?;
            let exchange = async { Response::read(sender.send_request(request).await?).await };
            responses.push(timeout(PATIENCE, exchange).await??);
        }
        task.abort();
        Ok(responses)
    }

    /// Keeps the connection for requests in HTTP/1.1.
    pub async fn keep_http1(self) -> anyhow::Result<Session> {
        let (sender, connection) = http1::handshake(TokioIo::new(self.stream)).await?;
        tokio::spawn(connection);
        Ok(Session(Sender::Http1(sender)))
    }

    /// Keeps the connection for requests in HTTP/2.
    pub async fn keep_http2(self, scheme: &'static str) -> anyhow::Result<Session> {
        let io = TokioIo::new(self.stream);
        let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await?;
        tokio::spawn(connection);
        Ok(Session(Sender::Http2(sender, scheme)))
    }

    /// Sends bytes as they are, and gives all that comes back until the server closes the connection; the end of a
    /// connection by a reset counts as its end.
    pub async fn raw(&mut self, bytes: &[u8]) -> anyhow::Result<Vec<u8>> {
        self.stream.write_all(bytes).await?;
        let mut answer = Vec::new();
        // What came before a reset is kept in `answer`.
        let _ = timeout(PATIENCE, self.stream.read_to_end(&mut answer)).await?;
        Ok(answer)
    }

    /// Sends `bytes`, an HTTP/1.1 request whatever it looks like, and reads the answer.
    pub async fn raw_http1(&mut self, bytes: impl AsRef<[u8]>) -> anyhow::Result<Response> {
        self.stream.write_all(bytes.as_ref()).await?;
        let mut answer = Vec::new();
        let read = async {
            loop {
                if let Some(response) = Response::parse(&answer)? {
                    return Ok(response);
                }
                // Not until the end of the connection: Envoy keeps it open for a while, for the client to close it.
                let length = self.stream.read_buf(&mut answer).await?;
                let sofar = || String::from_utf8_lossy(&answer);
                ensure!(length > 0, "closed after {:?}", sofar());
            }
        };
        timeout(PATIENCE, read).await?
    }

    /// Sends `bytes` and reads until `end` has come; on what follows more may be sent.
    pub async fn exchange(&mut self, bytes: &[u8], end: &[u8]) -> anyhow::Result<Vec<u8>> {
        self.stream.write_all(bytes).await?;
        let mut answer = Vec::new();
        let read = async {
            while !answer.ends_with(end) {
                let byte = self.stream.read_u8().await;
                answer.push(byte.with_context(|| {
                    format!("closed after {:?}", String::from_utf8_lossy(&answer))
                })?);
            }
            Ok(answer)
        };
        timeout(PATIENCE, read).await?
    }
}

impl Session {
    /// Whether it can be used for another request.
    pub async fn is_open(&mut self) -> bool {
        match &mut self.0 {
            Sender::Http1(sender) => sender.ready().await.is_ok(),
            Sender::Http2(sender, _) => sender.ready().await.is_ok(),
        }
    }

    /// Sends a request, and reads its answer.
    pub async fn send(&mut self, request: Request<Empty<Bytes>>) -> anyhow::Result<Response> {
        let exchange = async {
            let answer = match &mut self.0 {
                Sender::Http1(sender) => {
                    // After an answer it takes a moment until there can be another request.
                    sender.ready().await?;
                    sender.send_request(request).await?
                }
                Sender::Http2(sender, scheme) => {
                    let request = with_authority(request, scheme)?;
                    sender.send_request(request).await?
                }
            };
            Response::read(answer).await
        };
        timeout(PATIENCE, exchange).await?
    }
}

/// The request with its `Host` as `:authority`.
fn with_authority(
    mut request: Request<Empty<Bytes>>,
    scheme: &str,
) -> anyhow::Result<Request<Empty<Bytes>>> {
    let host = request.headers_mut().remove(HOST).context("no host")?;
    let path = request.uri().path_and_query().context("no path")?.clone();
    *request.uri_mut() = Uri::builder()
        .scheme(scheme)
        .authority(host.as_bytes())
        .path_and_query(path)
        .build()?;
    Ok(request)
}

/// What a server says to a `ClientHello` of a version.
pub async fn hello(
    address: SocketAddr,
    version: HelloVersion,
    sni: &str,
) -> anyhow::Result<HelloAnswer> {
    let mut stream = timeout(PATIENCE, TcpStream::connect(address)).await??;
    stream.write_all(&client_hello(version, sni)).await?;
    let mut record = [0; 7];
    match timeout(PATIENCE, stream.read_exact(&mut record)).await? {
        Err(_) => Ok(HelloAnswer::Closed),
        Ok(_) => match record {
            [22, ..] => Ok(HelloAnswer::ServerHello),
            [21, _, _, 0, 2, _, alert] => Ok(HelloAnswer::Alert(alert)),
            _ => bail!("the server answers {record:?}"),
        },
    }
}

impl Response {
    async fn read(response: hyper::Response<Incoming>) -> anyhow::Result<Self> {
        let (head, body) = response.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok(Self {
            status: head.status.as_u16(),
            headers: head.headers,
            body: String::from_utf8_lossy(&body).into_owned(),
        })
    }

    /// Reads an answer, if all of it is there.
    fn parse(bytes: &[u8]) -> anyhow::Result<Option<Self>> {
        let text = String::from_utf8_lossy(bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            return Ok(None);
        };
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1));
        let status = status.context("no status line")?.parse()?;
        let mut headers = HeaderMap::new();
        for line in lines {
            let (name, value) = line.split_once(':').context("no header")?;
            headers.append(
                HeaderName::from_bytes(name.as_bytes())?,
                value.trim_start().parse()?,
            );
        }
        let body = if headers.contains_key(TRANSFER_ENCODING) {
            let Some(chunks) = body.strip_suffix("0\r\n\r\n") else {
                return Ok(None);
            };
            // Length and text take turns, each on a line, as no echo has a line break in it.
            chunks.split("\r\n").skip(1).step_by(2).collect()
        } else {
            let length = headers.get(CONTENT_LENGTH).context("no length")?;
            if body.len() < length.to_str()?.parse()? {
                return Ok(None);
            }
            body.to_owned()
        };
        Ok(Some(Self {
            status,
            headers,
            body,
        }))
    }

    /// A header as text, empty if there is none.
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.and_then(|v| v.to_str().ok()).unwrap_or_default()
    }

    /// What the backend got.
    pub fn echo(&self) -> anyhow::Result<Echo> {
        serde_json::from_str(&self.body)
            .with_context(|| format!("{} {:?} is no echo", self.status, self.body))
    }
}
