//! What one thread keeps between scans, so that a small text costs no allocation.

use std::collections::HashMap;
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;

use regex_automata::util::pool::Pool;

use super::Detector;
use super::context::Nearby;
use super::keys::fold;
use super::keywords::Seen;
use super::names::is_naming;
use super::patterns::Progress;

/// Names of members that are remembered.
const MAX_KEYS: usize = 4_096;

/// The longest name that is looked at.
const MAX_KEY_BYTES: usize = 256;

/// What one member name tells.
#[derive(Debug, Default)]
pub(super) struct Key {
    /// The rules that it speaks for, ascending, with the word that does.
    pub(super) rules: Vec<(usize, Arc<str>)>,
    /// The rules it speaks against, ascending.
    pub(super) against: Vec<usize>,
    /// Whether a keyword of a rule stands in it.
    pub(super) holds_keyword: bool,
    /// Whether what is called so may be a name.
    pub(super) is_naming: bool,
}

#[derive(Debug)]
pub(super) struct Scratch {
    pub(super) progress: Progress,
    pub(super) nearby: Nearby,
    pub(super) seen: Seen,
    keys: HashMap<Box<str>, Arc<Key>>,
}

type Make = Box<dyn Fn() -> Scratch + Send + Sync + UnwindSafe + RefUnwindSafe>;

/// Scratches, one for each thread that scans.
pub(super) struct Scratches(Pool<Scratch, Make>);

impl Scratches {
    pub(super) fn new(make: Make) -> Self {
        Self(Pool::new(make))
    }

    pub(super) fn lend<T>(&self, act: impl FnOnce(&mut Scratch) -> T) -> T {
        act(&mut self.0.get())
    }
}

impl fmt::Debug for Scratches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("scratches")
    }
}

impl Scratch {
    pub(super) fn new(progress: Progress) -> Self {
        Self { progress, nearby: Nearby::default(), seen: Seen::default(), keys: HashMap::new() }
    }

    /// What `key` tells.
    pub(super) fn of_key(&mut self, detector: &Detector, key: &str) -> Arc<Key> {
        if let Some(known) = self.keys.get(key) {
            return known.clone();
        }
        if key.len() > MAX_KEY_BYTES {
            return Arc::default();
        }
        if self.keys.len() >= MAX_KEYS {
            self.keys.clear();
        }
        let told = Arc::new(Key {
            rules: detector.words.of_key(key),
            against: detector.words.against_key(key),
            holds_keyword: detector.keywords.stand_in(key),
            is_naming: is_naming(&fold(key)),
        });
        self.keys.insert(key.into(), told.clone());
        told
    }
}
