//! What `rmcp` asks of a server, all of which must pass through ours.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// What to do when the methods differ.
const DO: &str = "`SecureServer` leaves these methods of `ServerHandler` to rmcp's own defaults, so \
the server inside is never asked, or asked by nobody who checked. In embed/src/server.rs, delegate \
each: `governed!` where it answers a request of a client, straight on where it opens or keeps a \
conversation or says something of the server itself";

/// Where cargo keeps the `rmcp` that is built into this test.
fn rmcp() -> PathBuf {
    let run = |program: &str, arguments: &[&str]| {
        let ran = Command::new(program).args(arguments).output().unwrap();
        let said = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success(), "`{program} {arguments:?}` failed: {said}");
        String::from_utf8(ran.stdout).unwrap()
    };
    let version = run("rustc", &["-vV"]);
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let told = run(
        env!("CARGO"),
        &[
            "metadata",
            "--format-version=1",
            "--offline",
            "--locked",
            "--filter-platform",
            host,
            "--manifest-path",
            manifest,
        ],
    );
    let told: Value = serde_json::from_str(&told).unwrap();
    let packages = told["packages"].as_array().unwrap();
    let found: Vec<_> = packages.iter().filter(|package| package["name"] == "rmcp").collect();
    let [package] = found.as_slice() else { panic!("{} packages are named rmcp", found.len()) };
    Path::new(package["manifest_path"].as_str().unwrap()).parent().unwrap().to_owned()
}

/// The names of functions in what stands between the line that begins with `head` and the next
/// closing brace at the margin.
fn functions(source: &str, head: &str) -> BTreeSet<String> {
    let mut lines = source.lines().skip_while(|line| !line.starts_with(head));
    assert!(lines.next().is_some(), "there is no `{head}` any more; look where it went");
    let name = |line: &str| {
        let line = line.trim_start();
        let named = line.strip_prefix("async fn ").or_else(|| line.strip_prefix("fn "))?;
        Some(named.split(['(', '<']).next().unwrap().to_owned())
    };
    lines.take_while(|line| *line != "}").filter_map(name).collect()
}

#[test]
fn every_method_that_rmcp_may_ask_of_a_server_passes_through_ours() {
    let folder = rmcp();
    let path = folder.join("src/handler/server.rs");
    let source = std::fs::read_to_string(&path).unwrap_or_else(|error| {
        panic!("{}: {error}; find where rmcp defines `ServerHandler`", path.display())
    });
    // The trait stands there twice, for two features; its methods come from one macro.
    let traits = source.matches("\npub trait ServerHandler").count();
    let bodies = source.matches("    server_handler_methods!(").count();
    assert!(traits > 0 && traits == bodies, "{traits} traits, {bodies} bodies: read them again");
    let asked = functions(&source, "macro_rules! server_handler_methods");
    assert!(asked.len() >= 30, "few methods were found: {asked:?}");

    let ours = include_str!("../../src/server.rs");
    let ours = functions(ours, "impl<H: ServerHandler> ServerHandler for SecureServer<H>");
    let missing: Vec<_> = asked.difference(&ours).collect();
    assert!(missing.is_empty(), "{missing:?}: {DO}");
}
