//! What is wrong with the settings: everything at once, each under its key.

use std::fmt;

use serde::de::DeserializeOwned;
use toml::Value;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where, as a path of keys: `upstream.files.timeout`. Empty for the file as a whole.
    pub key: String,
    /// What, and what to write in its place. Never the value of a secret.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.key.is_empty() {
            return f.write_str(&self.what);
        }
        write!(f, "`{}`: {}", self.key, self.what)
    }
}

/// Everything that is wrong with the settings, in the order of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq, thiserror::Error)]
pub struct Problems(Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.0.iter().map(Problem::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl Problems {
    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) const fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn add(&mut self, key: impl Into<String>, what: impl Into<String>) {
        self.0.push(Problem { key: key.into(), what: what.into() });
    }

    /// What `read` makes of `raw`, or `default` when it is absent. A complaint is kept under `key`,
    /// and `default` stands in until all complaints are told.
    pub(crate) fn read<R, T>(
        &mut self,
        key: &str,
        raw: Option<R>,
        default: T,
        read: impl FnOnce(R) -> Result<T, String>,
    ) -> T {
        match raw.map(read) {
            None => default,
            Some(Ok(value)) => value,
            Some(Err(what)) => {
                self.add(key, what);
                default
            }
        }
    }
}

/// Reads a whole document as `T`, all of whose members have defaults. What does not fit is reported
/// under its own key and left out, so that one mistake does not hide the next.
pub(crate) fn read_document<T: DeserializeOwned + Default>(
    document: toml::Table,
    problems: &mut Problems,
) -> T {
    let fits = |value: Value| value.try_into::<T>().map(drop).map_err(|error| first_line(&error));
    let fitting = prune("", Value::Table(document), &fits, problems);
    fitting.and_then(|value| value.try_into().ok()).unwrap_or_default()
}

type Probe<'a> = dyn Fn(Value) -> Result<(), String> + 'a;

/// Takes out of `value` what `fits` refuses. A part is to blame when it is refused alone.
fn prune(key: &str, value: Value, fits: &Probe<'_>, problems: &mut Problems) -> Option<Value> {
    let Err(why) = fits(value.clone()) else { return Some(value) };
    // Where not even an empty one fits, the key itself is wrong and not what it holds.
    let empty = match &value {
        Value::Table(_) => Some(Value::Table(toml::Table::new())),
        Value::Array(_) => Some(Value::Array(Vec::new())),
        _ => None,
    };
    if empty.is_none_or(|empty| fits(empty).is_err()) {
        problems.add(key, why);
        return None;
    }
    let before = problems.len();
    let pruned = match value {
        Value::Table(table) => Some(Value::Table(prune_table(key, table, fits, problems))),
        Value::Array(items) => Some(Value::Array(prune_array(key, items, fits, problems))),
        _ => None,
    };
    if problems.len() > before {
        return pruned;
    }
    problems.add(key, why);
    None
}

fn prune_table(
    key: &str,
    table: toml::Table,
    fits: &Probe<'_>,
    problems: &mut Problems,
) -> toml::Table {
    let mut pruned = toml::Table::new();
    for (name, value) in table {
        let path = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
        let alone = |value| fits(Value::Table([(name.clone(), value)].into_iter().collect()));
        if let Some(value) = prune(&path, value, &alone, problems) {
            pruned.insert(name, value);
        }
    }
    pruned
}

fn prune_array(
    key: &str,
    items: Vec<Value>,
    fits: &Probe<'_>,
    problems: &mut Problems,
) -> Vec<Value> {
    let alone = |value| fits(Value::Array(vec![value]));
    let mut pruned = Vec::new();
    for (index, item) in items.into_iter().enumerate() {
        let name = item.get("name").or_else(|| item.get("issuer")).and_then(Value::as_str);
        let path = element(key, index, name);
        pruned.extend(prune(&path, item, &alone, problems));
    }
    pruned
}

/// The path of an element: by its name, when it has one.
pub(crate) fn element(key: &str, index: usize, name: Option<&str>) -> String {
    name.map_or_else(|| format!("{key}[{index}]"), |name| format!("{key}.{name}"))
}

fn first_line(error: &toml::de::Error) -> String {
    error.message().lines().next().unwrap_or("cannot be read").to_owned()
}
