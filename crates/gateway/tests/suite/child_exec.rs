//! `haechi child-exec`: what a child is and is not given.

use std::io::Read as _;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

const HAECHI: &str = env!("CARGO_BIN_EXE_haechi");

fn child_exec(options: &[&str], command: &[&str]) -> Output {
    let parent = std::process::id().to_string();
    Command::new(HAECHI)
        .args(["child-exec", "--parent", &parent])
        .args(options)
        .arg("--")
        .args(command)
        .output()
        .unwrap()
}

fn lines(output: &Output) -> Vec<String> {
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

#[test]
fn limits_stand_before_the_program_starts() {
    let script = "ulimit -n; ulimit -d; ulimit -c";
    let options = ["--open-files", "64", "--memory-bytes", "1073741824"];
    let output = child_exec(&options, &["sh", "-c", script]);
    assert!(output.status.success());
    assert_eq!(lines(&output), ["64", "1048576", "0"]);
}

#[test]
fn a_program_over_its_memory_does_not_get_more() {
    let script = "x = bytearray(300 << 20)";
    let command = ["python3", "-c", script];
    assert!(child_exec(&[], &command).status.success());
    let limited = child_exec(&["--memory-bytes", "134217728"], &command);
    assert!(!limited.status.success());
    assert!(String::from_utf8_lossy(&limited.stderr).contains("MemoryError"));
}

#[test]
fn descriptors_that_were_handed_down_end_there() {
    let parent = std::process::id().to_string();
    let open_some = "exec 7</dev/null 8</dev/null; exec \"$@\"";
    let list = ["sh", "-c", "ls /proc/self/fd"];
    let descriptors = |command: &[&str]| {
        let output = Command::new("sh").args(["-c", open_some, "sh"]).args(command).output();
        lines(&output.unwrap())
    };
    let without = descriptors(&list);
    assert!(without.contains(&"7".to_owned()) && without.contains(&"8".to_owned()));
    let guarded = [&[HAECHI, "child-exec", "--parent", &parent, "--"], &list[..]].concat();
    // The fourth is the folder that `ls` reads.
    assert_eq!(descriptors(&guarded), ["0", "1", "2", "3"]);
}

#[test]
fn a_child_dies_with_its_parent_however_that_ends() {
    let script = "\"$0\" child-exec --parent $$ -- sleep 600 & echo $!; wait";
    let mut parent =
        Command::new("sh").args(["-c", script, HAECHI]).stdout(Stdio::piped()).spawn().unwrap();
    let mut said = [0; 32];
    let count = parent.stdout.as_mut().unwrap().read(&mut said).unwrap();
    let child = String::from_utf8_lossy(&said[..count]).trim().to_owned();
    let becomes = |wanted: fn(&str) -> bool| {
        (0..250).any(|_| {
            std::thread::sleep(Duration::from_millis(20));
            wanted(&std::fs::read_to_string(format!("/proc/{child}/comm")).unwrap_or_default())
        })
    };
    assert!(becomes(|name| name.trim() == "sleep"), "the child runs");
    parent.kill().unwrap();
    parent.wait().unwrap();
    assert!(becomes(str::is_empty), "the child is gone");
}

#[test]
fn nobody_else_starts_it_and_what_cannot_be_executed_is_named() {
    let foreign = Command::new(HAECHI).args(["child-exec", "--parent", "1", "--", "true"]).output();
    assert_eq!(foreign.unwrap().status.code(), Some(126));
    let malformed = Command::new(HAECHI).args(["child-exec", "true"]).output();
    assert_eq!(malformed.unwrap().status.code(), Some(126));
    let absent = child_exec(&[], &["/nowhere/program"]);
    assert_eq!(absent.status.code(), Some(126));
    assert!(String::from_utf8_lossy(&absent.stderr).contains("`/nowhere/program`"));
}
