//! A backend for calls of gRPC.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http_body_util::Empty;
use hyper::Response;
use hyper::body::Bytes;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A backend that answers each call with the same status and counts them. It ends when this is dropped.
#[derive(Debug)]
pub struct Calls {
    /// Where it listens.
    pub address: SocketAddr,
    count: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Calls {
    /// Answers with this `grpc-status`; never if it is empty.
    pub async fn start(status: &'static str) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let count = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&count);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let count = Arc::clone(&counted);
                tokio::spawn(async move {
                    let service = service_fn(move |_| {
                        count.fetch_add(1, Ordering::Relaxed);
                        answer(status)
                    });
                    // A client that goes away is no failure of a backend.
                    let _ = http2::Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Ok(Self {
            address,
            count,
            task,
        })
    }

    /// How many calls have come since the last time.
    pub fn take(&self) -> usize {
        self.count.swap(0, Ordering::Relaxed)
    }
}

impl Drop for Calls {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(status: &str) -> Result<Response<Empty<Bytes>>, Infallible> {
    if status.is_empty() {
        return std::future::pending().await;
    }
    let mut response = Response::new(Empty::new());
    let headers = response.headers_mut();
    for (name, value) in [
        ("content-type", "application/grpc"),
        ("grpc-status", status),
    ] {
        if let Ok(value) = value.parse() {
            headers.insert(name, value);
        }
    }
    Ok(response)
}
