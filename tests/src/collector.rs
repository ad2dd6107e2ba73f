//! A collector of OpenTelemetry logs: `opentelemetry.proto.collector.logs.v1.LogsService` over gRPC.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::ready;
use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Context;
use envoy_types::pb::opentelemetry::proto::common::v1::{AnyValue, KeyValue, any_value::Value};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Bytes, Incoming};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

use crate::PATIENCE;

/// A collector on a free port of the loopback address. It ends when this is dropped.
#[derive(Debug)]
pub struct Collector {
    /// Where it listens.
    pub address: SocketAddr,
    records: UnboundedReceiver<Record>,
    task: JoinHandle<()>,
}

/// A record, with its values as texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// What comes with all records of a sender.
    pub resource: BTreeMap<String, String>,
    /// What comes with the record.
    pub attributes: BTreeMap<String, String>,
    /// The record.
    pub body: String,
}

impl Collector {
    /// Takes records from now on.
    pub async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (sender, records) = unbounded_channel();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let sender = sender.clone();
                tokio::spawn(async move {
                    let service = service_fn(move |request| export(request, sender.clone()));
                    // A sender that goes away is no failure of a collector.
                    let _ = http2::Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Ok(Self {
            address,
            records,
            task,
        })
    }

    /// The next record.
    pub async fn record(&mut self) -> anyhow::Result<Record> {
        let record = tokio::time::timeout(PATIENCE, self.records.recv()).await;
        record
            .context("no record came")?
            .context("the collector has ended")
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn export(
    request: Request<Incoming>,
    records: UnboundedSender<Record>,
) -> anyhow::Result<Response<impl Body<Data = Bytes, Error = Infallible>>> {
    let bytes = request.into_body().collect().await?.to_bytes();
    // One message: a byte that says whether it is compressed, and its length.
    let message = bytes.get(5..).context("no message")?;
    for logs in ExportRequest::decode(message)?.resource_logs {
        let resource = texts(logs.resource.unwrap_or_default().attributes);
        let scopes = logs.scope_logs.into_iter();
        for record in scopes.flat_map(|scope| scope.log_records) {
            // Nobody waits any more if this fails.
            let _ = records.send(Record {
                resource: resource.clone(),
                attributes: texts(record.attributes),
                body: record.body.map_or_else(String::new, text),
            });
        }
    }
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", "0".parse()?);
    let empty = Full::new(Bytes::from_static(&[0; 5]));
    Ok(Response::builder()
        .header("content-type", "application/grpc")
        .body(empty.with_trailers(ready(Some(Ok(trailers)))))?)
}

fn texts(pairs: Vec<KeyValue>) -> BTreeMap<String, String> {
    let pair = |pair: KeyValue| (pair.key, pair.value.map_or_else(String::new, text));
    pairs.into_iter().map(pair).collect()
}

fn text(value: AnyValue) -> String {
    match value.value {
        Some(Value::StringValue(text)) => text,
        Some(Value::KvlistValue(list)) => {
            let pairs = texts(list.values).into_iter();
            let pairs: Vec<_> = pairs
                .map(|(key, value)| format!("{key}: {value}"))
                .collect();
            format!("{{{}}}", pairs.join(", "))
        }
        other => format!("{other:?}"),
    }
}

// The messages of `opentelemetry/proto/collector/logs/v1/logs_service.proto` and what they hold, as far as it is
// looked at here.

#[derive(Message)]
struct ExportRequest {
    #[prost(message, repeated, tag = "1")]
    resource_logs: Vec<ResourceLogs>,
}

#[derive(Message)]
struct ResourceLogs {
    #[prost(message, optional, tag = "1")]
    resource: Option<Resource>,
    #[prost(message, repeated, tag = "2")]
    scope_logs: Vec<ScopeLogs>,
}

#[derive(Message)]
struct Resource {
    #[prost(message, repeated, tag = "1")]
    attributes: Vec<KeyValue>,
}

#[derive(Message)]
struct ScopeLogs {
    #[prost(message, repeated, tag = "2")]
    log_records: Vec<LogRecord>,
}

#[derive(Message)]
struct LogRecord {
    #[prost(message, optional, tag = "5")]
    body: Option<AnyValue>,
    #[prost(message, repeated, tag = "6")]
    attributes: Vec<KeyValue>,
}
