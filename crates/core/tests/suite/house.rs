//! The plan of the house, held against every manifest. Changing the plan means changing this file
//! and the picture in `ARCHITECTURE.md`.

use std::fs;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

/// The longest source file, in lines.
const MAX_LINES: usize = 600;

/// One crate: its folder below `crates/`, and the crates it may import, by the last name of theirs.
struct Place {
    folder: &'static str,
    imports: &'static [&'static str],
}

/// Top down. Imports point down and never climb; rooms never import rooms; only the landing
/// chooses implementations, so nothing above it imports storage.
const PLAN: [Place; 18] = [
    // Entrances.
    Place {
        folder: "gateway",
        imports: &[
            "sample",
            "assembly",
            "authorization",
            "face",
            "guard",
            "identity",
            "client",
            "policy",
            "privacy",
            "vault",
            "audit",
            "outbound",
            "core",
        ],
    },
    // A server as its author writes one, run by the same binary: it knows embed and nothing below.
    Place { folder: "sample", imports: &["embed"] },
    Place {
        folder: "embed",
        imports: &[
            "face", "macros", "assembly", "guard", "identity", "policy", "privacy", "vault",
            "audit", "core",
        ],
    },
    // What the compiler runs for embed: words become rules, and nothing of the house is needed.
    Place { folder: "embed/macros", imports: &[] },
    // Run by developers only: makes the weights that privacy carries.
    Place { folder: "trainer", imports: &["privacy"] },
    // The landing.
    Place {
        folder: "assembly",
        imports: &[
            "guard", "identity", "client", "policy", "privacy", "vault", "audit", "storage",
            "outbound", "core",
        ],
    },
    // The desk where callers come to their tokens; HTTP in, HTTP out, carried by an entrance.
    Place { folder: "authorization", imports: &["face", "guard", "identity", "client", "core"] },
    // Beside it: what callers are told and what is read of their requests, for all entrances.
    Place { folder: "face", imports: &["guard", "identity", "policy", "privacy", "core"] },
    // The hall.
    Place { folder: "guard", imports: &["identity", "policy", "privacy", "audit", "core"] },
    // Rooms.
    Place { folder: "identity", imports: &["core"] },
    Place { folder: "client", imports: &["core"] },
    Place { folder: "policy", imports: &["core"] },
    Place { folder: "privacy", imports: &["core"] },
    Place { folder: "vault", imports: &["core"] },
    Place { folder: "audit", imports: &["core"] },
    Place { folder: "storage", imports: &["core"] },
    // Foundations.
    Place { folder: "outbound", imports: &["core"] },
    Place { folder: "core", imports: &[] },
];

/// Dependencies that only their owners take. Nobody owns the last ones: what they do has another
/// owner here, or they bring a second cryptography.
const OWNERS: [(&str, &[&str]); 44] = [
    ("askama", &["authorization"]),
    ("webauthn-rs", &["identity"]),
    ("qrcodegen", &["authorization"]),
    // Audit hashes its tree and signs its checkpoints; what is secret, the vault seals.
    ("aws-lc-rs", &["gateway", "identity", "client", "vault", "audit", "trainer"]),
    ("argon2", &["identity"]),
    ("password-hash", &["identity"]),
    ("cedar-policy", &["policy"]),
    ("rusqlite", &["storage"]),
    ("crc32c", &["audit"]),
    ("roaring", &["audit"]),
    ("toml", &["assembly", "macros", "privacy"]),
    ("regex-automata", &["privacy"]),
    ("regex-syntax", &["privacy"]),
    ("aho-corasick", &["privacy"]),
    ("jsonschema", &["privacy"]),
    ("rten", &["privacy"]),
    ("rten-tensor", &["privacy"]),
    ("aes-siv", &["vault"]),
    ("fpe", &["vault"]),
    ("scrypt", &["vault"]),
    ("cryptoki", &["vault"]),
    ("getrandom", &["assembly"]),
    ("rmcp", &["embed", "sample"]),
    ("axum", &["gateway"]),
    ("clap", &["gateway"]),
    ("csv", &["gateway"]),
    ("clap_complete", &["gateway"]),
    ("clap_mangen", &["gateway"]),
    ("indicatif", &["gateway"]),
    ("rpassword", &["gateway"]),
    ("opentelemetry", &["gateway"]),
    ("tracing-subscriber", &["gateway"]),
    ("hyper", &["gateway", "embed", "outbound"]),
    ("hyper-util", &["gateway", "embed", "outbound"]),
    ("rustls", &["gateway", "outbound"]),
    ("tokio-rustls", &["gateway", "outbound"]),
    ("hyper-rustls", &["outbound"]),
    ("rustls-platform-verifier", &["outbound"]),
    ("ring", &[]),
    ("openssl", &[]),
    ("reqwest", &[]),
    ("jsonwebtoken", &[]),
    ("josekit", &[]),
    ("sqlx", &[]),
];

