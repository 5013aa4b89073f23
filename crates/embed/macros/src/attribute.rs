//! The options of `#[secure_tool(…)]`.

use std::time::Duration;

use proc_macro2::{Span, TokenStream};
use syn::LitStr;

use crate::form::{Form, Item, items, texts};
use crate::nearest::{advice, nearest};
use crate::problems::Problems;
use crate::protection::{ACTIONS, Protections};
use crate::role::KnownRoles;
use crate::{action, amount, protection};

/// Options other than the actions on kinds.
const OPTIONS: [&str; 12] = [
    "anyone",
    "arguments",
    "audit",
    "authenticated",
    "concurrency",
    "condition",
    "rate",
    "results",
    "roles",
    "scopes",
    "sensitive",
    "timeout",
];

/// Options that say who may call: exactly one stands in each attribute.
const WHO: [&str; 3] = ["roles", "authenticated", "anyone"];
const DAY: Duration = Duration::from_secs(24 * 3600);
/// The most calls of one tool at once.
const MAX_CONCURRENCY: u32 = 100_000;
const SAY_WHO: &str = "`roles(\"admin\")`, `authenticated` or `anyone`";

/// Who may call.
#[derive(Debug)]
pub(crate) enum Who {
    Roles(Vec<LitStr>),
    Authenticated,
    Anyone,
}

/// What the audit log keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recording {
    Names,
    NoNames,
    Off,
}

/// What one attribute says.
#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) who: Option<Who>,
    pub(crate) scopes: Vec<String>,
    pub(crate) condition: Option<LitStr>,
    pub(crate) sensitive: Option<Option<Duration>>,
    /// Arguments, and results.
    pub(crate) protections: [Protections; 2],
    pub(crate) recording: Option<Recording>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) rate: Option<(u32, Duration)>,
    pub(crate) concurrency: Option<u32>,
}

/// Reads the tokens between the parentheses of the attribute.
pub(crate) fn read(tokens: TokenStream, known: &KnownRoles, problems: &mut Problems) -> Rules {
    let mut reader = Reader { rules: Rules::nothing(), seen: Vec::new(), known, problems };
    for item in items(tokens, "`roles(\"admin\")` or `timeout = \"10s\"`", reader.problems) {
        reader.option(item);
    }
    reader.hold_together();
    reader.rules
}

impl Rules {
    const fn nothing() -> Self {
        Self {
            who: None,
            scopes: Vec::new(),
            condition: None,
            sensitive: None,
            protections: [Protections::new("arguments"), Protections::new("results")],
            recording: None,
            timeout: None,
            rate: None,
            concurrency: None,
        }
    }
}

struct Reader<'a> {
    rules: Rules,
    seen: Vec<(String, Span)>,
    known: &'a KnownRoles,
    problems: &'a mut Problems,
}

