//! A meshgate that is stopped, by Ctrl-Z or by a debugger, reads nothing any more.

use rustix::process::Signal;
use system_tests::client::{Connection, get, request};
use system_tests::echo::Backend;
use system_tests::{envoy, on_each_envoy};
use tokio::net::TcpListener;

use crate::gateway::{HOST, Resources, Run};
use crate::logs::lines_to;

on_each_envoy! { a_meshgate_that_is_stopped_holds_up_no_request }

/// More than a pipe holds, of each kind of line.
const REQUESTS: usize = 1000;

async fn a_meshgate_that_is_stopped_holds_up_no_request(version: &str) -> anyhow::Result<()> {
    let backend = Backend::http("one").await?;
    let server = TcpListener::bind("127.0.0.1:0").await?;
    let mut resources = Resources::new(backend.port());
    resources.more = lines_to(server.local_addr()?);
    let binary = envoy::binary(version)?.display().to_string();
    let run = Run::start_with(&resources, &["--envoy", &binary], &[])?;
    run.ready().await?;
    run.signal(Signal::STOP)?;
    let admin = (run.address, 9901).into();
    for level in ["debug", "warning"] {
        let path = format!("/logging?level={level}");
        let connection = Connection::open(admin).await?;
        let answer = connection.http1(request("POST", "admin", &path)).await?;
        assert_eq!(answer.status, 200, "{answer:?}");
        if level == "debug" {
            let mut kept = Connection::open(run.at()).await?.keep_http1().await?;
            for number in 0..REQUESTS {
                // Each line of the access log is as long.
                let path = format!("/{number}/{}", "x".repeat(200));
                let answer = kept.send(get(HOST, &path)).await?;
                assert_eq!(answer.status, 200, "{number}");
            }
        }
    }
    run.signal(Signal::CONT)?;
    let (lines, _) = server.accept().await?;
    drop(lines);
    run.until_it_says(&format!("/{}/xxx", REQUESTS - 1)).await?;
    resources.generation = 1;
    run.change(&resources).await?;
    assert_eq!(run.get(HOST).await?.headers["x-generation"], "1");
    Ok(())
}