/// What tests may import beside what the crate does: stores to run on, and where a
/// whole hall is built the other rooms.
const FOR_TESTS: [(&str, &[&str]); 4] = [
    ("policy", &["authorization"]),
    (
        "storage",
        &[
            "authorization",
            "face",
            "guard",
            "identity",
            "policy",
            "privacy",
            "vault",
            "audit",
            "gateway",
        ],
    ),
    ("vault", &["authorization", "face", "guard"]),
    ("audit", &["authorization", "face"]),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// What stands below `examples/`: servers that strangers might have written. They import what
/// strangers import, and bring what a program needs besides.
const EXAMPLES: Place = Place { folder: "examples", imports: &["embed"] };
const OWNED_BY_EXAMPLES: [&str; 3] = ["clap", "rmcp", "rusqlite"];

/// Every folder of a crate: those in `crates/`, those that a crate keeps in its own folder, and
/// those in `examples/`.
fn folders() -> Vec<PathBuf> {
    let mut folders = crates_in(&root().join("crates"));
    folders.extend(folders.clone().iter().flat_map(|folder| crates_in(folder)));
    folders.extend(crates_in(&root().join("examples")));
    folders.sort();
    folders
}

fn crates_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    let mut folders: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    folders.retain(|folder| folder.join("Cargo.toml").is_file());
    folders
}

/// What imports call the crate in this folder.
fn name_of(folder: &str) -> &str {
    folder.rsplit('/').next().unwrap_or(folder)
}

fn package_of(folder: &str) -> String {
    match name_of(folder) {
        "gateway" => "haechi".to_owned(),
        name => format!("haechi-{}", name.replace('_', "-")),
    }
}

fn place_of(folder: &str) -> Option<&'static Place> {
    let is_example = Path::new(folder).parent() == Some(Path::new(EXAMPLES.folder));
    let example = is_example.then_some(&EXAMPLES);
    example.or_else(|| PLAN.iter().find(|place| place.folder == folder))
}

/// Every way in which the manifest of `folder` breaks the plan.
fn problems(folder: &str, manifest: &str) -> Vec<String> {
    let manifest: Table = manifest.parse().unwrap();
    let Some(place) = place_of(folder) else {
        return vec![format!("`{folder}` has no place in the plan")];
    };
    let mut problems = Vec::new();
    let name = manifest.get("package").and_then(|package| package.get("name"));
    if name.and_then(Value::as_str) != Some(&package_of(folder)) {
        problems.push(format!("`{folder}` must be the package `{}`", package_of(folder)));
    }
    if manifest.get("lints").and_then(|lints| lints.get("workspace")) != Some(&Value::Boolean(true))
    {
        problems.push(format!("`{folder}` must inherit the lints of the workspace"));
    }
    for (for_tests, dependencies) in dependency_tables(&manifest) {
        for (dependency, how) in dependencies {
            problems.extend(form_problem(folder, dependency, how));
            problems.extend(import_problem(place, dependency, for_tests));
            problems.extend((!for_tests).then(|| owner_problem(folder, dependency)).flatten());
        }
    }
    problems
}

