//! The room's one struct: finds what must stay unseen, and does with it what the settings say.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use haechi_core::json::{EditError, Text};
use haechi_core::{FindingCount, ProtectError, Protector, Sid};

use crate::detect::{Detector, LeafFinding, Target};
use crate::finding::Finding;
use crate::obligation::{Action, Direction, Obligations, Scene};
use crate::schema::{Held, Schemas, wants_number};
use crate::transform::{Leaf, Restoring, Sheet, Site, Wanted, is_copy, is_structured, leaves};

/// The largest value that is screened, in bytes.
pub const MAX_BYTES: usize = 4 << 20;
/// The most findings of one value.
pub const MAX_FINDINGS: usize = 20_000;
/// The most tokens that one value may hand back.
pub const MAX_TOKENS: usize = 4096;
/// How many findings the words of a refusal name.
const TOLD: usize = 5;

/// Why nothing was let through. No variant carries a value.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PrivacyError {
    /// The rules refuse what was found, or no other value fits the tool's output schema.
    #[error("personal data is not let through here: {}", Told(found))]
    Refused {
        /// Kinds and paths.
        found: Vec<FindingCount>,
    },
    /// There is more than is screened.
    #[error("this is more than privacy screens at once: at most {limit}")]
    TooMuch {
        /// What the limit is.
        limit: Limit,
    },
    /// The vault did not do its part.
    #[error("what must stay unseen could not be protected")]
    Protect(#[source] ProtectError),
    /// The findings do not fit the text.
    #[error("what was found could not be replaced")]
    Edit(#[source] EditError),
}

/// A limit of screening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Length in bytes.
    Bytes(usize),
    /// Number of findings.
    Findings(usize),
    /// Number of tokens handed back.
    Tokens(usize),
    /// Time in which the deep tier reads.
    Time(Duration),
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(limit) => write!(f, "{limit} bytes"),
            Self::Findings(limit) => write!(f, "{limit} findings"),
            Self::Tokens(limit) => write!(f, "{limit} tokens"),
            Self::Time(limit) => write!(f, "{} ms of reading", limit.as_millis()),
        }
    }
}

/// `EMAIL_ADDRESS in /customer/email, PERSON in /name and 3 more`
struct Told<'a>(&'a [FindingCount]);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, FindingCount { kind, path, .. }) in self.0.iter().take(TOLD).enumerate() {
            let between = if index > 0 { ", " } else { "" };
            write!(f, "{between}{kind}")?;
            if !path.is_empty() {
                write!(f, " in {path}")?;
            }
        }
        match self.0.len().saturating_sub(TOLD) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

/// What [`Privacy::screen`] made of a value.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Screening {
    /// The new text; `None`: nothing was changed.
    pub text: Option<String>,
    /// What was found and done.
    pub counts: Vec<FindingCount>,
}

/// What [`Privacy::restore`] made of a value.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Restored {
    /// The new text, which holds values in clear; `None`: nothing was opened.
    pub text: Option<String>,
    /// What was opened.
    pub counts: Vec<FindingCount>,
}

/// Shows what was found, never the text.
impl fmt::Debug for Screening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Screening {{ changed: {}, counts: {:?} }}", self.text.is_some(), self.counts)
    }
}

/// Shows what was opened, never the text.
impl fmt::Debug for Restored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Restored {{ changed: {}, counts: {:?} }}", self.text.is_some(), self.counts)
    }
}

/// Screens what goes to upstreams and what comes back.
#[derive(Debug)]
pub struct Privacy {
    detector: Arc<Detector>,
    obligations: Obligations,
    protector: Arc<dyn Protector>,
    schemas: Schemas,
    /// Whether a schema made values take another value of their form.
    formatted: AtomicBool,
}

impl Privacy {
    /// Finds by `detector`, decides by `obligations`, and protects by `protector`.
    #[must_use]
    pub fn new(
        detector: Arc<Detector>,
        obligations: Obligations,
        protector: Arc<dyn Protector>,
    ) -> Self {
        let schemas = Schemas::default();
        Self { detector, obligations, protector, schemas, formatted: AtomicBool::new(false) }
    }

    /// What is done with findings.
    #[must_use]
    pub const fn obligations(&self) -> &Obligations {
        &self.obligations
    }

    /// Opens what was protected here and handed back, where this caller may have it opened for this
    /// tool. What may not be opened stays as it is.
    ///
    /// # Errors
    ///
    /// [`PrivacyError::TooMuch`], and [`PrivacyError::Protect`] when the vault is not available.
    pub async fn restore(
        &self,
        scene: &Scene<'_>,
        json: Text<'_>,
    ) -> Result<Restored, PrivacyError> {
        self.restore_structured(scene, json, None).await
    }

