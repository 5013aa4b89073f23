//! A process that was closed off, looked at from inside by the system's own files.

use std::fs;
use std::process::Command;

use haechi_vault::harden_process;

use super::variable;

#[test]
fn a_hardened_process_leaves_no_core_and_cannot_be_read() {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "providers::hardening::in_a_process_of_its_own", "--nocapture"])
        .env("HAECHI_HARDEN", "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success() && said.contains("hardened:"), "{said}");
    if cfg!(target_os = "linux") {
        assert!(said.contains("hardened: 0 0 bytes, dumpable NotDumpable"), "{said}");
    }
}

#[test]
fn in_a_process_of_its_own() {
    if variable("HAECHI_HARDEN").is_none() {
        return;
    }
    harden_process().unwrap();
    // A second call, or one by a child that inherits the limit, is no error.
    harden_process().unwrap();
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let core = limits.lines().find_map(|line| line.strip_prefix("Max core file size"));
    let words: Vec<&str> = core.unwrap_or_default().split_whitespace().collect();
    println!("hardened: {}, dumpable {}", words.join(" "), dumpable());
}

#[cfg(target_os = "linux")]
fn dumpable() -> String {
    format!("{:?}", rustix::process::dumpable_behavior().unwrap())
}

#[cfg(not(target_os = "linux"))]
fn dumpable() -> String {
    "unknown".to_owned()
}
