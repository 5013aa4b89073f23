//! A report as one HTML file: no script, nothing from elsewhere, every text escaped.

use std::fmt::Write as _;

use super::document::{Cell, Columns, Document, Mood, Part, Section, Table, grouped};

const STYLE: &str = include_str!("style.css");

/// The file.
pub(super) fn render(document: &Document) -> String {
    let mut out = String::new();
    let title = escape(&document.title);
    put(&mut out, "<!doctype html>\n<html lang=\"");
    put(&mut out, document.language);
    put(&mut out, "\">\n<head>\n<meta charset=\"utf-8\">\n");
    put(&mut out, "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    // Whatever slipped through escaping could still load and run nothing.
    put(&mut out, "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; ");
    put(&mut out, "style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\">\n");
    put(&mut out, &format!("<title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n"));
    put(&mut out, &format!("<header><h1>{title}</h1></header>\n<main>\n"));
    for (number, one) in document.sections.iter().enumerate() {
        section(&mut out, number, one);
    }
    put(&mut out, "</main>\n</body>\n</html>\n");
    out
}

fn put(out: &mut String, text: &str) {
    out.push_str(text);
}

fn section(out: &mut String, number: usize, one: &Section) {
    let heading = escape(&one.heading);
    put(
        out,
        &format!("<section aria-labelledby=\"s{number}\">\n<h2 id=\"s{number}\">{heading}</h2>\n"),
    );
    for part in &one.parts {
        match part {
            Part::Text(text) => put(out, &format!("<p>{}</p>\n", escape(text))),
            Part::Head(text) => put(out, &format!("<h3>{}</h3>\n", escape(text))),
            Part::Verdict(mood, text) => {
                let class = match mood {
                    Mood::Good => "good",
                    Mood::Open => "open",
                    Mood::Bad => "bad",
                };
                put(out, &format!("<p class=\"verdict {class}\">{}</p>\n", escape(text)));
            }
            Part::Facts(facts) => list(out, facts),
            Part::Table(one) => table(out, one),
            Part::Columns(one) => columns(out, one),
        }
    }
    put(out, "</section>\n");
}

fn list(out: &mut String, facts: &[(String, String)]) {
    put(out, "<dl>\n");
    for (name, value) in facts {
        put(out, &format!("<div><dt>{}</dt><dd>{}</dd></div>\n", escape(name), escape(value)));
    }
    put(out, "</dl>\n");
}

fn table(out: &mut String, one: &Table) {
    let caption = escape(&one.caption);
    // What is too wide scrolls by itself, and can be reached without a mouse.
    put(
        out,
        &format!("<div class=\"wide\" role=\"region\" aria-label=\"{caption}\" tabindex=\"0\">\n"),
    );
    put(out, &format!("<table>\n<caption>{caption}</caption>\n<thead><tr>"));
    let first = one.rows.first();
    for (place, head) in one.heads.iter().enumerate() {
        let number = first.and_then(|row| row.get(place)).is_some_and(is_number);
        let class = if number { " class=\"number\"" } else { "" };
        put(out, &format!("<th scope=\"col\"{class}>{}</th>", escape(head)));
    }
    put(out, "</tr></thead>\n<tbody>\n");
    for row in &one.rows {
        put(out, "<tr>");
        row.iter().for_each(|one| cell(out, one));
        put(out, "</tr>\n");
    }
    put(out, "</tbody>\n</table>\n</div>\n");
}

const fn is_number(cell: &Cell) -> bool {
    matches!(cell, Cell::Number(_) | Cell::Bar(..))
}

fn cell(out: &mut String, cell: &Cell) {
    match cell {
        Cell::Text(text) => put(out, &format!("<td>{}</td>", escape(text))),
        Cell::Code(text) => put(out, &format!("<td><code>{}</code></td>", escape(text))),
        Cell::Number(number) => {
            put(out, &format!("<td class=\"number\">{}</td>", grouped(*number)))
        }
        Cell::Bar(number, most) => {
            let share = permille(*number, *most);
            let bar = format!(
                "<svg class=\"bar\" viewBox=\"0 0 1000 10\" preserveAspectRatio=\"none\" \
                 aria-hidden=\"true\"><rect width=\"{share}\" height=\"10\"/></svg>"
            );
            put(out, &format!("<td class=\"number\">{}{bar}</td>", grouped(*number)));
        }
    }
}

/// How many thousandths of `most`; what is more than nothing is seen.
fn permille(number: u64, most: u64) -> u64 {
    let share = u128::from(number) * 1000 / u128::from(most.max(1));
    let least = u64::from(number > 0) * 4;
    u64::try_from(share).unwrap_or(1000).clamp(least, 1000)
}

fn columns(out: &mut String, one: &Columns) {
    let most = one.most();
    let [lower, upper] = &one.legend;
    put(out, &format!("<figure>\n<figcaption>{}</figcaption>\n", escape(&one.caption)));
    put(out, &format!("<p class=\"legend\"><span class=\"key lower\"></span>{} ", escape(lower)));
    put(out, &format!("<span class=\"key upper\"></span>{} ", escape(upper)));
    put(out, &format!("<span class=\"most\">{} {}</span></p>\n", escape(&one.most), grouped(most)));
    let width = one.figures.len().max(1) * 10;
    put(
        out,
        &format!(
            "<svg class=\"columns\" viewBox=\"0 0 {width} 1000\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"{}\">\n",
            escape(&one.caption)
        ),
    );
    for (place, (when, below, above)) in one.figures.iter().enumerate() {
        let (low, high) = (permille(*below, most), permille(*above, most));
        let x = place * 10 + 1;
        let words = format!("{when}: {lower} {}, {upper} {}", grouped(*below), grouped(*above));
        put(out, &format!("<g><title>{}</title>", escape(&words)));
        let top = 1000_u64.saturating_sub(low);
        put(
            out,
            &format!("<rect class=\"lower\" x=\"{x}\" y=\"{top}\" width=\"8\" height=\"{low}\"/>"),
        );
        let top = top.saturating_sub(high);
        put(
            out,
            &format!(
                "<rect class=\"upper\" x=\"{x}\" y=\"{top}\" width=\"8\" height=\"{high}\"/></g>\n"
            ),
        );
    }
    put(out, "</svg>\n<p class=\"axis\">");
    for when in one.figures.first().into_iter().chain(one.figures.last()) {
        put(out, &format!("<span>{}</span>", escape(&when.0)));
    }
    put(out, &format!("</p>\n</figure>\n<details>\n<summary>{}</summary>\n", escape(&one.numbers)));
    let rows = one.figures.iter().map(|(when, below, above)| {
        vec![Cell::Text(when.clone()), Cell::Number(*below), Cell::Number(*above)]
    });
    let (caption, rows) = (one.caption.clone(), rows.collect());
    table(out, &Table { caption, heads: one.heads.to_vec(), rows });
    put(out, "</details>\n");
}

/// Text that is nothing but text, in an element and in an attribute.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if is_hidden(c) => {
                let _infallible = write!(out, "\u{fffd}");
            }
            c => out.push(c),
        }
    }
    out
}

