//! Envoy's CPU time for a request, variant by variant.

use std::time::Duration;

use anyhow::Context;
use system_tests::envoy::Envoy;

use crate::cpu;
use crate::load::{Client, Protocol};
use crate::variants::Variant;

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    /// How often each variant is looked at.
    pub(crate) rounds: u32,
    /// The requests of each look.
    pub(crate) requests: u32,
}

/// What a request costs Envoy with a variant.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    /// The least of all rounds: what others do on the machine only ever adds to it.
    pub(crate) least: Duration,
    /// The one in the middle.
    pub(crate) median: Duration,
}

/// The cost of each variant, in their order. They take turns, so that a busy minute of the machine hits all of them.
pub(crate) async fn costs(
    envoy: &Envoy,
    variants: &[Variant],
    protocol: Protocol,
    effort: Effort,
) -> anyhow::Result<Vec<Cost>> {
    cpu::share_with(envoy.id()?)?;
    let addresses = envoy.listeners().await?;
    let mut clients = Vec::new();
    for (place, variant) in variants.iter().enumerate() {
        let address = *addresses.get(&place.to_string()).context("no listener")?;
        let mut client = Client::open(protocol, address, &variant.host, variant.status).await?;
        client
            .send(effort.requests / 10)
            .await
            .with_context(|| variant.name.clone())?;
        clients.push(client);
    }
    let mut samples = vec![Vec::new(); variants.len()];
    for _ in 0..effort.rounds {
        for (client, samples) in clients.iter_mut().zip(&mut samples) {
            let before = cpu::time(envoy.id()?)?;
            client.send(effort.requests).await?;
            samples.push(cpu::time(envoy.id()?)?.saturating_sub(before) / effort.requests);
        }
    }
    let cost = |mut samples: Vec<Duration>| {
        samples.sort();
        Some(Cost {
            least: *samples.first()?,
            median: *samples.get(samples.len() / 2)?,
        })
    };
    let costs = samples
        .into_iter()
        .map(|samples| cost(samples).context("no round"));
    costs.collect()
}
