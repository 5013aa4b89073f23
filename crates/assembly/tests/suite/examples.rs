//! What lies in `examples/` works, and what is made by commands loads.

use std::path::{Path, PathBuf};

use haechi_assembly::settings::{DemoSettings, INITIAL};
use haechi_assembly::{Settings, compile_policy, read_expectations};
use haechi_core::Timestamp;
use haechi_policy::Surroundings;

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples")
}

#[test]
fn the_example_loads_and_its_policies_compile_without_a_warning() {
    let settings = Settings::load(&examples().join("gateway.toml")).unwrap();
    assert_eq!(settings.upstreams.len(), 2);
    assert_eq!(settings.issuers.len(), 1);
    let (_, warnings) = compile_policy(&settings, Vec::new(), 1).unwrap();
    assert!(warnings.is_empty(), "{warnings:?}");
}

#[test]
fn the_example_shows_every_setting() {
    let text = std::fs::read_to_string(examples().join("gateway.toml")).unwrap();
    let mut missing = Vec::new();
    each_property(&Settings::schema(), &mut |name| {
        let forms = [format!("{name} = "), format!("{name}]"), format!(".{name}.")];
        if !forms.iter().any(|form| text.contains(form)) {
            missing.push(name.to_owned());
        }
    });
    // Kinds of rules and patterns that others show the form of.
    let same_form = ["method", "username", "name", "email", "tenant", "prompt"];
    missing.retain(|name| !same_form.contains(&name.as_str()));
    assert!(missing.is_empty(), "{missing:?}");
}

/// Calls `look` with the name of every property in a schema.
fn each_property(schema: &serde_json::Value, look: &mut impl FnMut(&str)) {
    match schema {
        serde_json::Value::Object(members) => {
            if let Some(serde_json::Value::Object(properties)) = members.get("properties") {
                properties.keys().for_each(|name| look(name));
            }
            members.values().for_each(|member| each_property(member, look));
        }
        serde_json::Value::Array(items) => items.iter().for_each(|item| each_property(item, look)),
        _ => {}
    }
}

#[test]
fn the_example_expectations_come_out_as_expected() {
    let settings = Settings::load(&examples().join("gateway.toml")).unwrap();
    let (policy, _) = compile_policy(&settings, Vec::new(), 1).unwrap();
    let expectations = read_expectations(&examples().join("expectations.toml")).unwrap();
    let surroundings = Surroundings {
        user: &|_| None,
        catalog: &[],
        // A Wednesday at noon.
        now: Timestamp::from_secs(1_795_608_000),
    };
    let report = expectations.run(&policy, &surroundings);
    assert!(report.results.len() > 5);
    assert_eq!(report.failures(), 0, "{:#?}", report.results);
}

#[test]
fn a_file_of_expectations_with_a_mistake_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cases.toml");
    std::fs::write(&file, "[[case]]\ntool = \"a:b\"\nexpect = \"maybe\"\n").unwrap();
    let error = read_expectations(&file).unwrap_err().to_string();
    assert!(error.contains("maybe"), "{error}");
    let json = folder.path().join("cases.json");
    std::fs::write(&json, r#"{"case":[{"tool":"a:b","expect":"deny"}]}"#).unwrap();
    assert_eq!(read_expectations(&json).unwrap().cases.len(), 1);
    assert!(read_expectations(&folder.path().join("none")).is_err());
}

#[test]
fn what_init_writes_loads_and_lets_the_administrator_in() {
    let settings = Settings::parse(INITIAL, Path::new("/base")).unwrap();
    assert!(settings.roles.iter().any(|role| role.name == "admin" && !role.allow.is_empty()));
    compile_policy(&settings, Vec::new(), 1).unwrap();
}

#[test]
fn the_demo_s_settings_load_whatever_the_program_is_called() {
    for program in ["/usr/bin/haechi", "/my \"dir\"\\x/해치"] {
        let sample = "/my \"data\"\\/sample";
        let demo = DemoSettings {
            address: "127.0.0.1:9".parse().unwrap(),
            program: Path::new(program),
            sample: Path::new(sample),
        };
        let settings = Settings::parse(&demo.text(), Path::new("/base")).unwrap();
        let haechi_assembly::settings::Carrier::Program(carrier) = &settings.upstreams[0].carrier
        else {
            panic!("no program")
        };
        assert_eq!(carrier.command, [program, "sample-server", "--data-dir", sample]);
        compile_policy(&settings, Vec::new(), 1).unwrap();
    }
}

#[test]
fn the_published_schema_is_the_one_of_the_program() {
    let published = std::fs::read_to_string(examples().join("haechi.schema.json")).unwrap();
    let published: serde_json::Value = serde_json::from_str(&published).unwrap();
    let same = published == Settings::schema();
    assert!(
        same,
        "run `haechi config schema > examples/haechi.schema.json` and look at the change"
    );
}

#[test]
fn every_settings_text_of_the_guides_loads() {
    let guide = |name: &str| {
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
        std::fs::read_to_string(docs.join(name)).unwrap()
    };
    let (oauth, audit) = (guide("oauth.md"), guide("audit.md"));
    let (_, exports) = audit.split_once("\n## Exports\n").unwrap();
    let texts = |text| str::split(text, "```toml\n").skip(1).collect::<Vec<&str>>();
    let (oauth, exports) = (texts(&oauth), texts(exports));
    assert!(oauth.len() > 4 && exports.len() > 3);
    for text in oauth.into_iter().chain(exports) {
        let (settings, _) = text.split_once("```").unwrap();
        Settings::parse(settings, Path::new("/base"))
            .unwrap_or_else(|problems| panic!("{settings}\n{problems}"));
    }
}
