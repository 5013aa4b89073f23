//! What tests of screening share: a detector of a few plain rules, a vault in memory, and a caller.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use haechi_core::json::{Limits, Text, check};
use haechi_core::{Protector, Sid};
use haechi_privacy::{
    Action, BUILT_IN, Detector, DetectorConfig, Direction, ObligationRule, Obligations, OpenRule,
    PatternFile, Privacy, PrivacyError, Restored, Scene, Screening, Whose,
};

use crate::protector::Shelf;

const RULES: &str = r#"
[pack]
name = "tests"
locale = "*"
[[rule]]
id = "test_person"
kind = "PERSON"
patterns = ['Ann Lee', 'Bob O"Ray', 'Bob Ray']
score = 0.9
[[rule]]
id = "test_email"
kind = "EMAIL_ADDRESS"
patterns = ['[a-z]+@[a-z]+\.example']
score = 0.9
[[rule]]
id = "test_phone"
kind = "PHONE_NUMBER"
patterns = ['555\d{7}', '555-\d{3}-\d{4}']
score = 0.8
[[rule]]
id = "test_birth"
kind = "DATE_OF_BIRTH"
patterns = ['\d{4}-\d{2}-\d{2}']
score = 0.8
[[rule]]
id = "test_code"
kind = "CVV"
patterns = ['77\d']
score = 0.6
[[rule]]
id = "test_desk"
kind = "PHONE_NUMBER"
patterns = ['\d{2}-\d{2}-\d{2}']
needs = "context"
score = 0.5
keys = ["desk"]
"#;

static DETECTOR: LazyLock<Arc<Detector>> = LazyLock::new(|| {
    let named = |line: &'static str| line.strip_prefix("name = \"")?.strip_suffix('"');
    let packs = BUILT_IN.iter().filter_map(|(_, contents)| contents.lines().find_map(named));
    let config = DetectorConfig {
        locales: Some(BTreeSet::new()),
        disabled_packs: packs.map(str::to_owned).collect(),
        files: vec![PatternFile { name: "tests.toml".into(), contents: RULES.into() }],
        names: false,
        ..DetectorConfig::default()
    };
    Arc::new(Detector::new(&config).unwrap())
});

/// Everything that is built in.
static BUILT_IN_DETECTOR: LazyLock<Arc<Detector>> =
    LazyLock::new(|| Arc::new(Detector::new(&DetectorConfig::default()).unwrap()));

/// A caller, what is done with findings, and a vault.
pub(crate) struct House {
    pub(crate) privacy: Privacy,
    pub(crate) shelf: Arc<Shelf>,
    roles: BTreeSet<String>,
    caller: Sid,
}

impl House {
    pub(crate) fn new(obligations: Obligations) -> Self {
        Self::of(Arc::clone(&DETECTOR), obligations)
    }

    pub(crate) fn of(detector: Arc<Detector>, obligations: Obligations) -> Self {
        let shelf = Arc::new(Shelf::default());
        let protector: Arc<dyn Protector> = Arc::clone(&shelf) as Arc<dyn Protector>;
        let privacy = Privacy::new(detector, obligations, protector);
        let roles = BTreeSet::from(["user".to_owned()]);
        Self { privacy, shelf, roles, caller: Sid("caller".into()) }
    }

    /// As [`Self::with`], with everything that is built in.
    pub(crate) fn with_built_in(action: &str) -> Self {
        let obligations = Self::with(action).privacy.obligations().clone();
        Self::of(Arc::clone(&BUILT_IN_DETECTOR), obligations)
    }

    /// One action for all results; the caller's own tokens open in arguments.
    pub(crate) fn with(action: &str) -> Self {
        Self::new(Obligations {
            results: Some(Action::parse(action).unwrap()),
            open: vec![OpenRule::new(Whose::Own)],
            ..Obligations::default()
        })
    }

    /// As [`Self::with`], and kinds that have actions of their own.
    pub(crate) fn with_kinds(action: &str, kinds: &[(&str, &str)]) -> Self {
        let rule = |(kind, action): &(&str, &str)| {
            let mut rule = ObligationRule::new(Action::parse(action).unwrap());
            rule.kinds = vec![(*kind).to_owned()];
            rule
        };
        Self::new(Obligations {
            rules: kinds.iter().map(rule).collect(),
            results: Some(Action::parse(action).unwrap()),
            open: vec![OpenRule::new(Whose::Anyone)],
            ..Obligations::default()
        })
    }

    pub(crate) fn scene(&self, direction: Direction) -> Scene<'_> {
        Scene {
            direction,
            tenant: "",
            upstream: "crm",
            tool: "get_customer",
            roles: &self.roles,
            receiver: &self.caller,
            subject: None,
            skip: &[],
        }
    }

    pub(crate) fn screen(&self, json: &str) -> Result<Screening, PrivacyError> {
        run(self.privacy.screen(&self.scene(Direction::Results), text(json)))
    }

    /// The screened text, changed or not.
    pub(crate) fn screened(&self, json: &str) -> String {
        self.screen(json).unwrap().text.unwrap_or_else(|| json.to_owned())
    }

    pub(crate) fn restore(&self, json: &str) -> Result<Restored, PrivacyError> {
        run(self.privacy.restore(&self.scene(Direction::Arguments), text(json)))
    }

    pub(crate) fn restored(&self, json: &str) -> String {
        self.restore(json).unwrap().text.unwrap_or_else(|| json.to_owned())
    }
}

pub(crate) fn text(json: &str) -> Text<'_> {
    check(json.as_bytes(), &Limits::RESULT).unwrap()
}

pub(crate) fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// What was counted: kind, path and action, and how often.
pub(crate) fn counted(screening: &Screening) -> BTreeMap<(String, String, String), u32> {
    let key = |it: &haechi_core::FindingCount| {
        ((it.kind.to_string(), it.path.clone(), it.action.to_string()), it.count)
    };
    screening.counts.iter().map(key).collect()
}
