//! Erasure: the keys go first, then everything that was found by them, and then the proof.
//!
//! Each step may be the last before the power goes: what was noted is enough to go on, every step may
//! be done twice, and the person is frozen from the first one on.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use haechi_core::{
    BoxFuture, ErasureStart, Sealed, Secret, Sid, StoreError, StoredErasure, SubjectKeyState,
    Timestamp,
};
use serde::{Deserialize, Serialize};

use crate::certificate::{
    Certificate, Deleted, DestroyedKey, FORM, KEPT, KeyCopy, Logged, remains, verdict,
};
use crate::erase_probe::{Probe, ProbeValue, Search, Where};
use crate::subject_sealer::NAME;
use crate::subjects::{PAGE, SubjectError, Subjects, of_keys};

/// What the control value is sealed for.
const CONTROL: &str = "erasure-control";
/// The most tokens of one person that are tried in a proof.
const MOST_TOKENS: usize = 1000;
/// The most openings that are tried with keys of others.
const MOST_TRIES: usize = 50_000;

/// What whoever erases says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErasureRequest {
    /// Who asked, or on what ground; stands in the certificate, so nothing personal.
    pub ground: String,
    /// Folders with ordinary backups, which are searched for the proof.
    pub backups: Vec<PathBuf>,
    /// What stands in the audit log sealed for the person, each with its purpose: it is tried in the
    /// proof too. An erasure that is finished after a crash goes without.
    pub sealed: Vec<(String, Sealed)>,
}

impl ErasureRequest {
    fn sealed(&self) -> Vec<ProbeValue> {
        let decoded = self.sealed.iter().filter_map(|(purpose, sealed)| {
            Some(ProbeValue::Sealed(purpose.clone(), URL_SAFE_NO_PAD.decode(&sealed.0).ok()?))
        });
        decoded.collect()
    }
}

/// What is noted before anything is destroyed.
#[derive(Debug, Serialize, Deserialize)]
struct Progress {
    ground: String,
    backups: Vec<PathBuf>,
    keys: Vec<DestroyedKey>,
    control: String,
    deleted: Deleted,
    before: Probe,
}

