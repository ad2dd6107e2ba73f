//! A backend that writes down what reaches it, byte for byte, and answers what it is told to.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A backend for HTTP/1.1 requests without a body. It ends when this is dropped.
#[derive(Debug)]
pub struct Recorder {
    /// Where it listens.
    pub address: SocketAddr,
    seen: Seen,
    task: JoinHandle<()>,
}

type Seen = Arc<Mutex<Vec<String>>>;

impl Recorder {
    /// Answers each request with the next of these statuses, and all after that with the last one.
    pub async fn start(statuses: &'static [u16]) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let seen = Seen::default();
        let all = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // A client that goes away is no failure of a backend.
                let answers = answer(stream, Arc::clone(&all), statuses);
                tokio::spawn(async move { drop(answers.await) });
            }
        });
        Ok(Self {
            address,
            seen,
            task,
        })
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The requests since the last time, each with its line and its headers.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(mut stream: TcpStream, seen: Seen, statuses: &[u16]) -> anyhow::Result<()> {
    let mut bytes = Vec::new();
    loop {
        while let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head: Vec<u8> = bytes.drain(..end + 4).collect();
            let index = {
                let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                seen.push(String::from_utf8_lossy(&head).into_owned());
                seen.len() - 1
            };
            let status = statuses.get(index).or(statuses.last()).unwrap_or(&200);
            let answer = format!("HTTP/1.1 {status} said\r\ncontent-length: 0\r\n\r\n");
            stream.write_all(answer.as_bytes()).await?;
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(());
        }
    }
}
