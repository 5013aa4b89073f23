//! What one thread keeps between scans, so that a small text costs no allocation.

use std::collections::HashMap;
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;

use regex_automata::util::pool::Pool;

use super::context::{Nearby, Words};
use super::keywords::Seen;
use super::patterns::Progress;

/// Names of members that are remembered.
const MAX_KEYS: usize = 4_096;

/// The longest name that is looked at.
const MAX_KEY_BYTES: usize = 256;

/// The rules that one member name speaks for, ascending, with the word that does.
pub(super) type KeyRules = Arc<[(usize, Arc<str>)]>;

#[derive(Debug)]
pub(super) struct Scratch {
    pub(super) progress: Progress,
    pub(super) nearby: Nearby,
    pub(super) seen: Seen,
    keys: HashMap<Box<str>, KeyRules>,
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

    /// The rules that `key` speaks for.
    pub(super) fn of_key(&mut self, words: &Words, key: &str) -> KeyRules {
        if let Some(known) = self.keys.get(key) {
            return known.clone();
        }
        if key.len() > MAX_KEY_BYTES {
            return KeyRules::default();
        }
        if self.keys.len() >= MAX_KEYS {
            self.keys.clear();
        }
        let rules: KeyRules = words.of_key(key).into();
        self.keys.insert(key.into(), rules.clone());
        rules
    }
}
