//! Access log lines that Envoy cannot send itself.

use std::net::{Ipv4Addr, SocketAddr};

use rustix::process::Signal;
use system_tests::client::{Connection, get};
use system_tests::echo::Backend;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use crate::gateway::{HOST, Resources, Run};

/// The path of each request, to a TCP server.
pub(crate) fn lines_to(server: SocketAddr) -> String {
    format!(
        "---
type: MeshAccessLog
mesh: default
name: lines
spec:
  targetRef: {{kind: MeshGateway, name: edge-gateway}}
  to:
    - targetRef: {{kind: Mesh}}
      default:
        backends:
          - type: Tcp
            tcp:
              address: {server}
              format: {{type: Plain, plain: '%REQ(:PATH)%'}}
"
    )
}

async fn request(run: &Run, path: &str) -> anyhow::Result<()> {
    let connection = Connection::open(run.at()).await?;
    let response = connection.http1(get(HOST, path)).await?;
    assert_eq!(response.status, 200);
    Ok(())
}

/// What `server` gets from a gateway that ends now.
async fn last_lines(run: &mut Run, server: TcpListener) -> anyhow::Result<String> {
    run.signal(Signal::TERM)?;
    let (mut stream, _) = server.accept().await?;
    let mut lines = String::new();
    stream.read_to_string(&mut lines).await?;
    assert_eq!(run.end().await?.code(), Some(0));
    Ok(lines)
}

/// Also the last one, which Envoy writes when it ends; and those after a restart, which finds the pipe of before.
#[tokio::test]
async fn access_log_lines_come_to_a_tcp_server() -> anyhow::Result<()> {
    let backend = Backend::http("backend").await?;
    let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let mut resources = Resources::new(backend.port());
    resources.more = lines_to(server.local_addr()?);
    let mut run = Run::start(&resources, &[])?;
    run.ready().await?;
    request(&run, "/first").await?;
    request(&run, "/last").await?;
    assert_eq!(last_lines(&mut run, server).await?, "/first\n/last\n");

    let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    resources.more = lines_to(server.local_addr()?);
    run.write(&resources.yaml(run.address))?;
    run.start_again()?;
    run.ready().await?;
    request(&run, "/again").await?;
    assert_eq!(last_lines(&mut run, server).await?, "/again\n");
    Ok(())
}

#[tokio::test]
async fn the_first_tcp_server_may_come_with_a_change() -> anyhow::Result<()> {
    let backend = Backend::http("backend").await?;
    let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let mut resources = Resources::new(backend.port());
    let mut run = Run::start(&resources, &[])?;
    run.ready().await?;
    request(&run, "/before").await?;
    resources.more = lines_to(server.local_addr()?);
    run.change(&resources).await?;
    request(&run, "/after").await?;
    assert_eq!(last_lines(&mut run, server).await?, "/after\n");
    Ok(())
}

/// A restart with resources that cannot be used serves the last good ones, with their lines.
#[tokio::test]
async fn lines_of_the_last_good_configuration_are_sent() -> anyhow::Result<()> {
    let backend = Backend::http("backend").await?;
    let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let mut resources = Resources::new(backend.port());
    resources.more = lines_to(server.local_addr()?);
    let mut run = Run::start(&resources, &[])?;
    run.ready().await?;
    run.signal(Signal::TERM)?;
    run.end().await?;
    run.write("no resources")?;
    run.start_again()?;
    run.ready().await?;
    request(&run, "/kept").await?;
    assert_eq!(last_lines(&mut run, server).await?, "/kept\n");
    Ok(())
}
