//! One value and what stands in its place, wherever in the message it occurs.

use std::sync::Arc;

use haechi_core::{Place, Protection};

use crate::obligation::Action;

use super::embedded::Encoding;
use super::mask::{mask, mask_number, mask_of_kind, zeroed};

/// The domain of addresses that stand for addresses. RFC 2606 §2 keeps `.invalid` from ever existing.
pub(crate) const NOWHERE: &str = "token.invalid";

/// How a value is replaced, tried in this order where a schema wants another form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Form {
    /// As the rules say.
    Chosen,
    /// The same, in the shape of an address.
    Shaped,
    /// Another value of the same form.
    Formatted,
    /// The form alone.
    Zeroed,
}

/// One value and its replacement.
pub(crate) struct Replacement {
    pub(crate) action: Action,
    pub(crate) kind: Arc<str>,
    pub(crate) value: String,
    /// Where it stood first.
    pub(crate) place: Place,
    pub(crate) form: Form,
    /// The number of its placeholder.
    pub(crate) number: Option<u32>,
    /// The coarser value.
    pub(crate) coarse: Option<String>,
    /// What the vault made of it, as the action says.
    pub(crate) token: Option<String>,
    /// The value of the same form that the vault made for [`Form::Formatted`].
    pub(crate) formatted: Option<String>,
}

impl Replacement {
    /// What the vault must still do for it.
    pub(crate) fn wanted(&self) -> Option<Protection> {
        match self.form {
            Form::Chosen | Form::Shaped if self.token.is_none() => self.action.protection(),
            Form::Formatted if self.formatted.is_none() => Some(Protection::Format),
            Form::Chosen | Form::Shaped | Form::Formatted | Form::Zeroed => None,
        }
    }

    pub(crate) fn keep(&mut self, made: String) {
        if self.form == Form::Formatted {
            self.formatted = Some(made);
        } else {
            self.token = Some(made);
        }
    }

    /// Takes the next form; `false` when there is none.
    pub(crate) fn advance(&mut self) -> bool {
        let next = match self.form {
            Form::Chosen if matches!(&*self.kind, "EMAIL_ADDRESS" | "URL") => Form::Shaped,
            // What the rules take away for good does not come back as something that opens.
            Form::Chosen | Form::Shaped
                if self.action.is_reversible() && self.action != Action::Format =>
            {
                Form::Formatted
            }
            Form::Chosen | Form::Shaped | Form::Formatted => Form::Zeroed,
            Form::Zeroed => return false,
        };
        self.form = next;
        true
    }

    /// What stands in the place of the value, before it is encoded for that place.
    pub(crate) fn text(&self, encoding: Encoding, in_number: bool) -> String {
        let number = in_number || matches!(encoding, Encoding::JsonNumber { .. });
        match self.form {
            Form::Chosen => self.chosen(encoding, number),
            Form::Shaped => self.shaped(),
            Form::Formatted => self.formatted.clone().unwrap_or_else(|| self.zeroed(number)),
            Form::Zeroed => self.zeroed(number),
        }
    }

    fn chosen(&self, encoding: Encoding, number: bool) -> String {
        match self.action {
            // The last characters of Base64 are not those of the value.
            Action::Mask { .. } if encoding == Encoding::Base64 => mask(&self.value, 0),
            Action::Mask { keep_last } if number => mask_number(&self.value, keep_last),
            Action::Mask { keep_last } => mask_of_kind(&self.kind, &self.value, keep_last),
            Action::Generalize(_) => self.coarse.clone().unwrap_or_else(|| self.placeholder()),
            Action::Hash
            | Action::Tokenize
            | Action::TokenizeSame
            | Action::Encrypt
            | Action::Format => self.token.clone().unwrap_or_else(|| self.placeholder()),
            Action::Allow | Action::Refuse | Action::Redact => self.placeholder(),
        }
    }

    fn zeroed(&self, number: bool) -> String {
        if number { mask_number(&self.value, 0) } else { zeroed(&self.value) }
    }

    /// `[EMAIL_ADDRESS_1]`
    fn placeholder(&self) -> String {
        format!("[{}_{}]", self.kind, self.number.unwrap_or_default())
    }

    fn shaped(&self) -> String {
        let chosen = match self.action {
            Action::Mask { .. } => self.placeholder(),
            _ => self.chosen(Encoding::Plain, false),
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        let name = chosen.trim_matches(['[', ']']);
        let name: String = name.chars().map(|c| if plain(c) { c } else { '-' }).collect();
        if &*self.kind == "URL" {
            format!("https://{NOWHERE}/{name}")
        } else {
            format!("{name}@{NOWHERE}")
        }
    }
}