impl Subjects {
    /// Erases `sid`: nothing is protected for it from now on, its keys are destroyed in every version,
    /// its tokens and names are deleted, and the certificate says what a search through everything in
    /// use and all backups named in `request` still found. Asked again, goes on where it ended, or
    /// makes the proof anew.
    ///
    /// # Errors
    ///
    /// [`SubjectError::Held`] while a legal hold stands, [`SubjectError::Unknown`], and
    /// [`SubjectError::File`] for a folder that is not there. After any other the erasure has begun and is finished by asking again, or by [`Self::finish_erasures`].
    pub fn erase<'a>(
        &'a self,
        sid: &'a Sid,
        request: ErasureRequest,
    ) -> BoxFuture<'a, Result<Certificate, SubjectError>> {
        Box::pin(async move {
            // A folder that is misspelt must not be noticed when it is too late.
            for path in &request.backups {
                let found = std::fs::symlink_metadata(path);
                found.map_err(|source| SubjectError::File { path: path.clone(), source })?;
            }
            let start = self.stores.registry.begin_erasure(sid, self.clock.now()).await;
            let start = start.map_err(|error| match error {
                StoreError::Missing(_) => SubjectError::Unknown(sid.clone()),
                error => SubjectError::Store(error),
            })?;
            match start {
                ErasureStart::Held(holds) => Err(SubjectError::Held { sid: sid.clone(), holds }),
                ErasureStart::Begun(erasure) if erasure.finished_at.is_some() => {
                    self.prove_again(sid, request).await
                }
                ErasureStart::Begun(erasure) => self.go_on(erasure, request).await,
            }
        })
    }

    /// Finishes erasures that were cut off, and does anew those that were undone: where the registry
    /// has forgotten them because an older copy of it was restored, the keys remember, and where an
    /// older copy of the keys was put back, the registry does.
    ///
    /// # Errors
    ///
    /// The first [`SubjectError`].
    pub async fn finish_erasures(&self) -> Result<Vec<Certificate>, SubjectError> {
        let mut certificates = Vec::new();
        for erasure in self.stores.registry.erasures().await? {
            let state = self.stores.keys.keys(&erasure.sid).await?;
            let stands = matches!(state, SubjectKeyState::Destroyed(_));
            if erasure.finished_at.is_none() || !stands {
                let again = self.erase(&erasure.sid, ErasureRequest::default());
                certificates.push(again.await?);
            }
        }
        for sid in self.forgotten().await? {
            let ground = "erased before an older backup was restored".to_owned();
            match self.erase(&sid, ErasureRequest { ground, ..ErasureRequest::default() }).await {
                Err(SubjectError::Held { .. }) => {}
                done => certificates.push(done?),
            }
        }
        Ok(certificates)
    }

    /// The certificate of an erasure that is finished.
    ///
    /// # Errors
    ///
    /// [`SubjectError::Unknown`] when there is none.
    pub async fn certificate(&self, sid: &Sid) -> Result<Certificate, SubjectError> {
        let erasure = self.stores.registry.erasure(sid).await?;
        let erasure = erasure.filter(|erasure| erasure.finished_at.is_some());
        let record = erasure.ok_or_else(|| SubjectError::Unknown(sid.clone()))?.record;
        read(sid, &record.unwrap_or_default())
    }

    /// Notes in the certificate of a finished erasure where the audit log tells of it.
    ///
    /// # Errors
    ///
    /// As [`Self::certificate`].
    pub async fn certify(&self, sid: &Sid, logged: Logged) -> Result<Certificate, SubjectError> {
        let mut certificate = self.certificate(sid).await?;
        certificate.logged = Some(logged);
        let record = write(&certificate)?;
        self.stores.registry.finish_erasure(sid, &record, self.clock.now()).await?;
        Ok(certificate)
    }

    /// Makes the proof of a finished erasure once more: with other backups, or after a copy expired.
    ///
    /// # Errors
    ///
    /// As [`Self::certificate`].
    pub async fn prove_again(
        &self,
        sid: &Sid,
        request: ErasureRequest,
    ) -> Result<Certificate, SubjectError> {
        let mut certificate = self.certificate(sid).await?;
        let destroyed_at = self.stores.keys.destroy(sid, self.clock.now()).await?;
        let mut values = control(&certificate.control);
        values.extend(request.sealed());
        certificate.deleted.tokens += self.stores.tokens.delete_by_subject(sid).await?;
        certificate.after = self.search(sid, &certificate.keys, &values, request.backups).await?;
        // What is proved now, the entry of then does not say.
        certificate.logged = None;
        self.conclude(certificate, destroyed_at).await
    }

    async fn go_on(
        &self,
        erasure: StoredErasure,
        request: ErasureRequest,
    ) -> Result<Certificate, SubjectError> {
        let (sid, sealed) = (&erasure.sid, request.sealed());
        let progress: Progress = match &erasure.record {
            Some(record) => read(sid, record)?,
            None => self.prepare(sid, request).await?,
        };
        let destroyed_at = self.stores.keys.destroy(sid, self.clock.now()).await?;
        self.sealer.let_go(sid);
        let mut values = control(&progress.control);
        values.extend(self.values(sid).await?);
        values.extend(sealed);
        let mut deleted = progress.deleted;
        let tokens = self.stores.tokens.delete_by_subject(sid).await?;
        deleted.tokens = deleted.tokens.max(tokens);
        deleted.names = deleted.names.max(self.stores.registry.forget_names(sid).await?);
        let after = self.search(sid, &progress.keys, &values, progress.backups).await?;
        // Who had the key at hand may have protected one more value with it; it is dead already.
        deleted.tokens += self.stores.tokens.delete_by_subject(sid).await?;
        let certificate = Certificate {
            form: FORM.to_owned(),
            sid: sid.clone(),
            ground: progress.ground,
            verdict: crate::certificate::Verdict::NotErased,
            begun_at: erasure.begun_at.to_string(),
            destroyed_at: destroyed_at.to_string(),
            proved_at: String::new(),
            complete_from: None,
            keys: progress.keys,
            deleted,
            kept: KEPT.to_owned(),
            before: progress.before,
            after,
            remains: Vec::new(),
            subject_key_backups: Vec::new(),
            logged: None,
            control: progress.control,
        };
        self.conclude(certificate, destroyed_at).await
    }

    /// What the search came to, kept.
    async fn conclude(
        &self,
        mut certificate: Certificate,
        destroyed_at: Timestamp,
    ) -> Result<Certificate, SubjectError> {
        let now = self.clock.now();
        let mut copies = self.stores.registry.key_backups(now).await?;
        copies.retain(|copy| copy.made_at <= destroyed_at);
        let (verdict, complete_from) = verdict(&certificate.after, &copies, destroyed_at);
        certificate.verdict = verdict;
        certificate.complete_from = complete_from;
        certificate.remains = remains(&certificate.after, &copies);
        certificate.subject_key_backups = copies.iter().map(KeyCopy::from).collect();
        certificate.proved_at = now.to_string();
        let record = write(&certificate)?;
        self.stores.registry.finish_erasure(&certificate.sid, &record, now).await?;
        Ok(certificate)
    }

    /// Seals a control value, looks for the keys where they must be found, and notes all of it.
    async fn prepare(&self, sid: &Sid, request: ErasureRequest) -> Result<Progress, SubjectError> {
        let in_log = request.sealed();
        let mut progress = Progress {
            ground: request.ground,
            backups: request.backups,
            keys: Vec::new(),
            control: String::new(),
            deleted: Deleted::default(),
            before: Probe::default(),
        };
        if let SubjectKeyState::Kept(keys) = self.stores.keys.keys(sid).await? {
            let digest = |wrapped: &[u8]| {
                let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, wrapped);
                digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
            };
            let named = |key: &haechi_core::StoredSubjectKey| DestroyedKey {
                version: key.version,
                wrapped_sha256: digest(&key.wrapped_key),
            };
            progress.keys = keys.iter().map(named).collect();
            let sealed = self.sealer.seal_control(sid, CONTROL, &keys).map_err(of_keys)?;
            progress.control = URL_SAFE_NO_PAD.encode(sealed);
            let mut values = control(&progress.control);
            values.extend(self.values(sid).await?);
            values.extend(in_log);
            let wheres = Where { files: self.stores.keys.raw()?, backups: Vec::new() };
            progress.before = self.look(sid, &progress.keys, &values, wheres).await?;
        }
        let names = self.stores.registry.names(sid).await?;
        progress.deleted = Deleted {
            keys: progress.keys.len(),
            tokens: u64::try_from(self.tokens(sid).await?.len()).unwrap_or(u64::MAX),
            names: u64::try_from(names.len()).unwrap_or(u64::MAX),
        };
        self.stores.registry.note_erasure(sid, &write(&progress)?).await?;
        Ok(progress)
    }

    /// What is sealed for the person: names and tokens.
    async fn values(&self, sid: &Sid) -> Result<Vec<ProbeValue>, SubjectError> {
        let names = self.stores.registry.names(sid).await?;
        let names = names.into_iter().filter_map(|name| name.sealed);
        let names = names.map(|sealed| ProbeValue::Sealed(NAME.to_owned(), sealed));
        let tokens = self.tokens(sid).await?.into_iter().take(MOST_TOKENS);
        Ok(names.chain(tokens.map(ProbeValue::Token)).collect())
    }

    /// Searches everything in use, and `backups`.
    async fn search(
        &self,
        sid: &Sid,
        keys: &[DestroyedKey],
        values: &[ProbeValue],
        backups: Vec<PathBuf>,
    ) -> Result<Probe, SubjectError> {
        let mut files = self.stores.keys.raw()?;
        files.extend(self.stores.registry.raw()?);
        self.look(sid, keys, values, Where { files, backups }).await
    }

    async fn look(
        &self,
        sid: &Sid,
        keys: &[DestroyedKey],
        values: &[ProbeValue],
        wheres: Where,
    ) -> Result<Probe, SubjectError> {
        let lookup = self.known(sid).await?.lookup;
        // One more than is known: a version that was being made when the erasure began.
        let versions = keys.iter().map(|key| key.version).max().unwrap_or(0).saturating_add(1);
        let search = Search::new(self.sealer.clone(), sid, &lookup, versions);
        let search = search.through(wheres).await?;
        let others = self.keys_of_others(sid, MOST_TRIES / values.len().max(1)).await?;
        Ok(search.open(sid, values, &others, &*self.values).await)
    }

    /// At most `most` keys of everybody else.
    async fn keys_of_others(&self, sid: &Sid, most: usize) -> Result<Vec<Secret>, SubjectError> {
        let mut others = Vec::new();
        let mut after = None;
        while others.len() < most {
            let page = self.stores.keys.list(after.as_ref(), PAGE).await?;
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
            for (other, state) in page.into_iter().filter(|(other, _)| other != sid) {
                let SubjectKeyState::Kept(keys) = state else { continue };
                let root = self.sealer.root();
                let keys = keys.iter().map(|it| root.unwrap(&other, it.version, &it.wrapped_key));
                others.extend(keys.flatten());
            }
        }
        others.truncate(most);
        Ok(others)
    }

    /// People whose keys were destroyed and whose erasure the registry does not know of.
    async fn forgotten(&self) -> Result<Vec<Sid>, SubjectError> {
        let mut forgotten = Vec::new();
        for (sid, _) in self.stores.keys.tombstones().await? {
            let known = self.stores.registry.with_sid(&sid).await?;
            if known.is_some_and(|known| known.erasing_since.is_none()) {
                forgotten.push(sid);
            }
        }
        Ok(forgotten)
    }
}

fn control(text: &str) -> Vec<ProbeValue> {
    match URL_SAFE_NO_PAD.decode(text) {
        Ok(sealed) if !sealed.is_empty() => vec![ProbeValue::Sealed(CONTROL.to_owned(), sealed)],
        _ => Vec::new(),
    }
}

fn read<T: serde::de::DeserializeOwned>(sid: &Sid, record: &str) -> Result<T, SubjectError> {
    serde_json::from_str(record).map_err(|_| SubjectError::Record(sid.clone()))
}

fn write(record: &impl Serialize) -> Result<String, SubjectError> {
    serde_json::to_string(record)
        .map_err(|error| SubjectError::Store(StoreError::Unavailable(Box::new(error))))
}
