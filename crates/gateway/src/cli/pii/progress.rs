//! How far it is, on a terminal.

use indicatif::{ProgressBar, ProgressStyle};

use super::source::Source;

/// A bar on standard error; nothing where that is no terminal.
#[derive(Debug)]
pub(super) struct Progress(ProgressBar);

impl Progress {
    pub(super) fn over(sources: &[Source]) -> Self {
        let known = sources.iter().all(|source| source.size > 0);
        if !known {
            return Self(ProgressBar::new_spinner());
        }
        let bar = ProgressBar::new(sources.iter().map(|source| source.size).sum());
        let form = "{bar:32} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} to go";
        Self(bar.with_style(
            ProgressStyle::with_template(form).unwrap_or_else(|_| ProgressStyle::default_bar()),
        ))
    }

    /// So many bytes more are done.
    pub(super) fn add(&self, bytes: usize) {
        self.0.inc(bytes as u64);
    }

    /// Writes while the bar is away, for both may go to one terminal.
    pub(super) fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        self.0.suspend(write)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