/// All tables of dependencies, those of single targets too, and whether each is for tests.
fn dependency_tables(manifest: &Table) -> Vec<(bool, &Table)> {
    let targets = manifest.get("target").and_then(Value::as_table);
    let targets = targets.into_iter().flat_map(Table::values).filter_map(Value::as_table);
    let mut tables = Vec::new();
    for holder in std::iter::once(manifest).chain(targets) {
        for key in ["dependencies", "build-dependencies", "dev-dependencies"] {
            let table = holder.get(key).and_then(Value::as_table);
            tables.extend(table.map(|table| (key == "dev-dependencies", table)));
        }
    }
    tables
}

/// A dependency stands once, in the workspace, under its own name.
fn form_problem(folder: &str, dependency: &str, how: &Value) -> Option<String> {
    let inherited = how.get("workspace") == Some(&Value::Boolean(true));
    let renamed = how.get("package").is_some();
    (!inherited || renamed)
        .then(|| format!("`{folder}` must take `{dependency}` from the workspace"))
}

fn import_problem(place: &Place, dependency: &str, for_tests: bool) -> Option<String> {
    let imported = PLAN.iter().find(|other| package_of(other.folder) == dependency);
    let imported = imported
        .map_or_else(|| dependency.strip_prefix("haechi-"), |it| Some(name_of(it.folder)))?;
    let allowed =
        place.imports.contains(&imported) || (for_tests && is_for_tests(place.folder, imported));
    (!allowed).then(|| format!("`{}` must not import `{imported}`", place.folder))
}

fn is_for_tests(folder: &str, imported: &str) -> bool {
    FOR_TESTS.iter().any(|(package, users)| *package == imported && users.contains(&folder))
}

fn owner_problem(folder: &str, dependency: &str) -> Option<String> {
    let (_, owners) = OWNERS.iter().find(|(owned, _)| *owned == dependency)?;
    let by_example = folder.starts_with("examples/") && OWNED_BY_EXAMPLES.contains(&dependency);
    (!by_example && !owners.contains(&name_of(folder)))
        .then(|| format!("`{folder}` does not own `{dependency}`"))
}

/// Dependencies of the workspace that no comment explains: each group, up to an empty line, starts
/// with one. Renaming there would hide an import from the plan.
fn unexplained(workspace: &str) -> Vec<String> {
    let section = workspace.lines().skip_while(|line| *line != "[workspace.dependencies]").skip(1);
    let mut explained = false;
    let mut problems = Vec::new();
    for line in section.take_while(|line| !line.starts_with('[')) {
        if line.is_empty() {
            explained = false;
        } else if line.starts_with('#') {
            explained = true;
        } else if !explained || line.contains("package =") {
            problems.push(format!("no comment explains, or a name hides: {line}"));
        }
    }
    problems
}

fn too_long(folder: &Path) -> Vec<String> {
    let mut problems = Vec::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let lines = fs::read_to_string(&path).unwrap().lines().count();
                problems.extend(length_problem(&path, lines));
            }
        }
    }
    problems
}

fn length_problem(path: &Path, lines: usize) -> Option<String> {
    (lines > MAX_LINES)
        .then(|| format!("{} has {lines} lines; split it by subject", path.display()))
}

