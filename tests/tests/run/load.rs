//! Steady load on connections that are kept, and what has become of it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use system_tests::client::{Connection, Session, get};
use system_tests::tls::Tls;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use crate::gateway::{HOST, Run};

/// Clients that send requests until they are told to stop.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Tally>>,
}

/// What the clients have seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) requests: u64,
    /// Connections that were opened, the first ones included.
    pub(crate) connections: u64,
    /// Every answer but 200, and every connection that ended in the middle of a request.
    pub(crate) failures: Vec<String>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Protocol {
    Http1,
    Http2,
    Http1Tls,
    Http2Tls,
}

pub(crate) const ALL: [Protocol; 4] = [
    Protocol::Http1,
    Protocol::Http2,
    Protocol::Http1Tls,
    Protocol::Http2Tls,
];

impl Load {
    /// One client for each of these protocols, each with so many requests a second.
    pub(crate) fn start(run: &Run, protocols: &[Protocol], rate: u32) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let client = |protocol: &Protocol| {
            let (stop, protocol) = (Arc::clone(&stop), *protocol);
            let address = match protocol {
                Protocol::Http1 | Protocol::Http2 => run.at(),
                Protocol::Http1Tls | Protocol::Http2Tls => run.tls(),
            };
            tokio::spawn(async move { client(address, protocol, rate, &stop).await })
        };
        Self {
            clients: protocols.iter().map(client).collect(),
            stop,
        }
    }

    pub(crate) async fn end(self) -> anyhow::Result<Tally> {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Tally::default();
        for client in self.clients {
            let tally = client.await?;
            all.requests += tally.requests;
            all.connections += tally.connections;
            all.failures.extend(tally.failures);
        }
        Ok(all)
    }
}

async fn client(address: SocketAddr, protocol: Protocol, rate: u32, stop: &AtomicBool) -> Tally {
    let mut tally = Tally::default();
    let mut session: Option<Session> = None;
    let mut beat = interval(Duration::from_secs(1) / rate);
    // After a slow answer the next requests come faster, so that it is so many a second all the same.
    beat.set_missed_tick_behavior(MissedTickBehavior::Burst);
    while !stop.load(Ordering::Relaxed) {
        beat.tick().await;
        // One that the server has closed between two requests is no failure: it has said so in its last answer.
        let open = match &mut session {
            Some(open) => open.is_open().await,
            None => false,
        };
        if !open {
            tally.connections += 1;
            match connect(address, protocol).await {
                Ok(new) => session = Some(new),
                Err(error) => {
                    tally
                        .failures
                        .push(format!("{protocol:?} connect: {error:#}"));
                    session = None;
                    continue;
                }
            }
        }
        let Some(open) = &mut session else { continue };
        tally.requests += 1;
        match open.send(get(HOST, "/")).await {
            Ok(response) if response.status == 200 => {}
            Ok(response) => {
                let failure = format!("{protocol:?}: {} {:?}", response.status, response.body);
                tally.failures.push(failure);
            }
            Err(error) => {
                tally.failures.push(format!("{protocol:?}: {error:#}"));
                session = None;
            }
        }
    }
    tally
}

async fn connect(address: SocketAddr, protocol: Protocol) -> anyhow::Result<Session> {
    match protocol {
        Protocol::Http1 => Connection::open(address).await?.keep_http1().await,
        Protocol::Http2 => Connection::open(address).await?.keep_http2("http").await,
        Protocol::Http1Tls => {
            Connection::open_tls(address, &Tls::sni(HOST))
                .await?
                .keep_http1()
                .await
        }
        Protocol::Http2Tls => {
            let tls = Tls::sni(HOST).h2();
            Connection::open_tls(address, &tls)
                .await?
                .keep_http2("https")
                .await
        }
    }
}
