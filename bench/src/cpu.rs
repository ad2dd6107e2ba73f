//! The CPU time of a process, as the kernel accounts for it, and where it runs.

use std::fs;
use std::time::Duration;

use anyhow::Context;
use rustix::thread::{CpuSet, Pid, sched_getaffinity, sched_setaffinity};

/// The time that all threads of a process have run (`/proc/PID/task/*/schedstat`, nanoseconds).
///
/// Threads that have ended are missing, so only differences between two looks at the same threads mean anything.
pub(crate) fn time(pid: u32) -> anyhow::Result<Duration> {
    let mut total = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let line = fs::read_to_string(task?.path().join("schedstat"))?;
        let run = line
            .split_whitespace()
            .next()
            .context("an empty schedstat")?;
        total += run.parse::<u64>()?;
    }
    Ok(Duration::from_nanos(total))
}

/// The memory that a process holds, in bytes.
pub(crate) fn memory(pid: u32) -> anyhow::Result<u64> {
    status(&pid.to_string(), "VmRSS:")
}

/// The most memory that this process has held, in bytes.
pub(crate) fn peak() -> anyhow::Result<u64> {
    status("self", "VmHWM:")
}

/// A number of bytes in `/proc/PID/status`.
fn status(process: &str, name: &str) -> anyhow::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|line| line.split_whitespace().next());
    Ok(kib.context("a status without memory")?.parse::<u64>()? * 1024)
}

/// Lets all threads of a process and this one run on the same processor only.
///
/// They wait for each other all the time. On two processors each wake-up of the other one costs several times what a
/// filter does, or nothing, as it happens; and who wakes whom does not depend on the filter.
pub(crate) fn share_with(pid: u32) -> anyhow::Result<()> {
    let mine = sched_getaffinity(None)?;
    let last = (0..CpuSet::MAX_CPU).rev().find(|&cpu| mine.is_set(cpu));
    let mut one = CpuSet::new();
    one.set(last.context("no processor")?);
    sched_setaffinity(None, &one)?;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let name = task?.file_name();
        let id = name.to_str().and_then(|name| name.parse().ok());
        sched_setaffinity(id.and_then(Pid::from_raw), &one)?;
    }
    Ok(())
}