#[test]
fn every_manifest_keeps_to_the_plan() {
    let mut found = Vec::new();
    for folder in folders() {
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
        let below = [root().join("crates"), root()];
        let place = below.iter().find_map(|root| folder.strip_prefix(root).ok()).unwrap();
        found.extend(problems(place.to_str().unwrap(), &manifest));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn the_plan_names_the_crates_there_are() {
    for place in PLAN {
        let manifest = root().join("crates").join(place.folder).join("Cargo.toml");
        assert!(manifest.is_file(), "{} is planned, and not there", place.folder);
    }
}

#[test]
fn the_plan_itself_has_no_climbing() {
    for (index, place) in PLAN.iter().enumerate() {
        for import in place.imports {
            let below = PLAN.iter().skip(index + 1).any(|other| name_of(other.folder) == *import);
            assert!(below, "{} imports {import}, which is not below it", place.folder);
        }
    }
}

#[test]
fn every_dependency_is_explained_in_the_workspace() {
    let workspace = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let found = unexplained(&workspace);
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn no_source_file_is_too_long() {
    let found: Vec<String> =
        folders().iter().flat_map(|folder| too_long(&folder.join("src"))).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn each_rule_can_fail() {
    let guard = "[package]\nname = \"haechi-guard\"\n[lints]\nworkspace = true\n";
    let with = |more: &str| format!("{guard}{more}");
    assert_eq!(problems("guard", guard), Vec::<String>::new());
    let good = with(
        "[dependencies]\nhaechi-core.workspace = true\n[dev-dependencies]\nhaechi-storage.workspace = true\ntoml.workspace = true\n",
    );
    assert_eq!(problems("guard", &good), Vec::<String>::new());

    let cases = [
        ("attic", guard.to_owned(), "no place in the plan"),
        ("policy", guard.to_owned(), "must be the package `haechi-policy`"),
        ("guard", guard.replace("true", "false"), "must inherit the lints"),
        ("guard", guard.replace("[lints]\nworkspace = true\n", ""), "must inherit the lints"),
        ("guard", with("[dependencies]\nserde = \"1\"\n"), "take `serde` from the workspace"),
        (
            "guard",
            with("[dependencies]\nx = { workspace = true, package = \"haechi-storage\" }\n"),
            "take `x` from the workspace",
        ),
        ("guard", with("[dependencies]\nhaechi-storage.workspace = true\n"), "import `storage`"),
        ("guard", with("[dependencies]\nhaechi.workspace = true\n"), "import `gateway`"),
        ("guard", with("[dependencies]\nhaechi-attic.workspace = true\n"), "import `attic`"),
        (
            "guard",
            with("[dev-dependencies]\nhaechi-assembly.workspace = true\n"),
            "import `assembly`",
        ),
        (
            "guard",
            with("[target.'cfg(unix)'.dependencies]\nhaechi-storage.workspace = true\n"),
            "import `storage`",
        ),
        (
            "guard",
            with("[build-dependencies]\nhaechi-outbound.workspace = true\n"),
            "import `outbound`",
        ),
        ("guard", with("[dependencies]\nrusqlite.workspace = true\n"), "does not own `rusqlite`"),
        (
            "examples/shop",
            guard.replace("guard", "shop") + "[dependencies]\nhaechi-guard.workspace = true\n",
            "import `guard`",
        ),
        (
            "examples/shop",
            guard.replace("guard", "shop") + "[dependencies]\nhyper.workspace = true\n",
            "does not own `hyper`",
        ),
        ("guard", with("[dependencies]\nopenssl.workspace = true\n"), "does not own `openssl`"),
    ];
    for (folder, manifest, expected) in cases {
        let found = problems(folder, &manifest);
        assert!(matches!(&*found, [one] if one.contains(expected)), "{expected}: {found:?}");
    }
    let shop = guard.replace("haechi-guard", "haechi-corner-shop")
        + "[dependencies]\nhaechi-embed.workspace = true\nrusqlite.workspace = true\n";
    assert_eq!(problems("examples/corner_shop", &shop), Vec::<String>::new());
    let climbing = [
        ("identity", "policy"),
        ("core", "outbound"),
        ("sample", "core"),
        ("embed/macros", "embed"),
    ];
    for (folder, import) in climbing {
        let manifest = guard.replace("guard", name_of(folder))
            + &format!("[dependencies]\nhaechi-{import}.workspace = true\n");
        let found = problems(folder, &manifest);
        assert_eq!(found, [format!("`{folder}` must not import `{import}`")]);
    }

    let section = "[workspace.dependencies]\n# Why.\na = \"1\"\nb = \"1\"\n";
    assert!(unexplained(section).is_empty());
    assert_eq!(unexplained(&format!("{section}\nc = \"1\"\n[x]\nd = 1\n")).len(), 1);
    assert_eq!(unexplained(&format!("{section}c = {{ package = \"a\" }}\n")).len(), 1);
    assert!(length_problem(Path::new("a.rs"), MAX_LINES).is_none());
    assert!(length_problem(Path::new("a.rs"), MAX_LINES + 1).is_some());
}
