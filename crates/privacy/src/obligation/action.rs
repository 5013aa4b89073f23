//! What can be done with a value, and how settings name it.

use std::fmt;
use std::str::FromStr;

use haechi_core::Protection;

/// How many characters [`Action::Mask`] keeps unless told.
const KEEP: u8 = 4;
/// How far dates are shifted unless told, in days.
const SHIFT_DAYS: u16 = 30;
/// How many years an age bucket spans unless told.
const AGE_YEARS: u32 = 10;

/// What is done with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// It stays, and is counted.
    Allow,
    /// The whole call is refused.
    Refuse,
    /// Letters and digits become `*`; separators stay.
    Mask {
        /// How many letters and digits at the end stay; never more than half of them. Of an e-mail
        /// address the first letter stays instead, of a URL nothing.
        keep_last: u8,
    },
    /// `[EMAIL_ADDRESS_1]`, numbered by value: equal values of one message get equal numbers.
    Redact,
    /// A keyed digest that nothing opens.
    Hash,
    /// A random token that opens for those who may.
    Tokenize,
    /// A token that is the same for the same value: it shows which values are equal.
    TokenizeSame,
    /// An envelope that opens at the same place only.
    Encrypt,
    /// Another value of the same form (FF1); where it is too short for that, a token.
    Format,
    /// A coarser value; where there is none, as [`Action::Redact`].
    Generalize(Generalization),
}

/// In which way a value is made coarser.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Generalization {
    /// What suits the kind: dates to the year, ages to ten years, addresses truncated.
    ByKind,
    /// Dates move by up to so many days, all of one person by the same distance.
    DateShift {
        /// The greatest distance.
        days: u16,
    },
    /// Dates to their month.
    Month,
    /// Dates to their year.
    Year,
    /// Dates to their decade.
    Decade,
    /// Ages to buckets of so many years.
    Age {
        /// The width of a bucket.
        years: u32,
    },
    /// Numbers to buckets.
    Number {
        /// The width of a bucket.
        width: u32,
    },
    /// Addresses: IPv4 to /24 and IPv6 to /48, coordinates to one decimal, postcodes to their first
    /// three characters, streets to the city.
    Address,
}

/// The settings name an action that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ActionError {
    /// No such action.
    #[error(
        "`{0}` is no action: allow, refuse, mask, redact, hash, tokenize, tokenize-same, encrypt, format and generalize are"
    )]
    Unknown(String),
    /// This action takes nothing behind a colon.
    #[error("`{0}` takes nothing behind a colon")]
    NoParameter(String),
    /// How much a mask keeps is no number from 0 to 16.
    #[error("`mask:{0}` must say how many characters stay, from 0 to 16, as in `mask:4`")]
    Keep(String),
    /// No such way to make a value coarser.
    #[error(
        "`generalize:{0}` is not known: date-shift, month, year, decade, age, number and address are"
    )]
    Generalization(String),
    /// The number behind the second colon does not fit.
    #[error("`{what}` needs a whole number from 1 to {most} behind it, as in `{what}:{example}`")]
    Size {
        /// What was named.
        what: &'static str,
        /// The greatest that is accepted.
        most: u32,
        /// One that is accepted.
        example: u32,
    },
}

impl Action {
    /// Reads an action as the settings write it: `mask`, `mask:2`, `generalize:year`,
    /// `generalize:date-shift:14`.
    ///
    /// # Errors
    ///
    /// [`ActionError`], with what would be accepted.
    pub fn parse(text: &str) -> Result<Self, ActionError> {
        let (word, parameter) = match text.split_once(':') {
            Some((word, parameter)) => (word, Some(parameter)),
            None => (text, None),
        };
        let plain = match word {
            "mask" => return parse_mask(parameter),
            "generalize" => return parse_generalization(parameter).map(Self::Generalize),
            "allow" => Self::Allow,
            "refuse" => Self::Refuse,
            "redact" => Self::Redact,
            "hash" => Self::Hash,
            "tokenize" => Self::Tokenize,
            "tokenize-same" => Self::TokenizeSame,
            "encrypt" => Self::Encrypt,
            "format" => Self::Format,
            _ => return Err(ActionError::Unknown(text.to_owned())),
        };
        if parameter.is_some() {
            return Err(ActionError::NoParameter(word.to_owned()));
        }
        Ok(plain)
    }

