//! `WWW-Authenticate`: what a client must bring to be let in (RFC 6750 §3, RFC 9728 §5.1).

use haechi_guard::Refusal;
use haechi_identity::AuthenticationError;
use http::HeaderValue;

use crate::language::{self, Language};

/// What every challenge of one route says.
#[derive(Clone, Debug)]
pub struct Challenge<'a> {
    /// The address of the route's protected-resource metadata (RFC 9728 §3).
    pub resource_metadata: &'a str,
    /// The scopes a newcomer should ask for; no more than the least that is useful.
    pub scopes: &'a [String],
}

impl Challenge<'_> {
    /// The header for `refusal`; `None` where new credentials would not help.
    pub fn header(&self, refusal: &Refusal) -> Option<HeaderValue> {
        let text = match refusal {
            Refusal::Unauthenticated(error) => self.unauthenticated(error)?,
            Refusal::StaleSignIn { max_age, .. } => {
                let max_age = format!(r#", max_age="{}""#, max_age.as_secs());
                // RFC 9470 §3
                self.with_error("insufficient_user_authentication", refusal) + &max_age
            }
            Refusal::ScopeMissing { scopes, .. } => {
                let step_up = Challenge { scopes, ..self.clone() };
                step_up.with_error("insufficient_scope", refusal)
            }
            _ => return None,
        };
        HeaderValue::try_from(text).ok()
    }

    fn unauthenticated(&self, error: &AuthenticationError) -> Option<String> {
        match error {
            // A newcomer gets no error code (RFC 6750 §3.1).
            AuthenticationError::Missing => Some(self.bare()),
            AuthenticationError::Unavailable(_)
            | AuthenticationError::IssuerUnavailable(_)
            | AuthenticationError::Unnamed(_) => None,
            other => {
                let description = language::authentication(other, Language::English);
                Some(self.described("invalid_token", &description))
            }
        }
    }

    fn bare(&self) -> String {
        let metadata = printable(self.resource_metadata);
        let scope = if self.scopes.is_empty() {
            String::new()
        } else {
            format!(r#", scope="{}""#, printable(&self.scopes.join(" ")))
        };
        format!(r#"Bearer resource_metadata="{metadata}"{scope}"#)
    }

    fn with_error(&self, error: &str, refusal: &Refusal) -> String {
        self.described(error, &language::refusal(refusal, Language::English))
    }

    fn described(&self, error: &str, description: &str) -> String {
        let (bare, description) = (self.bare(), printable(description));
        format!(r#"{bare}, error="{error}", error_description="{description}""#)
    }
}

/// What may stand in these values without escapes (RFC 6750 §3): visible ASCII and space, without
/// `"` and `\`.
fn printable(text: &str) -> String {
    text.chars().filter(|c| matches!(c, ' '..='~') && !matches!(c, '"' | '\\')).collect()
}
