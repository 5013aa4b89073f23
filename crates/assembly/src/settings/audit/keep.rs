//! `[audit.keep]`: how long entries are kept, and where they go then.

use std::path::{Path, PathBuf};
use std::time::Duration;

use haechi_audit::retention::Recipient;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::settings::problem::Problems;
use crate::settings::value::{duration, path};

const DAY: Duration = Duration::from_secs(24 * 3600);
/// More would make every archive larger than it needs to be.
const MOST_RECIPIENTS: usize = 16;

/// How long entries are kept, and where they go then.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeepSettings {
    /// Segments all of whose entries are older are archived and given up; `None`: never by themselves.
    pub time: Option<Duration>,
    /// Where archives go.
    pub archive: Option<PathBuf>,
    /// Who can open them.
    pub recipients: Vec<Recipient>,
}

/// How long entries are kept, and where they go then.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawKeep {
    /// Segments all of whose entries are older are archived and given up, such as `400d`; only
    /// together with `archive` and `recipients`. Never by default.
    time: Option<String>,
    /// The folder where archives go: an existing one, better on another disk.
    archive: Option<String>,
    /// Who can open them: recipients of `age`, such as `age1…`.
    recipients: Vec<String>,
}

impl RawKeep {
    pub(crate) fn check(self, base: &Path, problems: &mut Problems) -> KeepSettings {
        let time = problems.read("audit.keep.time", self.time, None, |text| {
            duration(&text, DAY, Duration::MAX).map(Some)
        });
        let archive = problems
            .read("audit.keep.archive", self.archive, None, |text| path(base, &text).map(Some));
        let mut recipients = Vec::new();
        for (index, text) in self.recipients.iter().enumerate() {
            match text.parse() {
                Ok(recipient) => recipients.push(recipient),
                Err(error) => {
                    problems.add(format!("audit.keep.recipients[{index}]"), format!("{error}"));
                }
            }
        }
        if self.recipients.len() > MOST_RECIPIENTS {
            problems.add("audit.keep.recipients", format!("must be at most {MOST_RECIPIENTS}"));
        }
        if time.is_some() && archive.is_none() {
            problems
                .add("audit.keep.archive", "must be named where `time` is: nothing goes unseen");
        }
        if archive.is_some() && self.recipients.is_empty() {
            problems.add("audit.keep.recipients", "must name who can open the archive");
        }
        KeepSettings { time, archive, recipients }
    }
}
