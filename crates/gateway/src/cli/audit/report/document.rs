//! What a report consists of, before it is HTML or Markdown.

/// A report.
#[derive(Debug, Default)]
pub(super) struct Document {
    /// `en` or `ko`.
    pub(super) language: &'static str,
    pub(super) title: String,
    pub(super) sections: Vec<Section>,
}

/// What stands under one heading.
#[derive(Debug)]
pub(super) struct Section {
    pub(super) heading: String,
    pub(super) parts: Vec<Part>,
}

/// How good the news is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mood {
    Good,
    Open,
    Bad,
}

/// One thing that is shown.
#[derive(Debug)]
pub(super) enum Part {
    /// A paragraph.
    Text(String),
    /// A verdict.
    Verdict(Mood, String),
    /// A heading below the section's.
    Head(String),
    /// Names and what they stand for.
    Facts(Vec<(String, String)>),
    /// Lines under heads.
    Table(Table),
    /// Columns over time.
    Columns(Columns),
}

/// Lines under heads; every line has as many cells as there are heads.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) caption: String,
    pub(super) heads: Vec<String>,
    pub(super) rows: Vec<Vec<Cell>>,
}

/// One cell.
#[derive(Debug)]
pub(super) enum Cell {
    Text(String),
    /// A name that programs read: an act, an entry, a key.
    Code(String),
    Number(u64),
    /// A number with a bar beside it that says how much of the most it is.
    Bar(u64, u64),
}

/// Two amounts for each span of time, one upon the other.
#[derive(Debug)]
pub(super) struct Columns {
    pub(super) caption: String,
    /// What the lower and the upper part of a column are.
    pub(super) legend: [String; 2],
    /// Heads of the table of the same figures: when, lower, upper.
    pub(super) heads: [String; 3],
    /// The word for the highest column.
    pub(super) most: String,
    pub(super) figures: Vec<(String, u64, u64)>,
    /// The word that opens the table.
    pub(super) numbers: String,
}

impl Columns {
    /// The height of the highest column; at least 1.
    pub(super) fn most(&self) -> u64 {
        self.figures.iter().map(|(_, lower, upper)| lower + upper).max().unwrap_or(0).max(1)
    }
}

/// `1234567` as `1,234,567`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::grouped;

    #[test]
    fn numbers_are_grouped_by_three() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), text);
        }
    }
}
