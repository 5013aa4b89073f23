//! The Go program is taken from `../shared/tools/tlogcheck.go` beside the project, or from where
//! `HAECHI_TLOGCHECK` says. Where it or Go is missing the test says so; where `CI` is set it must run.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The program, built; `None` where it cannot be.
pub(crate) fn program(folder: &Path) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/tools/tlogcheck.go");
    let source = std::env::var_os("HAECHI_TLOGCHECK").map_or(beside, PathBuf::from);
    let program = folder.join("tlogcheck");
    let mut build = Command::new("go");
    build.env("GO111MODULE", "off").env("GOPATH", "/usr/share/gocode");
    build.env("GOCACHE", folder.join("cache")).arg("build").arg("-o").arg(&program).arg(source);
    match build.output() {
        Ok(output) if output.status.success() => Some(program),
        why => {
            let ci = std::env::var_os("CI").is_some_and(|ci| ci == "true");
            assert!(!ci, "CI needs Go, golang-golang-x-mod-dev and tlogcheck.go: {why:?}");
            println!("left out: the Go program, which cannot be built: {why:?}");
            None
        }
    }
}
