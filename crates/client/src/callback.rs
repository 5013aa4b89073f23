//! What comes back from an authorization server by the person's browser (RFC 6749 §4.1.2, RFC 9207).

use haechi_core::Secret;
use url::form_urlencoded;

use crate::authorize::Pending;

/// No answer is longer than this, in bytes.
const MAX_BYTES: usize = 16 << 10;
/// Nor has it more parameters.
const MAX_PARAMETERS: usize = 32;

/// Why an answer gives no code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallbackError {
    /// It is not what the standard describes: too long, or a parameter twice.
    #[error("the answer is not what the standard asks for")]
    Malformed,
    /// It answers no question of ours.
    #[error("the answer belongs to another request")]
    OtherState,
    /// The server says that it names itself in every answer, and this one does not.
    #[error("the answer does not name the authorization server, which says that it always does")]
    NoIssuer,
    /// It is of another server than the one that was asked: a mix-up.
    #[error("the answer is of another authorization server than the one that was asked")]
    OtherIssuer,
    /// The server, or the person, said no.
    #[error("the authorization server answered `{0}`")]
    Refused(String),
}

impl CallbackError {
    /// The next step.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        match self {
            Self::Refused(_) => "allow it, or ask who runs the authorization server",
            _ => "begin anew, and follow only the address that is shown then",
        }
    }
}

/// An authorization code. Good once.
#[derive(Clone, Debug)]
pub struct Code(pub Secret);

impl Pending {
    /// Whether a query answers this question, whatever it says.
    #[must_use]
    pub fn is_answered_by(&self, query: &str) -> bool {
        query.len() <= MAX_BYTES && self.has_state(query) == Ok(true)
    }

    fn has_state(&self, query: &str) -> Result<bool, CallbackError> {
        let state = once(query, "state")?.map(Secret::from);
        Ok(state.is_some_and(|state| state.matches(&self.state)))
    }

    /// Reads the answer: the query of the address that was called. Whose it is comes before what it
    /// says, also where it says no: the table of RFC 9207 §2.4, compared as text.
    ///
    /// # Errors
    ///
    /// [`CallbackError`].
    pub fn accept(&self, query: &str) -> Result<Code, CallbackError> {
        if query.len() > MAX_BYTES
            || form_urlencoded::parse(query.as_bytes()).count() > MAX_PARAMETERS
        {
            return Err(CallbackError::Malformed);
        }
        if !self.has_state(query)? {
            return Err(CallbackError::OtherState);
        }
        match once(query, "iss")? {
            None if self.response_names_issuer => return Err(CallbackError::NoIssuer),
            Some(issuer) if issuer != self.issuer => return Err(CallbackError::OtherIssuer),
            _ => {}
        }
        if let Some(error) = once(query, "error")? {
            return Err(CallbackError::Refused(error_code(&error)));
        }
        let code = once(query, "code")?.filter(|code| !code.is_empty());
        Ok(Code(code.ok_or(CallbackError::Malformed)?.into()))
    }
}

/// A parameter that may stand once at most.
fn once(query: &str, name: &str) -> Result<Option<String>, CallbackError> {
    let mut values = form_urlencoded::parse(query.as_bytes()).filter(|(known, _)| known == name);
    let value = values.next().map(|(_, value)| value.into_owned());
    if values.next().is_some() { Err(CallbackError::Malformed) } else { Ok(value) }
}

/// An error code that may be shown: short, and of the characters the standard allows.
pub(crate) fn error_code(text: &str) -> String {
    let form = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ':');
    if !text.is_empty() && text.len() <= 64 && text.chars().all(form) {
        return text.to_owned();
    }
    "(unreadable)".to_owned()
}
