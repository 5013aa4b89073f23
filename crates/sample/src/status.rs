//! The state of the machine this server runs on, read from `/proc`.

use std::path::Path;

use schemars::JsonSchema;
use serde::Serialize;

/// What an administrator may see of the machine.
#[derive(Debug, PartialEq, Serialize, JsonSchema)]
pub(crate) struct SystemStatus {
    /// Since the machine started.
    uptime_seconds: f64,
    /// Mean number of runnable tasks over the last minute.
    load_1m: f64,
    /// The same over five minutes.
    load_5m: f64,
    /// The same over fifteen minutes.
    load_15m: f64,
    /// Physical memory, in KiB.
    memory_total_kib: u64,
    /// What a new program could get without swapping, in KiB.
    memory_available_kib: u64,
}

/// Reads the status below `proc`, which is `/proc` outside tests.
///
/// # Errors
///
/// Names the file that could not be read or understood, as text for the caller.
pub(crate) fn read(proc: &Path) -> Result<SystemStatus, String> {
    let uptime = file(proc, "uptime")?;
    let load = file(proc, "loadavg")?;
    let memory = file(proc, "meminfo")?;
    let load = |nth| number(&load, nth).ok_or_else(|| unclear("loadavg"));
    Ok(SystemStatus {
        uptime_seconds: number(&uptime, 0).ok_or_else(|| unclear("uptime"))?,
        load_1m: load(0)?,
        load_5m: load(1)?,
        load_15m: load(2)?,
        memory_total_kib: kib(&memory, "MemTotal:").ok_or_else(|| unclear("meminfo"))?,
        memory_available_kib: kib(&memory, "MemAvailable:").ok_or_else(|| unclear("meminfo"))?,
    })
}

fn file(proc: &Path, name: &str) -> Result<String, String> {
    std::fs::read_to_string(proc.join(name))
        .map_err(|_| format!("`{name}` of this system cannot be read; it needs a Linux /proc"))
}

fn unclear(name: &str) -> String {
    format!("`{name}` of this system has a form this server does not know")
}

fn number(text: &str, nth: usize) -> Option<f64> {
    text.split_whitespace().nth(nth)?.parse().ok()
}

fn kib(text: &str, label: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(label))?.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_a_status() {
        let status = read(Path::new("/proc")).unwrap();
        assert!(status.uptime_seconds > 0.0);
        assert!(status.memory_available_kib <= status.memory_total_kib);
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = read(Path::new("/nonexistent")).unwrap_err();
        assert!(error.contains("`uptime`"), "{error}");
    }
}