impl Reader<'_> {
    fn option(&mut self, item: Item) {
        if self.seen(&item.name).is_some() {
            let text = format!("`{}` stands twice; keep one", item.name);
            return self.problems.add(item.span, text);
        }
        self.seen.push((item.name.clone(), item.span));
        match &*item.name {
            "roles" | "authenticated" | "anyone" => self.who(item),
            "scopes" => self.scopes(item),
            "condition" => self.condition(item),
            "sensitive" => self.sensitive(item),
            "arguments" | "results" => self.every_kind(item),
            "audit" => self.audit(item),
            "timeout" => self.timeout(item),
            "rate" => self.rate(item),
            "concurrency" => self.concurrency(item),
            _ => self.action_or_unknown(item),
        }
    }

    fn seen(&self, name: &str) -> Option<Span> {
        self.seen.iter().find(|(known, _)| known == name).map(|(_, span)| *span)
    }

    fn action_or_unknown(&mut self, item: Item) {
        if let Some((_, action)) = ACTIONS.iter().find(|(word, _)| *word == item.name) {
            return protection::read(action, item, &mut self.rules.protections, self.problems);
        }
        let words = || OPTIONS.into_iter().chain(ACTIONS.map(|(word, _)| word));
        let all: Vec<&str> = words().collect();
        // A word that was meant to say who may call is one problem, not two.
        if let Some(meant) = nearest(&item.name, words()).filter(|meant| WHO.contains(meant)) {
            self.seen.push((meant.to_owned(), item.span));
        }
        let advice = advice(&item.name, words(), &format!("there are {}", all.join(", ")));
        self.problems.add(item.span, format!("`{}` is no option{advice}", item.name));
    }

    fn who(&mut self, item: Item) {
        let other = WHO.into_iter().find(|other| *other != item.name && self.seen(other).is_some());
        if let Some(other) = other {
            let text = format!("`{other}` says already who may call; keep it or `{}`", item.name);
            return self.problems.add(item.span, text);
        }
        let name = &*item.name;
        let who = match (name, item.form) {
            ("roles", Form::List(tokens)) => self.roles(tokens, item.span),
            ("roles", _) => {
                let text = "`roles` lists names; write `roles(\"user\", \"admin\")`";
                self.problems.add(item.span, text);
                Who::Roles(Vec::new())
            }
            (_, form) => {
                if !matches!(form, Form::Bare) {
                    let text = format!("`{name}` takes nothing; write `{name}`");
                    self.problems.add(item.span, text);
                }
                if name == "anyone" { Who::Anyone } else { Who::Authenticated }
            }
        };
        self.rules.who = Some(who);
    }

    fn roles(&mut self, tokens: TokenStream, place: Span) -> Who {
        if tokens.is_empty() {
            let fix = "write `roles(\"user\", \"admin\")`, or `authenticated` for everybody who proved an identity";
            self.problems.add(place, format!("`roles` names no role; {fix}"));
        }
        let names = texts(tokens, "`roles(\"user\", \"admin\")`", self.problems);
        let mut kept: Vec<LitStr> = Vec::new();
        for name in names {
            let value = name.value();
            if kept.iter().any(|kept| kept.value() == value) {
                let text = format!("the role `{value}` stands twice; keep one");
                self.problems.add(name.span(), text);
            } else if self.problems.keep(name.span(), self.known.check(&value)).is_some() {
                kept.push(name);
            }
        }
        Who::Roles(kept)
    }

    fn scopes(&mut self, item: Item) {
        const EXAMPLE: &str = "`scopes(\"files.read files.write\")`";
        let Form::List(tokens) = item.form else {
            return self.problems.add(item.span, format!("`scopes` lists scopes; write {EXAMPLE}"));
        };
        let before = tokens.is_empty();
        for text in texts(tokens, EXAMPLE, self.problems) {
            let value = text.value();
            if value.trim().is_empty() {
                self.problems.add(text.span(), format!("this names no scope; write {EXAMPLE}"));
            }
            for scope in value.split_whitespace() {
                let problem = scope_problem(scope, &self.rules.scopes);
                match problem {
                    Some(problem) => self.problems.add(text.span(), problem),
                    None => self.rules.scopes.push(scope.to_owned()),
                }
            }
        }
        if before {
            self.problems.add(item.span, format!("`scopes` names no scope; write {EXAMPLE}"));
        }
    }

    fn condition(&mut self, item: Item) {
        const EXAMPLE: &str = "`condition = \"context.arguments.amount < 100\"`";
        let Some(text) = item.form.text() else {
            let what = "`condition` is a text with a Cedar expression";
            return self.problems.add(item.span, format!("{what}; write {EXAMPLE}"));
        };
        match expression_problem(&text.value()) {
            Some(problem) => self.problems.add(text.span(), problem),
            None => self.rules.condition = Some(text),
        }
    }

    fn sensitive(&mut self, item: Item) {
        const EXAMPLE: &str = "`sensitive` or `sensitive(max_age = \"5m\")`";
        let (place, tokens) = match item.form {
            Form::Bare => {
                self.rules.sensitive = Some(None);
                return;
            }
            Form::List(tokens) => (item.span, tokens),
            Form::Value(_) => {
                return self.problems.add(item.span, format!("write {EXAMPLE}"));
            }
        };
        let inner = items(tokens, "`sensitive(max_age = \"5m\")`", self.problems);
        let mut inner = inner.into_iter();
        match (inner.next(), inner.next()) {
            (Some(only), None) if only.name == "max_age" => {
                let most = 7 * DAY;
                let max_age = self.duration(only, Duration::from_secs(1), most);
                self.rules.sensitive = Some(max_age);
            }
            (Some(other), None) => {
                let text = format!("`{}` is no option of `sensitive`; write {EXAMPLE}", other.name);
                self.problems.add(other.span, text);
            }
            (Some(_), Some(second)) => {
                self.problems
                    .add(second.span, format!("`sensitive` takes one option; write {EXAMPLE}"));
            }
            (None, _) => self.problems.add(place, format!("this says no age; write {EXAMPLE}")),
        }
    }

    fn every_kind(&mut self, item: Item) {
        let example = format!("`{} = \"tokenize\"`", item.name);
        let Some(word) = item.form.text() else {
            let what = "is a text with one action for every kind";
            let some = format!("`encrypt({} = [\"EMAIL\"])` for some kinds", item.name);
            let text = format!("`{}` {what}; write {example}, or {some}", item.name);
            return self.problems.add(item.span, text);
        };
        if self.problems.keep(word.span(), action::check(&word.value())).is_some() {
            let [arguments, results] = &mut self.rules.protections;
            let direction = if item.name == "arguments" { arguments } else { results };
            direction.otherwise = Some(word);
        }
    }

    fn audit(&mut self, item: Item) {
        const EXAMPLE: &str =
            "`audit(parameters = \"names\")`, `audit(parameters = \"none\")` or `audit = \"off\"`";
        let place = item.span;
        let recording = match item.form {
            Form::List(tokens) => {
                let mut inner =
                    items(tokens, "`parameters = \"names\"`", self.problems).into_iter();
                match (inner.next(), inner.next()) {
                    (Some(Item { name, form, .. }), None) if name == "parameters" => {
                        parameters(form)
                    }
                    _ => None,
                }
            }
            form => form.text().filter(|word| word.value() == "off").map(|_| Recording::Off),
        };
        if recording.is_none() {
            self.problems.add(place, format!("the audit log does not know this; write {EXAMPLE}"));
        }
        self.rules.recording = recording;
    }

    fn timeout(&mut self, item: Item) {
        self.rules.timeout = self.duration(item, Duration::from_millis(10), DAY);
    }

    fn duration(&mut self, item: Item, least: Duration, most: Duration) -> Option<Duration> {
        let Item { name, span, form } = item;
        let Some(text) = form.text() else {
            let text = format!("`{name}` is a duration as a text; write `{name} = \"10s\"`");
            self.problems.add(span, text);
            return None;
        };
        self.problems.keep(text.span(), amount::duration(&text.value(), least, most))
    }

    fn rate(&mut self, item: Item) {
        let Some(text) = item.form.text() else {
            let text = "`rate` is calls and a period as a text; write `rate = \"10/min\"`";
            return self.problems.add(item.span, text);
        };
        self.rules.rate = self.problems.keep(text.span(), amount::rate(&text.value()));
    }

    fn concurrency(&mut self, item: Item) {
        let number = item.form.number().and_then(|number| number.base10_parse().ok());
        self.rules.concurrency = number.filter(|calls| (1..=MAX_CONCURRENCY).contains(calls));
        if self.rules.concurrency.is_none() {
            let text = "is a number of calls from 1 to 100000; write `concurrency = 4`";
            self.problems.add(item.span, format!("`concurrency` {text}"));
        }
    }

    /// What no option alone can tell.
    fn hold_together(&mut self) {
        if !WHO.iter().any(|word| self.seen(word).is_some()) {
            let text = format!("nobody may call this tool yet; say who may: {SAY_WHO}");
            self.problems.add(Span::call_site(), text);
        }
        if !matches!(self.rules.who, Some(Who::Anyone)) {
            return;
        }
        for (option, needs) in [("sensitive", "a fresh sign-in"), ("scopes", "a token")] {
            if let Some(place) = self.seen(option) {
                let text = format!("`{option}` needs {needs}, and `anyone` asks for none");
                self.problems.add(place, format!("{text}; write `authenticated` in its place"));
            }
        }
    }
}

