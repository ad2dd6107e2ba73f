//! From the first screen to the exit code.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;

use rustix::process::Signal;
use std::net::Ipv4Addr;
use system_tests::checkout;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use walkdir::WalkDir;

use crate::gateway::{Resources, Run};

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: foo.example.com\r\n\r\n";

/// The request that is under way when the signal comes gets its answer, and only then Envoy ends.
#[tokio::test]
async fn open_requests_end_before_envoy_does() -> anyhow::Result<()> {
    let backend = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let mut run = Run::with_backend(backend.local_addr()?.port())?;
    run.ready().await?;
    let mut client = TcpStream::connect(run.at()).await?;
    client.write_all(REQUEST.as_bytes()).await?;
    let (mut upstream, _) = backend.accept().await?;
    let mut seen = vec![0; 4096];
    assert!(upstream.read(&mut seen).await? > 0);

    run.signal(Signal::TERM)?;
    run.until_it_says("draining").await?;
    assert!(run.child.try_wait()?.is_none());
    upstream
        .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nlate")
        .await?;
    let mut answer = String::new();
    let mut bytes = [0; 4096];
    while !answer.ends_with("late") {
        let size = client.read(&mut bytes).await?;
        assert!(size > 0, "closed after {answer:?}");
        answer += std::str::from_utf8(&bytes[..size])?;
    }
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert_eq!(run.end().await?.code(), Some(0));
    Ok(())
}

#[tokio::test]
async fn a_second_signal_ends_envoy_at_once() -> anyhow::Result<()> {
    let backend = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let mut run = Run::with_backend(backend.local_addr()?.port())?;
    run.ready().await?;
    let mut client = TcpStream::connect(run.at()).await?;
    client.write_all(REQUEST.as_bytes()).await?;
    let _upstream = backend.accept().await?;
    run.signal(Signal::INT)?;
    run.until_it_says("draining").await?;
    run.signal(Signal::INT)?;
    assert_eq!(run.end().await?.code(), Some(0));
    Ok(())
}

#[tokio::test]
async fn envoys_exit_code_is_its_own() -> anyhow::Result<()> {
    let mut run = Run::start(&Resources::new(1), &["--no-such-argument"])?;
    let status = run.end().await?;
    assert_eq!(status.code(), Some(1));
    assert_eq!(status.signal(), None);
    Ok(())
}

#[tokio::test]
async fn the_first_screen_says_what_is_served_and_how_to_try_it() -> anyhow::Result<()> {
    let mut run = Run::with_backend(1)?;
    run.ready().await?;
    run.signal(Signal::TERM)?;
    run.end().await?;
    let screen = run.said().replace(&run.address.to_string(), "ADDRESS");
    for line in [
        "meshgate: gateway edge-1 (mesh default)",
        "  http://ADDRESS:8080   foo.example.com",
        " -> backend ",
        "try: curl -H 'Host: foo.example.com' http://ADDRESS:8080/",
    ] {
        assert!(screen.contains(line), "{screen}");
    }
    // The configuration holds private keys.
    for entry in WalkDir::new(run.folder.path().join("work").join("run")) {
        let entry = entry?;
        if !entry.file_type().is_symlink() {
            let mode = entry.metadata()?.permissions().mode();
            assert_eq!(
                mode & 0o77,
                0,
                "{} has mode {mode:o}",
                entry.path().display()
            );
        }
    }
    Ok(())
}

/// Who has no certificate of a mesh is shown a port that needs none.
#[tokio::test]
async fn the_first_screen_tells_ports_for_meshes_apart() -> anyhow::Result<()> {
    let example = checkout().join("envoy-configs/cross-mesh/resources");
    let args = ["--dataplane", "web-1"];
    let mut run = Run::start_files(&args, &[], |address, folder| {
        for entry in fs::read_dir(example)? {
            let entry = entry?;
            let text = fs::read_to_string(entry.path())?;
            let text = text.replace("address: 127.0.0.1", &format!("address: {address}"));
            // Where outbounds are is said apart.
            let text = text.replace("port: 10001,", &format!("port: 10001, address: {address},"));
            fs::write(folder.join(entry.file_name()), text)?;
        }
        Ok(())
    })?;
    run.ready().await?;
    run.signal(Signal::TERM)?;
    run.end().await?;
    let screen = run.said().replace(&run.address.to_string(), "ADDRESS");
    for line in [
        "  https://ADDRESS:7001 ",
        "meshgate: sidecar web-1 (mesh mesh-1)",
        " inbound web, for proxies of meshes\n",
        " outbound api\n",
        "-> api (mesh mesh-2) ",
        "try: curl http://ADDRESS:10001/\n",
    ] {
        assert!(screen.contains(line), "{screen}");
    }
    assert!(!screen.contains("no backend"), "{screen}");
    Ok(())
}
