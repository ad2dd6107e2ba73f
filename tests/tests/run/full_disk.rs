//! A disk that is full: a small file system of its own, where the kernel lets users mount one.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, ensure};
use rustix::process::{Signal, kill_process};
use system_tests::echo::Backend;
use system_tests::until;

use crate::gateway::{HOST, Resources, Run};

/// In a name space of its own, so that nobody else sees it, and it goes with its last process.
const MOUNT: &str = "mkdir -p work && mount -t tmpfs -o size=8m,mode=700 tmpfs work && exec \"$@\"";
const LAUNCHER: [&str; 8] = [
    "unshare",
    "--user",
    "--map-root-user",
    "--mount",
    "sh",
    "-c",
    MOUNT,
    "sh",
];

fn can_mount() -> bool {
    let mut probe = Command::new("unshare");
    probe.args(["--user", "--map-root-user", "--mount", "sh", "-c"]);
    probe.arg("mount -t tmpfs tmpfs /mnt");
    probe.output().is_ok_and(|output| output.status.success())
}

/// The working folder, as the processes in the name space see it.
fn work(run: &Run) -> PathBuf {
    let root = PathBuf::from(format!("/proc/{}/root", run.child.id()));
    let folder = run.folder.path().join("work");
    root.join(folder.strip_prefix("/").unwrap_or(&folder))
}

/// Fills the disk, but for so many bytes.
fn fill(run: &Run, but: usize) -> anyhow::Result<()> {
    let mut filler = File::create(work(run).join("filler"))?;
    let block = [0; 4096];
    let mut written = 0;
    loop {
        match filler.write(&block) {
            Ok(count) => written += count,
            Err(error) if error.kind() == ErrorKind::StorageFull => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(filler.set_len(u64::try_from(written.saturating_sub(but))?)?)
}

fn free(run: &Run) -> anyhow::Result<()> {
    Ok(fs::remove_file(work(run).join("filler"))?)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_leaves_the_old_configuration_or_the_new_one() -> anyhow::Result<()> {
    if !can_mount() {
        eprintln!("skipped: no file system can be mounted here");
        return Ok(());
    }
    let backend = Backend::http("one").await?;
    let mut resources = Resources::new(backend.port());
    let first = resources.clone();
    let run = Run::start_under(&LAUNCHER, &[], &[], |address, folder| {
        Ok(fs::write(folder.join("gateway.yaml"), first.yaml(address))?)
    })?;
    run.ready().await?;
    let mut refused = 0;
    // The less is free, the earlier it is full: while the change is judged, and while its files are written.
    for blocks in [0, 1, 2, 4, 6, 8, 12, 24] {
        fill(&run, blocks * 4096)?;
        resources.generation += 1;
        resources.http = (0..resources.generation)
            .map(|n| format!("host-{n}.example.com"))
            .collect();
        let before = run.status().await?["reloads"].clone();
        run.write(&resources.yaml(run.address))?;
        let after = until("a reload", async || {
            let after = run.status().await.ok()?["reloads"].clone();
            (after != before).then_some(after)
        })
        .await
        .with_context(|| run.said())?;
        let now = resources.generation;
        let mut served = now;
        if after["applied"] == before["applied"] {
            refused += 1;
            served = now - 1;
            let said = run.said();
            ensure!(said.contains("No space left on device"), "{said}");
        }
        is_served(&run, served, now).await?;
        if blocks == 0 {
            // Envoy comes up with what it had.
            let envoy = run.envoy().await?;
            kill_process(envoy, Signal::KILL)?;
            until("another Envoy", async || {
                (run.envoy().await.ok()? != envoy).then_some(())
            })
            .await
            .with_context(|| run.said())?;
            is_served(&run, served, now).await?;
        }
        free(&run)?;
        // Nobody has to ask for it once there is space again.
        until("the change", async || {
            is_served(&run, now, now).await.ok()?;
            // It is served a moment before the files of a restart are written.
            let status = run.status().await.ok()?;
            status["refused"].is_null().then_some(())
        })
        .await
        .with_context(|| run.said())?;
    }
    ensure!(
        refused > 0,
        "there was space for everything: {}",
        run.said()
    );
    Ok(())
}

/// The routes and hostnames of this generation, whole, and nothing of those up to `last` that came after it.
async fn is_served(run: &Run, generation: usize, last: usize) -> anyhow::Result<()> {
    let answer = run.get(HOST).await?;
    let seen = answer
        .headers
        .get("x-generation")
        .context("no generation")?;
    ensure!(
        seen == &generation.to_string(),
        "{seen:?} in place of {generation}: {}",
        run.said()
    );
    for number in 0..last {
        let status = run.get(&format!("host-{number}.example.com")).await?.status;
        let expected = if number < generation { 200 } else { 404 };
        ensure!(
            status == expected,
            "host-{number}: {status} in generation {generation}"
        );
    }
    Ok(())
}
