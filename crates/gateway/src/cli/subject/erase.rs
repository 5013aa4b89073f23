//! Erasure, with its certificate.

use std::io::{BufRead as _, IsTerminal as _, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use haechi_assembly::{Act, Done, Rooms, Work, certificate_text};
use haechi_audit::note::{Note, Signature};
use haechi_core::{Secret, Sid};
use haechi_vault::{Certificate, ErasureRequest, Verdict};

use super::{Who, log, of_subject};
use crate::cli::context::Context;
use crate::cli::failure::{Failure, NO};
use crate::cli::secret::write_private;
use crate::cli::table::json as print_json;
use crate::cli::work::Job;

#[derive(Debug, Args)]
pub(in crate::cli) struct Erase {
    #[command(flatten)]
    who: Who,
    /// Who asked, or on what ground; it stands in the certificate, so nothing personal
    #[arg(long, value_name = "TEXT")]
    ground: String,
    /// A folder with backups, to be searched for the proof; may be given several times
    #[arg(long, value_name = "DIR")]
    backup: Vec<PathBuf>,
    /// Where the certificate is written, as a note that the audit log signed; `erasure-<SID>.note` in
    /// the present folder by default
    #[arg(long, value_name = "FILE")]
    certificate: Option<PathBuf>,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// Print the certificate
    #[arg(long)]
    json: bool,
}

impl Erase {
    pub(in crate::cli) async fn run(
        self,
        context: &Context,
        out: &mut dyn Write,
    ) -> Result<ExitCode, Failure> {
        let rooms = context.rooms().await?;
        let sid = self.who.sid(&rooms).await?;
        // Nothing could be administered here any more: every act is recorded under this name.
        if rooms.operator().await.is_ok_and(|operator| operator == sid) {
            let whom = format!("`{sid}` is whoever administers this data directory");
            return Err(Failure::no(whom).help("name the person who is to be erased"));
        }
        self.confirm(context, &sid)?;
        let (records, _) = log::records(rooms.directory.path(), &sid)?;
        let request = ErasureRequest {
            ground: self.ground.clone(),
            // Whoever finishes an erasure that was cut off may stand in another folder.
            backups: self.backup.iter().map(|it| it.canonicalize().unwrap_or(it.clone())).collect(),
            sealed: log::sealed(&records, &sid),
        };
        let job = Job::new(Work::SubjectErase, &sid.0).with("backups", self.backup.len());
        let certificate = job.run(context, async {
            let forgotten = rooms.accounts.remove_all(&sid).await;
            forgotten.map_err(|error| Failure::of(&error))?;
            // Whose account this is, only the names tell, and they go with everything else; who was
            // erased before has none any more.
            let names = rooms.safe.subjects.names(&sid).await.unwrap_or_default();
            let certificate = rooms.safe.subjects.erase(&sid, request).await;
            let certificate = certificate.map_err(of_subject)?;
            let forgotten = rooms.forget_access(&names).await;
            forgotten.map_err(|error| Failure::of(&error))?;
            let verdict = format!("verdict:{}", word(certificate.verdict));
            Ok(((), vec![verdict]))
        });
        certificate.await?;
        let (certificate, note) = certified(context, &rooms, &sid).await?;
        let file = self.certificate.clone();
        let file = file.unwrap_or_else(|| PathBuf::from(format!("erasure-{sid}.note")));
        // A line end is added to what is written.
        let text = note.to_string();
        let text = text.strip_suffix('\n').unwrap_or(&text);
        write_private(&file, &Secret::new(text.as_bytes().to_vec()))?;
        if self.json {
            print_json(out, &certificate)?;
        } else {
            tell(out, &certificate)?;
            writeln!(out, "certificate: {}", file.display())?;
            writeln!(
                out,
                "an account stays until `haechi user remove`; all its requests are refused"
            )?;
        }
        Ok(ExitCode::from(if certificate.verdict == Verdict::NotErased { NO } else { 0 }))
    }

    /// Nobody is erased by a slip.
    fn confirm(&self, context: &Context, sid: &Sid) -> Result<(), Failure> {
        if self.yes {
            return Ok(());
        }
        if !std::io::stdin().is_terminal() {
            return Err(Failure::unknown("there is no terminal to ask on").help("add `--yes`"));
        }
        let question = context.say(
            &format!("Erase {sid} for good? Write `erase`: "),
            &format!("{sid}의 정보를 영구히 삭제합니까? `erase`를 입력하세요: "),
        );
        let mut err = std::io::stderr();
        write!(err, "{question}").and_then(|()| err.flush())?;
        let mut typed = String::new();
        std::io::stdin().lock().read_line(&mut typed)?;
        if typed.trim() == "erase" { Ok(()) } else { Err(Failure::no("nothing was erased")) }
    }
}

/// The certificate with where the log tells of it, and the same as a note that the log signed.
async fn certified(
    context: &Context,
    rooms: &Rooms,
    sid: &Sid,
) -> Result<(Certificate, Note), Failure> {
    let done = context.administer(Act::CertifyErasure { sid: sid.to_string() }).await?;
    let Done::Certified { signatures } = done else {
        return Err(Failure::unknown("the certificate was not signed"));
    };
    let certificate = rooms.safe.subjects.certificate(sid).await.map_err(of_subject)?;
    let origin = certificate.logged.as_ref().map_or("", |logged| logged.origin.as_str());
    let lines = certificate_text(&certificate);
    let text = std::iter::once(format!("{origin}/erasure")).chain(lines);
    let text = text.fold(String::new(), |text, line| text + &line + "\n");
    let mut note = Note::new(text).map_err(|error| Failure::of(&error))?;
    for line in signatures {
        let signature = line.parse::<Signature>().map_err(|error| Failure::of(&error))?;
        note.add(signature);
    }
    Ok((certificate, note))
}

const fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Erased => "erased",
        Verdict::ErasedOnceCopiesAreGone => "erased-once-copies-are-gone",
        Verdict::NotErased => "not-erased",
    }
}

fn tell(out: &mut dyn Write, certificate: &Certificate) -> Result<(), Failure> {
    let deleted = &certificate.deleted;
    writeln!(out, "{}", word(certificate.verdict))?;
    writeln!(
        out,
        "{} keys, {} tokens, {} names; {} files searched",
        deleted.keys,
        deleted.tokens,
        deleted.names,
        certificate.after.files.len()
    )?;
    if let Some(from) = &certificate.complete_from {
        writeln!(out, "complete from {from}")?;
    }
    for copy in &certificate.subject_key_backups {
        writeln!(out, "copy of keys {} until {}", copy.backup_id, copy.expires_at)?;
    }
    for file in &certificate.remains {
        writeln!(out, "a key remains in {}: destroy it and ask again", file.display())?;
    }
    for path in &certificate.after.unsearched {
        writeln!(out, "not searched: {}", path.display())?;
    }
    Ok(())
}
