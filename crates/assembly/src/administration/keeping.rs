//! What of the audit log is held, given up and certified.

use std::sync::Arc;

use haechi_audit::export::confirmed;
use haechi_audit::retention::{
    Archive, Archived, Hold, Holds, Pruned, Pruning, WholeSegment, archive_all, whole_segments,
};
use haechi_core::Sid;
use haechi_vault::{Certificate, Logged};

use super::{Administrator, Failure};
use crate::settings::KeepSettings;
use crate::{Act, Done, MOST_ARCHIVES, Rooms};

/// What cursors of exports call the gateway's log.
const LOG: &str = "audit";

impl Act {
    /// Whether it is about what is kept.
    pub(super) const fn is_of_keeping(&self) -> bool {
        matches!(
            self,
            Self::HoldLog { .. }
                | Self::ReleaseLog { .. }
                | Self::PruneLog { .. }
                | Self::CertifyErasure { .. }
        )
    }
}

/// What an entry says of a pruning: where it ends, and what stands in which archive.
pub(super) fn told(minimum: u64, archived: Option<&[Archived]>) -> Vec<String> {
    let mut detail = vec![format!("minimum:{minimum}")];
    match archived {
        None => detail.push("without-archive".to_owned()),
        Some(archived) => detail.extend(archived.iter().take(MOST_ARCHIVES).map(archive_word)),
    }
    detail
}

fn archive_word(it: &Archived) -> String {
    format!("archive:{}-{}:{}", it.first, it.last, it.sha256)
}

