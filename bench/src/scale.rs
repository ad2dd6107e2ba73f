//! What many hostnames cost when a VM is configured: memory and time.

use std::time::{Duration, Instant};

use policy::Tags;
use serde::{Deserialize, Serialize};
use system_tests::envoy::{Envoy, NEWEST};
use system_tests::wasm_host::Host;

use crate::time::milliseconds;
use crate::variants::{Filter, Hosts, SIZES, Variant, config};
use crate::{bootstrap, cpu};

/// What a number of hostnames costs.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Scale {
    pub(crate) hostnames: usize,
    /// The linear memory of a VM, of which each worker has one, in bytes.
    pub(crate) memory: usize,
    /// Envoy's whole memory with one worker, in bytes.
    pub(crate) envoy_memory: u64,
    /// The CPU time of Envoy's start, with the bootstrap's own reading and all VMs of one worker in it.
    #[serde(with = "milliseconds")]
    pub(crate) start: Duration,
    /// The same with a module that does not look at its configuration.
    #[serde(with = "milliseconds")]
    pub(crate) start_unread: Duration,
}

impl Scale {
    /// What configuring one VM costs: Envoy has one for the main thread and one for the worker.
    pub(crate) fn configure(&self) -> Duration {
        self.start.saturating_sub(self.start_unread) / 2
    }
}

/// The costs of each number of hostnames; `nothing` is the module that reads no configuration.
pub(crate) async fn scales(nothing: &std::path::Path) -> anyhow::Result<Vec<Scale>> {
    let tags: Tags = [("kuma.io/service", "edge")].into_iter().collect();
    let mut scales = Vec::new();
    for hostnames in SIZES {
        let json = config(hostnames, Hosts::Exact, &tags);
        let mut vm = Host::load("gateway");
        vm.configure(&json).map_err(anyhow::Error::msg)?;
        let with = |module: &std::path::Path| Variant {
            name: String::new(),
            filters: vec![Filter::Wasm {
                module: module.to_owned(),
                config: json.clone(),
            }],
            virtual_hosts: 0,
            log: None,
            host: String::new(),
            status: 200,
        };
        let own = with(&system_tests::wasm_host::path("gateway"));
        let (start, envoy_memory) = started(own).await?;
        let (start_unread, _) = started(with(nothing)).await?;
        scales.push(Scale {
            hostnames,
            memory: vm.memory_size(),
            envoy_memory,
            start,
            start_unread,
        });
    }
    Ok(scales)
}

/// CPU time and memory of an Envoy that is ready.
async fn started(variant: Variant) -> anyhow::Result<(Duration, u64)> {
    let envoy = Envoy::start(NEWEST, bootstrap::bootstrap(&[variant])).await?;
    Ok((cpu::time(envoy.id()?)?, cpu::memory(envoy.id()?)?))
}

/// The linear memory of a VM before and after this many requests, half of them refused, and the time that they took.
pub(crate) fn endurance(requests: u32) -> anyhow::Result<(usize, usize, Duration)> {
    let tags = Tags::default();
    let mut vm = Host::load("gateway");
    let root = vm
        .configure(&config(100, Hosts::Exact, &tags))
        .map_err(anyhow::Error::msg)?;
    let send = |vm: &mut Host, count| {
        for _ in 0..count / 2 {
            vm.get(root, "host-7.example.com");
            vm.get(root, "nobody.example.org");
        }
    };
    send(&mut vm, 1_000);
    let before = vm.memory_size();
    let began = Instant::now();
    send(&mut vm, requests);
    Ok((before, vm.memory_size(), began.elapsed()))
}
