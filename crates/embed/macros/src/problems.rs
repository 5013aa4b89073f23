//! All that is wrong with one attribute, told at once.

use std::fmt::Display;

use proc_macro2::{Span, TokenStream};
use syn::Error;

/// Problems so far, each at its own place.
#[derive(Debug, Default)]
pub(crate) struct Problems(Vec<Error>);

impl Problems {
    /// Adds a sentence, which ends in the fix.
    pub(crate) fn add(&mut self, place: Span, text: impl Display) {
        self.0.push(Error::new(place, text));
    }

    /// Keeps what could be read, or the problem that it is.
    pub(crate) fn keep<T>(&mut self, place: Span, read: Result<T, String>) -> Option<T> {
        read.map_err(|text| self.add(place, text)).ok()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A `compile_error!` for each.
    pub(crate) fn to_compile_errors(&self) -> TokenStream {
        self.0.iter().map(Error::to_compile_error).collect()
    }

    #[cfg(test)]
    pub(crate) fn texts(&self) -> Vec<String> {
        self.0.iter().map(ToString::to_string).collect()
    }
}
