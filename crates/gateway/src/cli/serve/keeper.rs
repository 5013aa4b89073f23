//! A running gateway in step with its settings, its keys and its clock.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use haechi_assembly::{Administrator, Assembly, Settings, Watch};
use haechi_identity::KeyTurn;
use haechi_policy::PolicyWarning;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;

use super::tidy::tidy;
use crate::cli::carriers::Carriers;
use crate::cli::failure::chain;
use crate::gateway::Gateway;
use crate::observability::metrics;

/// How often the files of the settings are looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// How often what has ended is forgotten, signing keys take turns, and what is kept sealed is tidied.
const FORGET_INTERVAL: Duration = Duration::from_secs(3600);
/// Warnings of policies that were logged: each once, however often the policy is compiled again.
#[derive(Debug, Default)]
pub(super) struct Warned(HashSet<String>);

impl Warned {
    /// Logs what was not logged yet.
    pub(super) fn warn_of(&mut self, warnings: &[PolicyWarning]) {
        for warning in warnings {
            if self.0.insert(warning.to_string()) {
                tracing::warn!(%warning, "a rule may not do what it seems to");
            }
        }
    }
}

/// Keeps a running gateway in step with its settings.
pub(super) struct Keeper {
    pub(super) settings: Settings,
    pub(super) assembly: Assembly,
    pub(super) carriers: Carriers,
    pub(super) administrator: Administrator,
    pub(super) gateway: Arc<Gateway>,
    pub(super) new_keys: Arc<Notify>,
    pub(super) warned: Warned,
    /// The files of the settings as they are in force.
    pub(super) digests: Vec<(String, String)>,
}

impl Keeper {
    /// Never ends by itself.
    pub(super) async fn keep(&mut self) {
        let mut watch = Watch::new(self.settings.files());
        let mut looks = tokio::time::interval(LOOK_INTERVAL);
        let mut forgetting = tokio::time::interval(FORGET_INTERVAL);
        let mut hangup = signal(SignalKind::hangup()).ok();
        let mut learned = 0;
        loop {
            tokio::select! {
                _ = looks.tick() => {
                    if watch.changed() {
                        self.reload().await;
                        watch = Watch::new(self.settings.files());
                    }
                    self.recompile(&mut learned);
                    metrics::exported(&self.assembly.exports.states());
                },
                _ = heard(&mut hangup) => {
                    self.reload().await;
                    watch = Watch::new(self.settings.files());
                },
                () = self.new_keys.notified() => self.give_new_keys(),
                _ = forgetting.tick() => {
                    // On its own: an erasure that is finished reads whole files.
                    let keep = self.settings.audit.keep.clone();
                    let (rooms, administrator) =
                        (self.assembly.rooms.clone(), self.administrator.clone());
                    tokio::spawn(tidy(rooms, administrator, keep));
                    if let Err(error) = self.assembly.rooms.forget_ended().await {
                        tracing::warn!(error = chain(&error), "what has ended was not forgotten");
                    }
                    self.turn_keys().await;
                }
            }
        }
    }

    /// Lets signing keys take turns when it is time. Each step is recorded by whoever took it.
    async fn turn_keys(&self) {
        let turns = match self.assembly.rooms.identity.turn_keys().await {
            Ok(turns) => turns,
            Err(error) => {
                tracing::error!(error = chain(&error), "signing keys did not take turns");
                return;
            }
        };
        for turn in turns {
            let (act, key_id) = match turn {
                KeyTurn::Announced(key_id) => {
                    self.new_keys.notify_one();
                    ("key.announce", key_id)
                }
                KeyTurn::Activated(key_id) => ("key.rotate", key_id),
                KeyTurn::Retired(key_id) => ("key.retire", key_id),
            };
            tracing::info!(act, key_id, "done when it was time");
            let recorded = self.administrator.record(act, &key_id, vec!["done".to_owned()]).await;
            if let Err(error) = recorded {
                tracing::error!(error = chain(&error), act, "this was not recorded");
            }
        }
    }

    /// Reads settings and policies again. Whatever is wrong leaves the old ones in force.
    async fn reload(&mut self) {
        let Some(file) = self.settings.file.clone() else { return };
        let before = self.settings.clone();
        let taken = self.take(&file);
        // A version that was refused is named too; what it is held against is in force.
        let digests = self.settings.digests();
        let differing = differing(&self.digests, &digests);
        if taken.is_ok() {
            self.digests = digests;
        }
        let mut detail: Vec<String> = match taken {
            Ok(restart) => {
                for section in &restart {
                    tracing::warn!(section, "takes effect at the next start");
                }
                tracing::info!("the settings were read again and are in force");
                let restart = restart.into_iter().map(str::to_owned);
                let changed = before.changed_sections(&self.settings).into_iter();
                let done = std::iter::once("done".to_owned());
                done.chain(restart).chain(changed.map(|it| format!("changed:{it}"))).collect()
            }
            Err(why) => {
                tracing::error!(%why, "the settings were read again; the old ones stay in force");
                vec!["not-done".to_owned()]
            }
        };
        detail.extend(differing);
        let recorded = self.administrator.record("settings.reload", "settings", detail).await;
        if let Err(error) = recorded {
            tracing::error!(error = chain(&error), "reading the settings again was not recorded");
        }
    }

    /// Compiles the policy again when lists have shown tools it did not know: it then judges by the
    /// rules that can concern a tool, and says which rules fit none.
    fn recompile(&mut self, learned: &mut u64) {
        let version = self.assembly.guard.catalog().version();
        if std::mem::replace(learned, version) == version {
            return;
        }
        match self.assembly.recompile(&self.settings) {
            Ok(warnings) => self.warned.warn_of(&warnings),
            Err(error) => {
                tracing::error!(error = chain(&error), "the policy was not compiled again");
            }
        }
    }

    /// Puts a new version in force; names what of it needs another start.
    fn take(&mut self, file: &std::path::Path) -> Result<Vec<&'static str>, String> {
        let newer = Settings::load(file).map_err(|error| chain(&error))?;
        let carriers = self.carriers.next(&newer, &self.assembly.rooms, false);
        let carriers = carriers.map_err(|failure| failure.to_string())?;
        let warnings = self.assembly.reload(&newer).map_err(|error| chain(&error))?;
        self.warned.warn_of(&warnings);
        self.carriers = carriers;
        self.gateway.replace_routes(self.carriers.routes(self.settings.listen.anonymous));
        let restart = self.settings.needs_restart_for(&newer);
        self.settings = newer;
        Ok(restart)
    }

    /// Programs that verify our signature learn the keys at their start.
    fn give_new_keys(&mut self) {
        match self.carriers.next(&self.settings, &self.assembly.rooms, true) {
            Ok(carriers) => {
                self.carriers = carriers;
                let routes = self.carriers.routes(self.settings.listen.anonymous);
                self.gateway.replace_routes(routes);
            }
            Err(failure) => tracing::error!(%failure, "programs did not get the new keys"),
        }
    }

    /// Stops the children and closes the log.
    pub(super) async fn close(self) {
        self.carriers.stop().await;
        self.assembly.close().await;
    }
}

/// Which files are others now: what each was, and is.
fn differing(old: &[(String, String)], new: &[(String, String)]) -> Vec<String> {
    let gone = old.iter().filter(|file| !new.contains(file));
    let come = new.iter().filter(|file| !old.contains(file));
    let gone = gone.map(|(name, sha256)| format!("was:{name}:{sha256}"));
    gone.chain(come.map(|(name, sha256)| format!("is:{name}:{sha256}"))).collect()
}

async fn heard(signal: &mut Option<tokio::signal::unix::Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}
