//! Backends that answer with what reached them.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Context;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONNECTION, CONTENT_TYPE, UPGRADE};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A backend on a free port of the loopback address. It ends when this is dropped.
#[derive(Debug)]
pub struct Backend {
    /// Where it listens.
    pub address: SocketAddr,
    task: JoinHandle<()>,
}

/// What reached a backend: the JSON that it answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Echo {
    /// The backend's name.
    pub backend: String,
    /// The method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// The `Host` header or `:authority`.
    pub host: String,
    /// All headers but `host`; the values of one name are joined with `, `.
    pub headers: BTreeMap<String, String>,
}

impl Backend {
    /// Answers HTTP/1.1 and HTTP/2 (with prior knowledge) with an [`Echo`], and takes upgrades, after which it sends
    /// back what it gets.
    pub async fn http(name: &str) -> anyhow::Result<Self> {
        Self::http_on(name, 0).await
    }

    /// The same on a port that is not free to choose.
    pub async fn http_on(name: &str, port: u16) -> anyhow::Result<Self> {
        let name = name.to_owned();
        Self::serve(port, move |stream| {
            let name = name.clone();
            async move {
                let service = service_fn(move |request| answer(name.clone(), request));
                // A client that goes away is no failure of a backend.
                let _ = auto::Builder::new(TokioExecutor::new())
                    .serve_connection_with_upgrades(TokioIo::new(stream), service)
                    .await;
            }
        })
        .await
    }

    /// Sends back what it gets, byte for byte.
    pub async fn tcp() -> anyhow::Result<Self> {
        Self::serve(0, send_back).await
    }

    /// Hands each connection on a port, or on a free one for 0, to `connection`.
    pub(crate) async fn serve<F>(
        port: u16,
        connection: impl Fn(TcpStream) -> F + Send + 'static,
    ) -> anyhow::Result<Self>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
            .await
            .with_context(|| format!("a backend cannot listen on port {port}"))?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(connection(stream));
            }
        });
        Ok(Self { address, task })
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(crate) async fn send_back(stream: impl AsyncRead + AsyncWrite) {
    let (mut read, mut write) = tokio::io::split(stream);
    // Ends with the connection, however that ends.
    let _ = tokio::io::copy(&mut read, &mut write).await;
}

pub(crate) async fn answer(
    name: String,
    mut request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    if let Some(protocol) = request.headers().get(UPGRADE).cloned() {
        let upgrade = hyper::upgrade::on(&mut request);
        tokio::spawn(async move {
            if let Ok(stream) = upgrade.await {
                send_back(TokioIo::new(stream)).await;
            }
        });
        let mut response = Response::new(Full::default());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        response.headers_mut().insert(UPGRADE, protocol);
        response.headers_mut().insert(
            CONNECTION,
            UPGRADE.as_str().parse().expect("a header value"),
        );
        return Ok(response);
    }
    let echo = Echo::of(name, &request);
    // The client waits for the answer to all that it has sent.
    let _ = request.into_body().collect().await;
    let body = serde_json::to_vec(&echo).expect("an echo is JSON");
    let mut response = Response::new(Full::from(body));
    response.headers_mut().insert(
        CONTENT_TYPE,
        "application/json".parse().expect("a header value"),
    );
    Ok(response)
}

impl Echo {
    fn of<B>(backend: String, request: &Request<B>) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut headers = BTreeMap::<_, String>::new();
        for (name, value) in request.headers() {
            let value = text(value.as_bytes());
            headers
                .entry(name.to_string())
                .and_modify(|values| *values = format!("{values}, {value}"))
                .or_insert(value);
        }
        let host = headers.remove("host");
        let authority = request.uri().authority().map(ToString::to_string);
        Self {
            backend,
            method: request.method().to_string(),
            path: request
                .uri()
                .path_and_query()
                .map_or_else(String::new, ToString::to_string),
            host: authority.or(host).unwrap_or_default(),
            headers,
        }
    }
}