fn parameters(form: Form) -> Option<Recording> {
    match &*form.text()?.value() {
        "names" => Some(Recording::Names),
        "none" => Some(Recording::NoNames),
        _ => None,
    }
}

/// RFC 6749 §3.3: printable ASCII without quotes and backslashes.
fn scope_problem(scope: &str, before: &[String]) -> Option<String> {
    let fits = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\\');
    if !scope.chars().all(fits) {
        return Some(format!("`{scope}` is no scope; write printable ASCII without quotes"));
    }
    before.iter().any(|known| known == scope).then(|| format!("`{scope}` stands twice; keep one"))
}

/// What keeps `text` from being an expression, as far as brackets and quotes tell.
fn expression_problem(text: &str) -> Option<String> {
    let mut open = Vec::new();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if !close_text(&mut letters) => {
                return Some("a `\"` of the condition is not closed; add the second".to_owned());
            }
            '(' => open.push(')'),
            '[' => open.push(']'),
            '{' => open.push('}'),
            ')' | ']' | '}' if open.pop() != Some(letter) => {
                return Some(format!("a `{letter}` of the condition closes nothing; remove it"));
            }
            _ => {}
        }
    }
    if text.trim().is_empty() {
        return Some(
            "the condition is empty; write a Cedar expression, or leave it out".to_owned(),
        );
    }
    open.pop().map(|closing| format!("the condition ends too early; add the missing `{closing}`"))
}

/// Goes behind the quote that ends a text; `false` when none does.
fn close_text(letters: &mut std::str::Chars<'_>) -> bool {
    while let Some(letter) = letters.next() {
        match letter {
            '"' => return true,
            '\\' => drop(letters.next()),
            _ => {}
        }
    }
    false
}
