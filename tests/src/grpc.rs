//! A real gRPC server and its client, of tonic: health checks, which are unary or a stream of answers, and reflection,
//! which is a stream both ways.

use std::net::SocketAddr;

use anyhow::Context;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper::{Request, Response, Uri};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::transport::{Channel, Endpoint};
use tonic::{Status, Streaming};
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tonic_health::server::{HealthReporter, health_reporter};
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::server::Builder;

use crate::PATIENCE;
use crate::echo::Backend;
use crate::outside::Tls;

pub use tonic::Code;
pub use tonic_health::ServingStatus;

/// A server on a free port of the loopback address. It ends when this is dropped.
#[derive(Debug)]
pub struct Server {
    backend: Backend,
    /// Says how its services are; the one without a name is well.
    pub health: HealthReporter,
}

impl Server {
    /// With TLS or without. As other servers do, it wants `h2` to have been negotiated.
    pub async fn start(tls: Option<&Tls<'_>>) -> anyhow::Result<Self> {
        let acceptor = tls.map(Tls::acceptor).transpose()?;
        let (reporter, health) = health_reporter();
        let reflection = Builder::configure()
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            .build_v1()?;
        let backend = Backend::serve(0, move |stream| {
            let (acceptor, health) = (acceptor.clone(), health.clone());
            let reflection = reflection.clone();
            let answer = move |request: Request<Incoming>| {
                let (mut health, mut reflection) = (health.clone(), reflection.clone());
                let request = request.map(Body::new);
                async move {
                    if request.uri().path().starts_with("/grpc.health.v1.Health/") {
                        health.call(request).await
                    } else {
                        reflection.call(request).await
                    }
                }
            };
            async move {
                match acceptor {
                    None => serve(stream, answer).await,
                    Some(acceptor) => {
                        // A client that is refused, or refuses, is no failure of a server.
                        let Ok(stream) = acceptor.accept(stream).await else {
                            return;
                        };
                        if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
                            serve(stream, answer).await;
                        }
                    }
                }
            }
        })
        .await?;
        Ok(Self {
            backend,
            health: reporter,
        })
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.backend.port()
    }
}

async fn serve<E, F>(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    answer: impl Fn(Request<Incoming>) -> F,
) where
    E: std::error::Error + Send + Sync + 'static,
    F: Future<Output = Result<Response<Body>, E>> + Send + 'static,
{
    let _ = http2::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(stream), service_fn(answer))
        .await;
}

/// A client with one connection.
#[derive(Clone, Debug)]
pub struct Client(Channel);

impl Client {
    /// Connects to an address and asks for `authority` there.
    pub async fn open(address: SocketAddr, authority: &str) -> anyhow::Result<Self> {
        let endpoint = Endpoint::from_shared(format!("http://{address}"))?
            .origin(format!("http://{authority}").parse::<Uri>()?)
            .connect_timeout(PATIENCE)
            .timeout(PATIENCE);
        let channel = endpoint.connect().await;
        Ok(Self(
            channel.with_context(|| format!("no connection to {address}"))?,
        ))
    }

    /// How a service is, as its number.
    pub async fn check(&self, service: &str) -> Result<i32, Status> {
        let answer = HealthClient::new(self.0.clone()).check(of(service)).await?;
        Ok(answer.into_inner().status)
    }

    /// How a service is, now and whenever that changes.
    pub async fn watch(&self, service: &str) -> Result<Streaming<HealthCheckResponse>, Status> {
        let answer = HealthClient::new(self.0.clone()).watch(of(service)).await?;
        Ok(answer.into_inner())
    }

    /// The names of the services.
    pub async fn services(&self) -> Result<Vec<String>, Status> {
        let question = ServerReflectionRequest {
            host: String::new(),
            message_request: Some(MessageRequest::ListServices(String::new())),
        };
        let mut client = ServerReflectionClient::new(self.0.clone());
        let answers = client
            .server_reflection_info(tokio_stream::once(question))
            .await?;
        let answer = answers.into_inner().message().await?;
        match answer.and_then(|answer| answer.message_response) {
            Some(MessageResponse::ListServicesResponse(list)) => {
                Ok(list.service.into_iter().map(|s| s.name).collect())
            }
            other => Err(Status::unknown(format!("{other:?} is no list"))),
        }
    }
}

fn of(service: &str) -> HealthCheckRequest {
    HealthCheckRequest {
        service: service.to_owned(),
    }
}
