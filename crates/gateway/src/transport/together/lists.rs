//! Lists of all upstreams as one page.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use futures::future::join_all;
use haechi_core::json::{Checked, Editor, Limits, Text, quote};
use haechi_core::rpc::{RequestId, method};
use haechi_core::{Action, Era};
use haechi_guard::{Answer, AnswerItem, Refusal, UpstreamFailure};
use tokio::sync::mpsc;

use super::conversation::Target;
use super::errand::{self, Errand, Part};
use super::merge::list_members;
use super::outward::Outcome;
use super::streams::{WAITING, with_asides};

/// Pages of one upstream that are read.
const MAX_PAGES: usize = 50;
/// All entries together, in bytes; below what one message may hold.
const MAX_BYTES: usize = 12 << 20;
/// What an entry costs besides its text, so that tiny ones are bounded in number too.
const ENTRY_BYTES: usize = 16;

/// Numbers the requests for further pages: an id is used once in a session.
static PAGE: AtomicU64 = AtomicU64::new(0);

/// The member of a list's result that holds its entries; `None` for what is no list.
pub(super) fn entries(asked: &str) -> Option<&'static str> {
    Some(match asked {
        method::TOOLS_LIST => "tools",
        method::PROMPTS_LIST => "prompts",
        method::RESOURCES_LIST => "resources",
        method::RESOURCES_TEMPLATES_LIST => "resourceTemplates",
        method::SKILLS_LIST => "skills",
        method::TASKS_LIST => "tasks",
        _ => return None,
    })
}

/// Everything one upstream lists, renamed.
struct Shelf {
    entries: Vec<String>,
    /// The pages it came on.
    pages: Vec<Checked>,
}

impl Errand {
    /// Asks everyone for all their pages and puts them together in the order of the settings. Who
    /// fails is left out.
    ///
    /// # Errors
    ///
    /// The first [`Refusal`] when nobody lists anything; that a session has ended, so that the
    /// client begins anew.
    pub(super) async fn list(mut self, id: &RequestId, asked: &str) -> Result<Answer, Refusal> {
        let Some(member) = entries(asked) else { return self.nobodys().await };
        let cursor = self.body.text().path(&["params", "cursor"]);
        if cursor.is_some_and(|cursor| !cursor.is_null()) {
            // There is one page, so no cursor was ever given out.
            return self.nobodys().await;
        }
        self.foresee(Action::List);
        let (sender, aside) = mpsc::channel(WAITING);
        let own = id.clone();
        let work = async move {
            let _wait = self.waits_for_everyone(&own);
            let room = AtomicUsize::new(MAX_BYTES);
            let each = self.targets.iter().map(|target| self.shelf(target, member, &room, &sender));
            let shelves = join_all(each).await;
            self.put_together(&own, member, shelves)
        };
        with_asides(work, aside, id.clone()).await
    }

    fn put_together(
        &self,
        id: &RequestId,
        member: &str,
        shelves: Vec<Result<Shelf, Part>>,
    ) -> Result<Answer, Refusal> {
        let (mut entries, mut pages, mut failed) = (Vec::new(), Vec::new(), Vec::new());
        for (target, shelf) in self.targets.iter().zip(shelves) {
            match shelf {
                Ok(shelf) => {
                    entries.extend(shelf.entries);
                    pages.extend(shelf.pages);
                }
                Err(Part::Refused(refusal)) if has_ended(&refusal) => return Err(refusal),
                Err(part) => {
                    self.leave_out(target, &part);
                    failed.push(part);
                }
            }
        }
        if pages.is_empty() {
            return errand::nothing_of(failed, id);
        }
        let more = list_members(self.era(), pages.iter().map(Checked::text));
        Ok(errand::result(id, &format!("{{{}:[{}]{more}}}", quote(member), entries.join(","))))
    }

    /// Follows one upstream's cursors to their end.
    async fn shelf(
        &self,
        target: &Target,
        member: &str,
        room: &AtomicUsize,
        aside: &mpsc::Sender<AnswerItem>,
    ) -> Result<Shelf, Part> {
        let mut shelf = Shelf { entries: Vec::new(), pages: Vec::new() };
        let mut body = self.body.clone();
        for _ in 0..MAX_PAGES {
            let page = match self.ask(target, body, aside).await {
                Part::Result(page) => page,
                other => return Err(other),
            };
            let renamed = match self.outward(target.name()).message(&page) {
                Outcome::Same => page,
                Outcome::Renamed(renamed) => renamed,
                Outcome::Dropped(_) => return Err(nonsense(target)),
            };
            let result = renamed.text().member("result");
            let list = result.and_then(|result| result.member(member));
            for entry in list.into_iter().flat_map(Text::elements) {
                if !takes(room, entry.raw().len() + ENTRY_BYTES) {
                    tracing::warn!(upstream = target.name().as_str(), member, "a list is cut");
                    shelf.pages.push(renamed.clone());
                    return Ok(shelf);
                }
                shelf.entries.push(entry.raw().to_owned());
            }
            let next = result.and_then(|result| result.member("nextCursor"));
            let next = next.filter(|next| !next.is_null()).map(|next| next.raw().to_owned());
            shelf.pages.push(small(&renamed, self.era()));
            let Some(cursor) = next else { return Ok(shelf) };
            body = self.page(&cursor).ok_or_else(|| nonsense(target))?;
        }
        tracing::warn!(upstream = target.name().as_str(), member, "a list has too many pages");
        Ok(shelf)
    }

    /// The client's request for the page behind `cursor`, under an id of ours.
    fn page(&self, cursor: &str) -> Option<Checked> {
        let text = self.body.text();
        let number = PAGE.fetch_add(1, Ordering::Relaxed);
        let mut editor = Editor::new(text);
        editor.set_member(text, "id", quote(&format!("haechi-page-{number}")));
        match text.member("params") {
            Some(params) => editor.set_member(params, "cursor", cursor),
            None => editor.set_member(text, "params", format!(r#"{{"cursor":{cursor}}}"#)),
        };
        Checked::new(editor.finish().ok()?.into(), &Limits::WIRE).ok()
    }
}

/// What of a page is still asked about once its entries were taken: how fresh it is.
fn small(page: &Checked, era: Era) -> Checked {
    let ttl = page.text().path(&["result", "ttlMs"]).map_or("0", Text::raw);
    let text = format!(r#"{{"result":{{"ttlMs":{ttl}}}}}"#);
    let small = (era == Era::Modern).then(|| Checked::new(text.into(), &Limits::WIRE).ok());
    small.flatten().unwrap_or_else(|| page.clone())
}

/// Takes `bytes` of the room that is left; `false` when there is not enough.
fn takes(room: &AtomicUsize, bytes: usize) -> bool {
    let left = |left: usize| left.checked_sub(bytes);
    room.fetch_update(Ordering::Relaxed, Ordering::Relaxed, left).is_ok()
}

/// Whether the client has to begin anew.
fn has_ended(refusal: &Refusal) -> bool {
    matches!(
        refusal,
        Refusal::UnknownHandle("session")
            | Refusal::Upstream { failure: UpstreamFailure::SessionEnded(_), .. }
    )
}

fn nonsense(target: &Target) -> Part {
    let (upstream, what) = (target.name().clone(), "a list that cannot be read");
    let failure = UpstreamFailure::Nonsense { upstream, what };
    Part::Refused(Refusal::Upstream { failure, entry: None })
}
