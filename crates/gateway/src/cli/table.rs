//! Tables for people and JSON for programs.

use std::io::{self, Write};

use serde::Serialize;

/// Writes one value as indented JSON.
pub(super) fn json(out: &mut dyn Write, value: &impl Serialize) -> Result<(), super::Failure> {
    serde_json::to_writer_pretty(&mut *out, value)?;
    writeln!(out)?;
    Ok(())
}

/// Writes `rows` under `heads`, each column as wide as its widest cell. What a cell holds of
/// control characters is shown, not sent to the terminal.
pub(super) fn table(out: &mut dyn Write, heads: &[&str], rows: &[Vec<String>]) -> io::Result<()> {
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| visible(cell)).collect()).collect();
    let widest = |index: usize| {
        let cells = rows.iter().filter_map(|row| row.get(index)).map(|cell| width(cell));
        cells.max().unwrap_or_default()
    };
    let widths: Vec<usize> =
        heads.iter().enumerate().map(|(index, head)| widest(index).max(width(head))).collect();
    let heads: Vec<String> = heads.iter().map(|head| (*head).to_owned()).collect();
    for row in std::iter::once(&heads).chain(&rows) {
        let mut line = String::new();
        for (cell, wide) in row.iter().zip(&widths) {
            line.push_str(cell);
            line.push_str(&" ".repeat(wide.saturating_sub(width(cell)) + 2));
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// Text without what would steer a terminal, or turn the direction of writing so that it reads as
/// another text.
pub(super) fn visible(text: &str) -> String {
    text.chars().map(|c| if c.is_control() || is_turning(c) { '\u{fffd}' } else { c }).collect()
}

/// JSON that says the same and steers no terminal: what JSON leaves as it is of such characters is
/// escaped. They stand in its strings only.
pub(super) fn visible_json(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if (c.is_control() && c != '\n') || is_turning(c) {
            out.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            out.push(c);
        }
    }
    out
}

/// Whether a character turns the direction of writing, or ends lines for some readers.
const fn is_turning(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Columns on a terminal: Korean, Chinese and Japanese characters take two.
fn width(text: &str) -> usize {
    let wide = |c: char| {
        matches!(c, '\u{1100}'..='\u{115f}' | '\u{2e80}'..='\u{a4cf}' | '\u{ac00}'..='\u{d7a3}'
            | '\u{f900}'..='\u{faff}' | '\u{fe30}'..='\u{fe6f}' | '\u{ff00}'..='\u{ff60}'
            | '\u{ffe0}'..='\u{ffe6}' | '\u{20000}'..='\u{3fffd}')
    };
    text.chars().map(|c| if wide(c) { 2 } else { 1 }).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_says_the_same_and_steers_no_terminal() {
        for text in ["\u{1b}[2J", "\u{9b}2J", "\u{202e}fdp.exe", "a\u{2028}b\u{7f}", "해치 \"a\"\\"]
        {
            let json = serde_json::to_string_pretty(&[text]).unwrap();
            let shown = visible_json(&json);
            assert_eq!(serde_json::from_str::<Vec<String>>(&shown).unwrap(), [text]);
            let steers = |c: char| (c.is_control() && c != '\n') || is_turning(c);
            assert!(!shown.contains(steers), "{shown:?}");
            assert!(!visible(text).contains(steers));
        }
    }

    #[test]
    fn columns_line_up_and_nothing_steers_the_terminal() {
        let mut out = Vec::new();
        let rows = [
            vec!["해치".to_owned(), "a".to_owned()],
            vec!["x\u{1b}[2J".to_owned(), "b".to_owned()],
        ];
        table(&mut out, &["who", "what"], &rows).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text, "who    what\n해치   a\nx\u{fffd}[2J  b\n");
    }
}
