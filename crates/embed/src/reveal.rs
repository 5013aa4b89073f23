//! Seeing what a token holds: a privileged act, for tools that show a value to whoever may see it.

use haechi_core::{Origin, Secret};
use haechi_guard::{Refusal, RevealRequest, place_of};

use crate::{Caller, Haechi};

/// How tokens and envelopes begin.
const PROTECTED: [&str; 3] = ["tok_", "det_", "hv1."];

/// A protected value, as a tool finds it in its own table.
#[derive(Clone, Copy, Debug)]
pub struct Sealed<'a> {
    text: &'a str,
    tool: &'a str,
    field: &'a str,
    kind: &'a str,
}

impl<'a> Sealed<'a> {
    /// A token (`tok_…`, `det_…`): it opens wherever it stands.
    #[must_use]
    pub const fn token(text: &'a str) -> Self {
        Self { text, tool: "", field: "", kind: "" }
    }

    /// An envelope (`hv1.…`), which opens only as what it was sealed as: the argument `field` of
    /// `tool`, as a JSON pointer (RFC 6901) such as `/phone`, found to be of `kind`.
    #[must_use]
    pub const fn argument(text: &'a str, (tool, field): (&'a str, &'a str), kind: &'a str) -> Self {
        Self { text, tool, field, kind }
    }

    /// The token or envelope.
    #[must_use]
    pub const fn text(&self) -> &'a str {
        self.text
    }

    /// Whether it has the form of a token or an envelope, rather than of a value that was there
    /// before anything was protected.
    #[must_use]
    pub fn is_protected(&self) -> bool {
        PROTECTED.iter().any(|form| self.text.starts_with(form))
    }
}

impl Haechi {
    /// Shows `caller` what `sealed` holds, for one of the purposes in the settings. Who may is said
    /// in the section `privacy.reveal`; each time is recorded before anything is shown, and so is
    /// each refusal.
    ///
    /// ```no_run
    /// # use haechi_embed::{Caller, Haechi, Sealed};
    /// # async fn example(haechi: Haechi, caller: Caller, row: String) -> Result<(), Box<dyn std::error::Error>> {
    /// let email = haechi.reveal(&caller, Sealed::token(&row), "support").await?;
    /// let shown = email.expose_str();
    /// # let _ = shown;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Refusal`]: no role for it, an unknown purpose, too many, nothing that opens.
    pub async fn reveal(
        &self,
        caller: &Caller,
        sealed: Sealed<'_>,
        purpose: &str,
    ) -> Result<Secret, Refusal> {
        let Sealed { text, tool, field, kind } = sealed;
        let request = RevealRequest {
            text: text.to_owned(),
            purpose: purpose.to_owned(),
            note: None,
            place: place_of(Some(&self.0.name), tool, field, kind),
        };
        let revealed = self.guard().reveal(caller.principal(), &Origin::default(), request).await;
        revealed.map(|revealed| revealed.value)
    }
}
