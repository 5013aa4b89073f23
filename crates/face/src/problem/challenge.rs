//! `WWW-Authenticate`: what a client must bring to be let in (RFC 6750 §3, RFC 9449 §7.1, RFC 9728
//! §5.1).

use haechi_guard::Refusal;
use haechi_identity::{
    AuthenticationError, DPOP_ALGORITHMS, DpopError, SenderConstraint, SenderError,
};
use http::HeaderValue;

use crate::credentials::Scheme;
use crate::language::{self, Language};

/// What every challenge of one route says.
#[derive(Clone, Debug, Default)]
pub struct Challenge<'a> {
    /// The address of the route's protected-resource metadata (RFC 9728 §3).
    pub resource_metadata: &'a str,
    /// The scopes a newcomer should ask for; no more than the least that is useful.
    pub scopes: &'a [String],
    /// What tokens must be bound to.
    pub sender: SenderConstraint,
    /// How the request presented its token.
    pub scheme: Scheme,
}

/// What was wrong with what was presented.
struct Wrong {
    error: &'static str,
    description: String,
    /// A further parameter.
    more: Option<String>,
}

impl Challenge<'_> {
    /// The headers for `refusal`, one for each scheme that would be let in; none where new
    /// credentials would not help. `Bearer` is the first: some clients read no further.
    pub fn headers(&self, refusal: &Refusal) -> Vec<HeaderValue> {
        let texts = match refusal {
            Refusal::Unauthenticated(error) => self.unauthenticated(error),
            Refusal::StaleSignIn { max_age, .. } => {
                // RFC 9470 §3
                let max_age = Some(format!(r#"max_age="{}""#, max_age.as_secs()));
                let wrong = Wrong::refused("insufficient_user_authentication", refusal, max_age);
                vec![self.of(self.scheme, true, Some(&wrong))]
            }
            Refusal::ScopeMissing { scopes, .. } => {
                let step_up = Challenge { scopes, ..self.clone() };
                let wrong = Wrong::refused("insufficient_scope", refusal, None);
                vec![step_up.of(self.scheme, true, Some(&wrong))]
            }
            _ => Vec::new(),
        };
        texts.into_iter().filter_map(|text| HeaderValue::try_from(text).ok()).collect()
    }

    /// The nonce that the next proof must carry, where that is what `refusal` says (RFC 9449 §8).
    pub(crate) fn nonce(refusal: &Refusal) -> Option<HeaderValue> {
        match refusal {
            Refusal::Unauthenticated(AuthenticationError::Sender(SenderError::Proof(
                DpopError::NonceNeeded(nonce),
            ))) => HeaderValue::try_from(nonce).ok(),
            _ => None,
        }
    }

    fn unauthenticated(&self, error: &AuthenticationError) -> Vec<String> {
        // A newcomer gets no error code (RFC 6750 §3.1).
        if matches!(error, AuthenticationError::Missing) {
            return self.all(None);
        }
        let Some(code) = code(error) else { return Vec::new() };
        let description = language::authentication(error, Language::English);
        self.all(Some(&Wrong { error: code, description, more: None }))
    }

    /// One for each scheme that is let in. What was wrong stands where the request's own scheme is
    /// spoken of, or in the only one.
    fn all(&self, wrong: Option<&Wrong>) -> Vec<String> {
        let admitted = |scheme: &Scheme| match scheme {
            Scheme::Bearer => self.sender.admits_bearer(),
            Scheme::Dpop => self.sender.admits_dpop(),
        };
        let schemes: Vec<Scheme> =
            [Scheme::Bearer, Scheme::Dpop].into_iter().filter(admitted).collect();
        let of = |(index, scheme): (usize, &Scheme)| {
            let own = *scheme == self.scheme || schemes.len() == 1;
            self.of(*scheme, index == 0, wrong.filter(|_| own))
        };
        schemes.iter().enumerate().map(of).collect()
    }

    /// What is the same for all schemes stands in the `first`.
    fn of(&self, scheme: Scheme, first: bool, wrong: Option<&Wrong>) -> String {
        let mut parameters = Vec::new();
        if first {
            let metadata = printable(self.resource_metadata);
            parameters.push(format!(r#"resource_metadata="{metadata}""#));
        }
        if first && !self.scopes.is_empty() {
            parameters.push(format!(r#"scope="{}""#, printable(&self.scopes.join(" "))));
        }
        if scheme == Scheme::Dpop {
            parameters.push(format!(r#"algs="{}""#, DPOP_ALGORITHMS.join(" ")));
        }
        if let Some(Wrong { error, description, more }) = wrong {
            parameters.push(format!(r#"error="{error}""#));
            parameters.push(format!(r#"error_description="{}""#, printable(description)));
            parameters.extend(more.clone());
        }
        format!("{} {}", scheme.as_str(), parameters.join(", "))
    }
}

impl Wrong {
    fn refused(error: &'static str, refusal: &Refusal, more: Option<String>) -> Self {
        Self { error, description: language::refusal(refusal, Language::English), more }
    }
}

/// The error code of RFC 6750 §3.1 and RFC 9449 §7.1; `None` where the credentials are not to blame.
fn code(error: &AuthenticationError) -> Option<&'static str> {
    match error {
        AuthenticationError::Unavailable(_)
        | AuthenticationError::IssuerUnavailable(_)
        | AuthenticationError::Unnamed(_) => None,
        AuthenticationError::Sender(SenderError::Proof(error)) => match error {
            DpopError::NonceNeeded(_) => Some("use_dpop_nonce"),
            DpopError::Unavailable(_) | DpopError::TooMany => None,
            _ => Some("invalid_dpop_proof"),
        },
        _ => Some("invalid_token"),
    }
}

/// What may stand in these values without escapes (RFC 6750 §3): visible ASCII and space, without
/// `"` and `\`.
fn printable(text: &str) -> String {
    text.chars().filter(|c| matches!(c, ' '..='~') && !matches!(c, '"' | '\\')).collect()
}
