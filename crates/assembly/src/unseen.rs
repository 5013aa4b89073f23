//! What must stay unseen: the detector of the settings, with its pattern files.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use haechi_core::Protector;
use haechi_privacy::{Detector, DetectorConfig, PatternFile, Privacy, RuleError};

use crate::settings::PrivacySettings;

/// The largest pattern file, in bytes.
const MAX_BYTES: u64 = 4 << 20;

/// Why detection is not in force.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PatternTrouble {
    /// A pattern file cannot be read.
    #[error("the pattern file `{}` cannot be read", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A pattern file is too large.
    #[error("the pattern file `{}` is larger than 4 MiB", .0.display())]
    TooLarge(PathBuf),
    /// The deep tier cannot be opened.
    #[cfg(feature = "deep")]
    #[error(transparent)]
    Deep(#[from] haechi_privacy::DeepError),
    /// A rule is not taken.
    #[error(transparent)]
    Rule(#[from] RuleError),
}

/// Compiles the built-in packs and the operator's own. It takes a while: not to be done on a thread
/// that serves calls.
///
/// # Errors
///
/// [`PatternTrouble`]: the first rule that is not taken, or that fails one of its examples.
pub fn compile_detector(settings: &PrivacySettings) -> Result<Detector, PatternTrouble> {
    let locales: BTreeSet<String> = settings.locales.iter().cloned().collect();
    let without: BTreeSet<String> = settings.without.iter().cloned().collect();
    let config = DetectorConfig {
        locales: (!locales.is_empty()).then_some(locales),
        disabled_packs: without.clone(),
        disabled_kinds: without.clone(),
        disabled_rules: without,
        files: settings.patterns.iter().map(|path| read(path)).collect::<Result<_, _>>()?,
        names: settings.names,
        minimum_score: settings.minimum_score,
        ..DetectorConfig::default()
    };
    let detector = Detector::new(&config)?;
    #[cfg(feature = "deep")]
    if let Some(deep) = &settings.deep {
        return Ok(detector.with_deep(open_deep(deep)?));
    }
    Ok(detector)
}

#[cfg(feature = "deep")]
fn open_deep(
    settings: &crate::settings::DeepSettings,
) -> Result<haechi_privacy::Deep, haechi_privacy::DeepError> {
    use haechi_privacy::{Deep, DeepConfig, OnFailure};
    Deep::open(&DeepConfig {
        model: settings.model.clone(),
        tokenizer: settings.tokenizer.clone(),
        labels: settings.labels.clone(),
        budget: settings.budget,
        on_failure: if settings.closed { OnFailure::Closed } else { OnFailure::Open },
        longest_chars: settings.longest,
    })
}

/// Privacy under `settings`.
pub(crate) fn privacy(
    settings: &PrivacySettings,
    protector: Arc<dyn Protector>,
) -> Result<Privacy, PatternTrouble> {
    let detector = Arc::new(compile_detector(settings)?);
    Ok(Privacy::new(detector, settings.obligations.clone(), protector))
}

/// Reads a pattern file.
fn read(path: &Path) -> Result<PatternFile, PatternTrouble> {
    let unreadable = |source| PatternTrouble::File { path: path.to_owned(), source };
    let mut contents = String::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(MAX_BYTES + 1).read_to_string(&mut contents).map_err(unreadable)?;
    if contents.len() as u64 > MAX_BYTES {
        return Err(PatternTrouble::TooLarge(path.to_owned()));
    }
    Ok(PatternFile { name: path.display().to_string(), contents })
}