    /// As [`Self::restore`] for arguments that `schema` is about: where it wants a number and the
    /// token stands for one, a number is put in.
    ///
    /// # Errors
    ///
    /// As [`Self::restore`].
    pub async fn restore_structured(
        &self,
        scene: &Scene<'_>,
        json: Text<'_>,
        schema: Option<&serde_json::Value>,
    ) -> Result<Restored, PrivacyError> {
        let openings = self.obligations.openings(scene);
        if openings.is_empty() {
            return Ok(Restored::default());
        }
        limit_bytes(json.raw())?;
        // Values of the same form can be told from others by the vault only.
        let found = if self.obligations.formats() || self.formatted.load(Ordering::Relaxed) {
            let found = self.detector.scan_json(json);
            limit_findings(found.iter().map(|leaf| leaf.findings.len()).sum())?;
            values_of(found)
        } else {
            HashMap::new()
        };
        let mut restoring = Restoring::new(json, scene, &found, &*self.protector);
        if restoring.len() > MAX_TOKENS {
            return Err(PrivacyError::TooMuch { limit: Limit::Tokens(MAX_TOKENS) });
        }
        restoring.open(scene, &openings, &*self.protector).await.map_err(PrivacyError::Protect)?;
        let wants_number = |pointer: &str| schema.is_some_and(|it| wants_number(it, pointer));
        let text = restoring.json(json, wants_number).map_err(PrivacyError::Edit)?;
        Ok(Restored { text, counts: restoring.counts() })
    }

    /// Screens one JSON value: arguments, a result, the parameters of a notification, the data of an
    /// error. Equal values get equal replacements.
    ///
    /// # Errors
    ///
    /// [`PrivacyError`]; nothing of the value may then go on.
    pub async fn screen(
        &self,
        scene: &Scene<'_>,
        json: Text<'_>,
    ) -> Result<Screening, PrivacyError> {
        self.screen_structured(scene, json, None).await
    }

    /// As [`Self::screen`] for the result of a tool: its `structuredContent` stays valid against
    /// `schema`, where it was. A value that does not fit is replaced by one of another form, and
    /// so is its copy in `content`.
    ///
    /// # Errors
    ///
    /// As [`Self::screen`], and [`PrivacyError::Refused`] when nothing fits the schema.
    pub async fn screen_structured(
        &self,
        scene: &Scene<'_>,
        json: Text<'_>,
        schema: Option<&serde_json::Value>,
    ) -> Result<Screening, PrivacyError> {
        limit_bytes(json.raw())?;
        let mut found = self.detector.read_json(json).map_err(too_much)?;
        found.retain(|leaf| !scene.skips(&leaf.pointer));
        if found.is_empty() {
            return Ok(Screening::default());
        }
        limit_findings(found.iter().map(|leaf| leaf.findings.len()).sum())?;
        let mut sheet = self.sheet(scene, located(json, found))?;
        if sheet.is_empty() {
            return Ok(Screening { text: None, counts: sheet.counts() });
        }
        self.complete(&mut sheet, json.raw(), scene).await?;
        let mut text = sheet.json(json).map_err(PrivacyError::Edit)?;
        let held = schema.and_then(|schema| Held::new(&self.schemas, schema, json));
        if let Some(mut held) = held {
            while let Some(edited) = text.as_deref() {
                if held.fits(&mut sheet, edited)? {
                    break;
                }
                self.complete(&mut sheet, json.raw(), scene).await?;
                text = sheet.json(json).map_err(PrivacyError::Edit)?;
            }
        }
        if sheet.has_formatted() {
            self.formatted.store(true, Ordering::Relaxed);
        }
        Ok(Screening { text, counts: sheet.counts() })
    }

    /// Screens plain text: a header, a line of stderr, the message of an error. Where the whole text
    /// is JSON, it stays JSON.
    ///
    /// # Errors
    ///
    /// As [`Self::screen`].
    pub async fn screen_text(
        &self,
        scene: &Scene<'_>,
        text: &str,
    ) -> Result<Screening, PrivacyError> {
        limit_bytes(text)?;
        let findings = self.detector.read(text).map_err(too_much)?;
        if findings.is_empty() {
            return Ok(Screening::default());
        }
        limit_findings(findings.len())?;
        let leaf = Leaf {
            site: Site::Plain,
            pointer: String::new(),
            field: "".into(),
            text: Cow::Borrowed(text),
        };
        let mut sheet = self.sheet(scene, vec![(leaf, findings)])?;
        self.complete(&mut sheet, text, scene).await?;
        Ok(Screening { text: sheet.plain(), counts: sheet.counts() })
    }

