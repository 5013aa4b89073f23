use std::fs;
use std::path::Path;

/// `tests/fail` is compiled one by one, and held to what the compiler says. `TRYBUILD=overwrite` in
/// the environment writes that down anew.
#[test]
fn rules_that_make_no_sense_do_not_compile() {
    // The folder of the package that the cases are compiled in: there, the macros look for settings.
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../tests/trybuild/haechi-macros");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("haechi.toml"), "[roles.admin]\n[roles.user]\n").unwrap();
    trybuild::TestCases::new().compile_fail("tests/fail/*.rs");
}