/// Controls, and what turns the direction of writing: text that reads as another one.
pub(super) fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_was_written_becomes_markup() {
        let nasty = "<script>alert(1)</script>\" onload='x' & \u{202e}\u{0}";
        let table = Table {
            caption: nasty.to_owned(),
            heads: vec![nasty.to_owned()],
            rows: vec![vec![Cell::Text(nasty.to_owned())], vec![Cell::Code(nasty.to_owned())]],
        };
        let columns = Columns {
            caption: nasty.to_owned(),
            legend: [nasty.to_owned(), nasty.to_owned()],
            heads: [nasty.to_owned(), nasty.to_owned(), nasty.to_owned()],
            most: nasty.to_owned(),
            figures: vec![(nasty.to_owned(), 1, 2)],
            numbers: nasty.to_owned(),
        };
        let parts = vec![
            Part::Text(nasty.to_owned()),
            Part::Head(nasty.to_owned()),
            Part::Verdict(Mood::Bad, nasty.to_owned()),
            Part::Facts(vec![(nasty.to_owned(), nasty.to_owned())]),
            Part::Table(table),
            Part::Columns(columns),
        ];
        let sections = vec![Section { heading: nasty.to_owned(), parts }];
        let page = render(&Document { language: "en", title: nasty.to_owned(), sections });
        assert!(!page.contains("<script"), "{page}");
        assert!(!page.contains("onload='"), "{page}");
        assert!(!page.contains('\u{202e}') && !page.contains('\u{0}'));
        assert!(
            page.contains("&lt;script&gt;alert(1)&lt;/script&gt;&quot; onload=&#39;x&#39; &amp;")
        );
    }

    #[test]
    fn a_bar_is_seen_when_there_is_anything_to_see() {
        let cases = [(0, 10, 0), (10, 10, 1000), (1, 1_000_000, 4), (5, 10, 500), (3, 0, 1000)];
        for (number, most, expected) in cases {
            assert_eq!(permille(number, most), expected, "{number} of {most}");
        }
    }
}
