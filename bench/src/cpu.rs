//! The CPU time of a process, as the kernel accounts for it.

use std::fs;
use std::time::Duration;

use anyhow::Context;

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

/// The memory that a process holds, in bytes (`VmRSS` of `/proc/PID/status`).
pub(crate) fn memory(pid: u32) -> anyhow::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line
        .context("no VmRSS")?
        .trim()
        .trim_end_matches("kB")
        .trim();
    Ok(kib.parse::<u64>()? * 1024)
}