    /// The word for logs and entries, without parameters.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Refuse => "refuse",
            Self::Mask { .. } => "mask",
            Self::Redact => "redact",
            Self::Hash => "hash",
            Self::Tokenize => "tokenize",
            Self::TokenizeSame => "tokenize-same",
            Self::Encrypt => "encrypt",
            Self::Format => "format",
            Self::Generalize(_) => "generalize",
        }
    }

    /// How the vault does it, where it does.
    pub(crate) const fn protection(self) -> Option<Protection> {
        match self {
            Self::Hash => Some(Protection::Hash),
            Self::Tokenize => Some(Protection::Token),
            Self::TokenizeSame => Some(Protection::SameToken),
            Self::Encrypt => Some(Protection::Seal),
            Self::Format => Some(Protection::Format),
            Self::Allow | Self::Refuse | Self::Mask { .. } | Self::Redact | Self::Generalize(_) => {
                None
            }
        }
    }

    /// Whether somebody may get the value back.
    pub(crate) const fn is_reversible(self) -> bool {
        matches!(self, Self::Tokenize | Self::TokenizeSame | Self::Encrypt | Self::Format)
    }
}

impl FromStr for Action {
    type Err = ActionError;

    fn from_str(text: &str) -> Result<Self, ActionError> {
        Self::parse(text)
    }
}

/// As the settings write it.
impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())?;
        match self {
            Self::Mask { keep_last } => write!(f, ":{keep_last}"),
            Self::Generalize(how) => match how {
                Generalization::ByKind => Ok(()),
                Generalization::DateShift { days } => write!(f, ":date-shift:{days}"),
                Generalization::Month => f.write_str(":month"),
                Generalization::Year => f.write_str(":year"),
                Generalization::Decade => f.write_str(":decade"),
                Generalization::Age { years } => write!(f, ":age:{years}"),
                Generalization::Number { width } => write!(f, ":number:{width}"),
                Generalization::Address => f.write_str(":address"),
            },
            Self::Allow
            | Self::Refuse
            | Self::Redact
            | Self::Hash
            | Self::Tokenize
            | Self::TokenizeSame
            | Self::Encrypt
            | Self::Format => Ok(()),
        }
    }
}

fn parse_mask(parameter: Option<&str>) -> Result<Action, ActionError> {
    let Some(text) = parameter else { return Ok(Action::Mask { keep_last: KEEP }) };
    let keep = text.parse().ok().filter(|keep| *keep <= 16);
    let keep_last = keep.ok_or_else(|| ActionError::Keep(text.to_owned()))?;
    Ok(Action::Mask { keep_last })
}

fn parse_generalization(parameter: Option<&str>) -> Result<Generalization, ActionError> {
    let Some(text) = parameter else { return Ok(Generalization::ByKind) };
    let (word, amount) = match text.split_once(':') {
        Some((word, amount)) => (word, Some(amount)),
        None => (text, None),
    };
    let plain = match word {
        "date-shift" => {
            let days = size("generalize:date-shift", amount, Some(SHIFT_DAYS.into()), 3650, 30)?;
            return Ok(Generalization::DateShift { days: days.try_into().unwrap_or(SHIFT_DAYS) });
        }
        "age" => {
            let years = size("generalize:age", amount, Some(AGE_YEARS), 100, 10)?;
            return Ok(Generalization::Age { years });
        }
        "number" => {
            let width = size("generalize:number", amount, None, 1_000_000_000, 1000)?;
            return Ok(Generalization::Number { width });
        }
        "month" => Generalization::Month,
        "year" => Generalization::Year,
        "decade" => Generalization::Decade,
        "address" => Generalization::Address,
        _ => return Err(ActionError::Generalization(text.to_owned())),
    };
    if amount.is_some() {
        return Err(ActionError::NoParameter(format!("generalize:{word}")));
    }
    Ok(plain)
}

fn size(
    what: &'static str,
    amount: Option<&str>,
    otherwise: Option<u32>,
    most: u32,
    example: u32,
) -> Result<u32, ActionError> {
    let size = match amount {
        Some(text) => text.parse().ok(),
        None => otherwise,
    };
    size.filter(|size| (1..=most).contains(size)).ok_or(ActionError::Size { what, most, example })
}