/// What the signatures of a certificate sign below the line that names the log: the certificate itself,
/// as JSON on several lines.
#[must_use]
pub fn certificate_text(certificate: &Certificate) -> Vec<String> {
    let text = serde_json::to_string_pretty(certificate).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

impl Rooms {
    /// The names of all holds that stand against destroying anything: those on the log, and those on
    /// persons, as `SID:HOLD`.
    ///
    /// # Errors
    ///
    /// [`Failure`] when nobody can tell.
    pub async fn standing_holds(&self) -> Result<Vec<String>, Failure> {
        let holds = Holds::read(&self.directory.audit())?;
        let mut names: Vec<String> = holds.all().iter().map(|hold| hold.name.clone()).collect();
        for sid in self.safe.subjects.held().await? {
            for hold in self.safe.subjects.holds(&sid).await? {
                names.push(format!("{sid}:{}", hold.hold_id));
            }
        }
        Ok(names)
    }

    /// Says no while a hold stands.
    ///
    /// # Errors
    ///
    /// [`Failure::Held`], or nobody can tell.
    pub async fn refuse_while_held(&self) -> Result<(), Failure> {
        let names = self.standing_holds().await?;
        if names.is_empty() { Ok(()) } else { Err(Failure::Held(names)) }
    }
}

impl Rooms {
    /// Says no while an export has not confirmed all entries of the gateway's log before `minimum`.
    ///
    /// # Errors
    ///
    /// [`Failure::NotExported`], or nobody can tell.
    pub fn refuse_unexported(&self, minimum: u64) -> Result<(), Failure> {
        let exported = confirmed(self.directory.path(), LOG, &self.directory.audit())?;
        match exported.into_iter().find(|(_, next)| *next < minimum) {
            Some((sink, next)) => Err(Failure::NotExported { sink, next }),
            None => Ok(()),
        }
    }
}

impl Administrator {
    /// Does an act of keeping, which the entry `asked` tells of.
    pub(super) async fn keep(&self, act: Act, asked: u64) -> Result<Done, Failure> {
        let directory = self.rooms.directory.audit();
        if let Act::CertifyErasure { sid } = act {
            return self.certify(&Sid(sid.into()), asked).await;
        }
        let _one = self.keeping.lock().await;
        match act {
            Act::HoldLog { name, reason } => {
                let since = self.rooms.clock.now();
                Holds::read(&directory)?.add(Hold { name, reason, since })?;
                Ok(Done::Changed { changed: true })
            }
            Act::ReleaseLog { name } => {
                Ok(Done::Changed { changed: Holds::read(&directory)?.remove(&name)? })
            }
            Act::PruneLog { minimum, archived } => self.prune(minimum, archived).await,
            _ => Ok(Done::Changed { changed: false }),
        }
    }

    async fn prune(&self, minimum: u64, archived: Option<Vec<Archived>>) -> Result<Done, Failure> {
        if archived.as_ref().is_some_and(|archived| archived.len() > MOST_ARCHIVES) {
            return Err(Failure::TooManyArchives);
        }
        self.rooms.refuse_while_held().await?;
        self.rooms.refuse_unexported(minimum)?;
        // What is given up must be under a checkpoint, and the entry that says so too.
        self.audit.checkpoint_now().await.map_err(Failure::NotSigned)?;
        let (audit, pruning) = (self.audit.clone(), Pruning { minimum, archived });
        let pruned = tokio::task::spawn_blocking(move || audit.prune(&pruning)).await;
        let Pruned { minimum, segments, entries } = pruned.map_err(|_| Failure::CutOff)??;
        Ok(Done::Pruned { minimum, segments, entries })
    }

    /// Signs a certificate that the vault keeps: nothing is signed that this process has not read
    /// itself.
    async fn certify(&self, sid: &Sid, asked: u64) -> Result<Done, Failure> {
        let subjects = &self.rooms.safe.subjects;
        // Whether there is anything to be signed comes first.
        subjects.certificate(sid).await?;
        let signed = self.audit.checkpoint_now().await.map_err(Failure::NotSigned)?;
        let checkpoint = &signed.checkpoint;
        let logged = Logged {
            entry: self.audit.entry_id(asked),
            origin: checkpoint.origin().to_owned(),
            size: checkpoint.size(),
            root: checkpoint.root().to_string(),
        };
        let certificate = subjects.certify(sid, logged).await?;
        let note = self.audit.state("erasure", &certificate_text(&certificate));
        let note = note.map_err(Failure::NotSigned)?;
        let signatures = note.signatures().iter().map(ToString::to_string).collect();
        Ok(Done::Certified { signatures })
    }

    /// Signs the certificate of an erasure that the program brought to its end by itself.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub async fn certify_erasure(&self, sid: &Sid) -> Result<Done, Failure> {
        let uid = crate::directory::owner(self.rooms.directory.path()).unwrap_or(u32::MAX);
        self.perform(Act::CertifyErasure { sid: sid.to_string() }, uid).await
    }

    /// Archives and gives up what is older than the settings keep, in the name of whoever owns the data
    /// directory: at most [`MOST_ARCHIVES`] segments, the rest the next time. Answers what went.
    ///
    /// # Errors
    ///
    /// [`Failure::Held`] while a hold stands, and others; then nothing was given up.
    pub async fn give_up_old(&self, keep: &KeepSettings) -> Result<Option<Done>, Failure> {
        let (Some(time), Some(folder)) = (keep.time, &keep.archive) else { return Ok(None) };
        let directory = self.rooms.directory.audit();
        let before = self.rooms.clock.now().before(time);
        let whole = whole_segments(&directory)?;
        // What cannot go is not archived, or each hour would leave another archive of the same.
        let needed = self.audit.needed_from();
        let old = whole.into_iter().take_while(|it| it.over_since < before && it.last < needed);
        let old: Vec<WholeSegment> = old.take(MOST_ARCHIVES).collect();
        let Some(last) = old.last() else { return Ok(None) };
        let minimum = last.last.saturating_add(1);
        self.rooms.refuse_while_held().await?;
        self.rooms.refuse_unexported(minimum)?;
        self.audit.checkpoint_now().await.map_err(Failure::NotSigned)?;
        let to = Archive {
            folder: folder.clone(),
            recipients: keep.recipients.clone(),
            node: self.audit.node().to_owned(),
        };
        let entropy = Arc::clone(&self.rooms.entropy);
        let archiving = move || archive_all(&directory, &old, &to, &*entropy);
        let archived = tokio::task::spawn_blocking(archiving).await;
        let archived = Some(archived.map_err(|_| Failure::CutOff)??);
        let uid = crate::directory::owner(self.rooms.directory.path()).unwrap_or(u32::MAX);
        self.perform(Act::PruneLog { minimum, archived }, uid).await.map(Some)
    }
}
