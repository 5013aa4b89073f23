//! What archiving and giving up share: which segments, and where they go.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use haechi_assembly::settings::{AuditSettings, read_duration};
use haechi_assembly::{MOST_ARCHIVES, Rooms, Work};
use haechi_audit::retention::{Archive, Archived, Recipient, WholeSegment, archive_all};
use haechi_audit::retention::{RecipientError, whole_segments};

use crate::cli::context::Context;
use crate::cli::failure::{Failure, chain};
use crate::cli::work::Job;

/// Bytes that are archived together, so that whoever reads them again answers in time.
const MOST_BYTES: u64 = 1 << 30;

/// Which segments: whole ones, the oldest.
#[derive(Debug, Args)]
pub(super) struct Which {
    /// Those that end before this entry
    #[arg(long, value_name = "ENTRY")]
    before: Option<u64>,
    /// Those all of whose entries are older, such as `400d`; `audit.keep.time` by default
    #[arg(long, value_name = "DURATION", conflicts_with = "before")]
    older_than: Option<String>,
}

/// Where archives go.
#[derive(Debug, Args)]
pub(super) struct Where {
    /// An existing folder; `audit.keep.archive` by default
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
    /// Who can open them, as `age-keygen` prints it; may be given several times;
    /// `audit.keep.recipients` by default
    #[arg(long, value_name = "age1…")]
    recipient: Vec<String>,
}

impl Which {
    /// The segments of the log in `directory` that are meant, oldest first.
    pub(super) fn of(
        &self,
        directory: &Path,
        settings: &AuditSettings,
        rooms: &Rooms,
    ) -> Result<Vec<WholeSegment>, Failure> {
        let whole = whole_segments(directory).map_err(|error| Failure::of(&error))?;
        let mut whole = whole.into_iter();
        if let Some(before) = self.before {
            return Ok(whole.filter(|segment| segment.last < before).collect());
        }
        let named = self.older_than.as_deref().map(read_duration).transpose();
        let time = named.map_err(Failure::unknown)?.or(settings.keep.time);
        let time = time.ok_or_else(|| {
            Failure::unknown("nothing says how old entries must be")
                .help("name `--older-than 400d` or `--before ENTRY`, or set `audit.keep.time`")
        })?;
        let before = rooms.clock.now().before(time);
        Ok(whole.by_ref().take_while(|segment| segment.over_since < before).collect())
    }
}

impl Where {
    pub(super) fn of(&self, settings: &AuditSettings, node: &str) -> Result<Archive, Failure> {
        let folder = self.to.clone().or_else(|| settings.keep.archive.clone());
        let folder = folder.ok_or_else(|| {
            Failure::unknown("nothing says where archives go")
                .help("name `--to DIR`, or set `audit.keep.archive`")
        })?;
        let named: Result<Vec<Recipient>, RecipientError> =
            self.recipient.iter().map(|text| text.parse()).collect();
        let named = named.map_err(|error| Failure::unknown(chain(&error)).help(error.help()))?;
        let recipients = if named.is_empty() { settings.keep.recipients.clone() } else { named };
        if recipients.is_empty() {
            return Err(Failure::unknown("nothing says who can open the archives")
                .help("name `--recipient age1…`, or set `audit.keep.recipients`"));
        }
        Ok(Archive { folder, recipients, node: node.to_owned() })
    }
}

/// Cuts `segments` into batches that are archived, recorded and given up together.
pub(super) fn batches(segments: Vec<WholeSegment>) -> Vec<Vec<WholeSegment>> {
    let mut batches: Vec<Vec<WholeSegment>> = Vec::new();
    let mut bytes = 0;
    for segment in segments {
        let size = std::fs::metadata(&segment.path).map_or(0, |found| found.len());
        match batches.last_mut() {
            Some(batch) if batch.len() < MOST_ARCHIVES && bytes + size <= MOST_BYTES => {
                bytes += size;
                batch.push(segment);
            }
            _ => {
                bytes = size;
                batches.push(vec![segment]);
            }
        }
    }
    batches
}

/// Archives one batch, recorded before and after.
pub(super) async fn archive_batch(
    context: &Context,
    rooms: &Rooms,
    batch: Vec<WholeSegment>,
    to: &Archive,
) -> Result<Vec<Archived>, Failure> {
    let first = batch.first().map_or(0, |segment| segment.first);
    let last = batch.last().map_or(0, |segment| segment.last);
    let job = Job::new(Work::AuditArchive, "audit").with("entries", format!("{first}-{last}"));
    job.run(context, async {
        let (directory, to) = (rooms.directory.audit(), to.clone());
        let entropy = Arc::clone(&rooms.entropy);
        let work = move || archive_all(&directory, &batch, &to, &*entropy);
        let archived = tokio::task::spawn_blocking(work).await;
        let archived = archived.map_err(|_| Failure::unknown("the work was cut off"))?;
        let archived =
            archived.map_err(|error| Failure::unknown(chain(&error)).help(error.help()))?;
        let found = archived.iter().map(|it| format!("{}-{}:{}", it.first, it.last, it.sha256));
        let found = found.collect();
        Ok((archived, found))
    })
    .await
}
