//! `public-face JSON…` prints the public items that each file of rustdoc's JSON tells of, those of a
//! type together. Of what is derived, the line that says so stands for its methods.

use std::collections::BTreeSet;
use std::env::args_os;
use std::ffi::OsStr;
use std::process::ExitCode;

use public_api::{Builder, Error, PublicApi};

fn face(path: &OsStr, derived: bool) -> Result<PublicApi, Error> {
    Builder::from_rustdoc_json(path)
        .omit_blanket_impls(true)
        .omit_auto_trait_impls(true)
        .omit_auto_derived_impls(!derived)
        .include_function_parameter_names(true)
        .build()
}

fn print(path: &OsStr) -> Result<(), Error> {
    let written = face(path, false)?;
    let written: BTreeSet<String> = written.items().map(ToString::to_string).collect();
    for item in face(path, true)?.items() {
        let line = item.to_string();
        let said = line.starts_with("impl") && !line.contains("StructuralPartialEq");
        if said || written.contains(&line) {
            println!("{line}");
        }
    }
    Ok(())
}

fn main() -> ExitCode {
    for path in args_os().skip(1) {
        if let Err(error) = print(&path) {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}
