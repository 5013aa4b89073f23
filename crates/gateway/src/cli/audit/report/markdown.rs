//! A report as Markdown (CommonMark with tables), every text escaped.

use super::document::{Cell, Columns, Document, Mood, Part, Table, grouped};
use super::html::is_hidden;

/// Width of a bar, in characters.
const BAR: u64 = 20;

/// The file.
pub(super) fn render(document: &Document) -> String {
    let mut out = format!("# {}\n", escape(&document.title));
    for section in &document.sections {
        out.push_str(&format!("\n## {}\n", escape(&section.heading)));
        for part in &section.parts {
            out.push('\n');
            match part {
                Part::Text(text) => out.push_str(&format!("{}\n", escape(text))),
                Part::Head(text) => out.push_str(&format!("### {}\n", escape(text))),
                Part::Verdict(mood, text) => {
                    let sign = match mood {
                        Mood::Good => "✔",
                        Mood::Open => "?",
                        Mood::Bad => "✘",
                    };
                    out.push_str(&format!("**{sign} {}**\n", escape(text)));
                }
                Part::Facts(facts) => {
                    for (name, value) in facts {
                        out.push_str(&format!("- {}: {}\n", escape(name), escape(value)));
                    }
                }
                Part::Table(one) => table(&mut out, one),
                Part::Columns(one) => columns(&mut out, one),
            }
        }
    }
    out
}

fn table(out: &mut String, one: &Table) {
    let line = |out: &mut String, cells: Vec<String>| {
        out.push_str(&format!("| {} |\n", cells.join(" | ")));
    };
    line(out, one.heads.iter().map(|head| escape(head)).collect());
    let first = one.rows.first();
    let rule = |place: usize| match first.and_then(|row| row.get(place)) {
        Some(Cell::Number(_)) => "---:",
        _ => "---",
    };
    line(out, (0..one.heads.len()).map(|place| rule(place).to_owned()).collect());
    for row in &one.rows {
        line(out, row.iter().map(cell).collect());
    }
}

fn cell(cell: &Cell) -> String {
    match cell {
        Cell::Text(text) | Cell::Code(text) => escape(text),
        Cell::Number(number) => grouped(*number),
        Cell::Bar(number, most) => format!("{} {}", grouped(*number), bar(*number, *most)),
    }
}

fn bar(number: u64, most: u64) -> String {
    let share = u128::from(number) * u128::from(BAR) / u128::from(most.max(1));
    "█".repeat(usize::try_from(share).unwrap_or(0).min(20))
}

fn columns(out: &mut String, one: &Columns) {
    let most = one.most();
    // A table shows by its times where nothing happened.
    let busy = one.figures.iter().filter(|(_, below, above)| below + above > 0);
    let rows = busy.map(|(when, below, above)| {
        let both = below.saturating_add(*above);
        let bar = Cell::Text(bar(both, most));
        vec![Cell::Text(when.clone()), Cell::Number(*below), Cell::Number(*above), bar]
    });
    let heads = one.heads.iter().cloned().chain([String::new()]).collect();
    table(out, &Table { caption: String::new(), heads, rows: rows.collect() });
}

/// Text that is nothing but text, in a paragraph and in a table.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '(' | ')' | '#' | '+' | '!' | '|'
            | '~' | '$' => {
                out.push('\\');
                out.push(c);
            }
            c if is_hidden(c) => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_was_written_becomes_markup() {
        let nasty = "a|b\n# <b> [x](http://e) `c` *d* _e_ ![i](j)";
        let escaped = escape(nasty);
        assert_eq!(
            escaped,
            "a\\|b\u{fffd}\\# &lt;b&gt; \\[x\\]\\(http://e\\) \\`c\\` \\*d\\* \\_e\\_ \\!\\[i\\]\\(j\\)"
        );
    }
}