    /// `text` with what is not allowed to pass written `[KIND]`: for what a child of `upstream` writes
    /// beside the protocol, which operators read and nobody hands back.
    #[must_use]
    pub fn blot(&self, upstream: &str, text: &str) -> String {
        let (nobody, roles) = (Sid("".into()), BTreeSet::new());
        let scene = Scene {
            direction: Direction::Results,
            tenant: "",
            upstream,
            tool: "stderr",
            roles: &roles,
            receiver: &nobody,
            subject: None,
            skip: &[],
        };
        let duties = self.obligations.within(&scene);
        let (mut blotted, mut end) = (String::with_capacity(text.len()), 0);
        let Ok(findings) = self.detector.read(text) else { return "[UNREAD]".to_owned() };
        for finding in findings {
            let before = text.get(end..finding.range.start);
            let Some(before) = before else { continue };
            if duties.action(&finding.kind, finding.score, "") == Action::Allow {
                continue;
            }
            blotted.push_str(before);
            blotted.extend(["[", &*finding.kind, "]"]);
            end = finding.range.end;
        }
        blotted.push_str(text.get(end..).unwrap_or_default());
        blotted
    }

    fn sheet<'a>(
        &self,
        scene: &Scene<'_>,
        leaves: Vec<(Leaf<'a>, Vec<Finding>)>,
    ) -> Result<Sheet<'a>, PrivacyError> {
        let duties = self.obligations.within(scene);
        let sheet = Sheet::lay(leaves, scene, &duties, &*self.protector);
        if !sheet.refused().is_empty() {
            return Err(PrivacyError::Refused { found: sheet.refused().clone().into_vec() });
        }
        Ok(sheet)
    }

    async fn complete(
        &self,
        sheet: &mut Sheet<'_>,
        source: &str,
        scene: &Scene<'_>,
    ) -> Result<(), PrivacyError> {
        sheet.complete(source, scene, &*self.protector).await.map_err(PrivacyError::Protect)
    }
}

impl PrivacyError {
    /// The next step for whoever reads it.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        match self {
            Self::Refused { .. } => {
                "leave the data out, or have the action of its kind changed in `privacy`"
            }
            Self::TooMuch { .. } => "ask for less at once",
            Self::Protect(_) => "see whether the vault is unlocked: `haechi vault status`",
            Self::Edit(_) => "report this as a fault of Haechi",
        }
    }
}

const fn too_much(limit: Limit) -> PrivacyError {
    PrivacyError::TooMuch { limit }
}

fn limit_bytes(text: &str) -> Result<(), PrivacyError> {
    if text.len() > MAX_BYTES {
        return Err(PrivacyError::TooMuch { limit: Limit::Bytes(MAX_BYTES) });
    }
    Ok(())
}

const fn limit_findings(count: usize) -> Result<(), PrivacyError> {
    if count > MAX_FINDINGS {
        return Err(PrivacyError::TooMuch { limit: Limit::Findings(MAX_FINDINGS) });
    }
    Ok(())
}

/// Findings by the pointer of their leaf: those of names, and those of values.
#[derive(Default)]
struct Found {
    names: HashMap<String, Vec<Finding>>,
    values: HashMap<String, Vec<Finding>>,
    /// Whether texts are wanted that may copy what was found elsewhere.
    copies: bool,
}

impl Wanted for Found {
    fn is_personal(&mut self, pointer: &str, _: &str) -> bool {
        self.names.contains_key(pointer)
    }

    fn wants(&mut self, pointer: &str, _: &str) -> bool {
        self.values.contains_key(pointer) || (self.copies && is_copy(pointer))
    }
}

fn located<'a>(json: Text<'a>, found: Vec<LeafFinding>) -> Vec<(Leaf<'a>, Vec<Finding>)> {
    let mut by_pointer = Found::default();
    for leaf in found {
        let of_kind =
            if leaf.target == Target::Key { &mut by_pointer.names } else { &mut by_pointer.values };
        by_pointer.copies |= is_structured(&leaf.pointer);
        of_kind.entry(leaf.pointer).or_default().extend(leaf.findings);
    }
    let leaves = leaves(json, &mut by_pointer);
    let Found { mut names, mut values, .. } = by_pointer;
    let with_findings = |leaf: Leaf<'a>| {
        let of_kind = if matches!(leaf.site, Site::Key { .. }) { &mut names } else { &mut values };
        let findings = of_kind.remove(&leaf.pointer).unwrap_or_default();
        (leaf, findings)
    };
    leaves.into_iter().map(with_findings).collect()
}

fn values_of(found: Vec<LeafFinding>) -> HashMap<String, Vec<Finding>> {
    let values = found.into_iter().filter(|leaf| leaf.target != Target::Key);
    values.map(|leaf| (leaf.pointer, leaf.findings)).collect()
}
