//! Whether logs are what was signed.

use std::path::Path;

use haechi_audit::logs;
use haechi_audit::note::VerifierKey;
use haechi_audit::view::{Demand, Progress, Report, Verdict, View};
use indicatif::ProgressBar;

use super::super::whom::Whom;
use crate::cli::failure::{COULD_NOT_TELL, Failure, NO, chain};

/// What is known of one log.
#[derive(Debug)]
pub(super) struct State {
    pub(super) log: String,
    /// The key that was believed.
    pub(super) key: Option<VerifierKey>,
    /// Whether it was named by whoever asks, and not found beside the log.
    pub(super) key_is_given: bool,
    /// What the verification found, or why there was none.
    pub(super) found: Result<Box<Report>, String>,
}

impl State {
    pub(super) fn code(&self) -> u8 {
        match self.found.as_ref().map(|report| report.verdict()) {
            Ok(Verdict::Whole) => 0,
            Ok(Verdict::Changed) => NO,
            Ok(Verdict::Open) | Err(_) => COULD_NOT_TELL,
        }
    }
}

/// Verifies every log below `data`. Who is believed for the gateway's own is said by `whom`; the
/// logs of `haechi run` have keys of their own.
pub(super) fn of_all(data: &Path, whom: &Whom, bar: &ProgressBar) -> Result<Vec<State>, Failure> {
    let logs = logs(data)
        .map_err(|error| Failure::unknown(format!("the logs cannot be listed: {error}")))?;
    logs.into_iter().map(|(name, directory)| of(name, &directory, whom, bar)).collect()
}

fn of(log: String, directory: &Path, whom: &Whom, bar: &ProgressBar) -> Result<State, Failure> {
    let key_is_given = log == "audit" && !whom.is_own_word();
    let untold = |log, why| State { log, key: None, key_is_given, found: Err(why) };
    let view = match View::open(directory) {
        Ok(view) => view,
        Err(error) => return Ok(untold(log, chain(&error))),
    };
    let trust = match view.own_trust() {
        // What was named wrongly is the asker's mistake and no state of the log.
        _ if key_is_given => whom.trust(&view)?,
        Ok(trust) => trust,
        Err(error) => return Ok(untold(log, chain(&error))),
    };
    let tell = |progress: Progress| bar.set_position(progress.done);
    let demand = Demand { progress: Some(&tell), ..Demand::new(&trust) };
    let found = view.verify(&demand).map(Box::new).map_err(|error| chain(&error));
    Ok(State { log, key: trust.log.into_iter().next(), key_is_given, found })
}
