//! What a child gets to see of this process's environment.

use std::ffi::{OsStr, OsString};

/// Names that go to every child; names that start with `LC_` go too.
const ALWAYS: [&str; 7] = ["PATH", "HOME", "LANG", "TMPDIR", "TZ", "USER", "LOGNAME"];

/// The environment of a child: of `inherited` what is on the list or in `allowed`, then `set`,
/// which wins. Everything else, with whatever secrets it holds, stays here.
pub(crate) fn scrubbed(
    inherited: impl IntoIterator<Item = (OsString, OsString)>,
    allowed: &[String],
    set: &[(String, String)],
) -> Vec<(OsString, OsString)> {
    let is_set = |name: &OsStr| set.iter().any(|(other, _)| OsStr::new(other) == name);
    let passes = |name: &OsStr| {
        let listed = ALWAYS.iter().any(|other| OsStr::new(other) == name);
        let locale = name.to_str().is_some_and(|name| name.starts_with("LC_"));
        listed || locale || allowed.iter().any(|other| OsStr::new(other) == name)
    };
    let kept = inherited.into_iter().filter(|(name, _)| passes(name) && !is_set(name));
    kept.chain(set.iter().map(|(name, value)| (name.into(), value.into()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listed_names_reach_a_child_and_set_ones_win() {
        let pair = |name: &str, value: &str| (OsString::from(name), OsString::from(value));
        let inherited = [
            pair("PATH", "/bin"),
            pair("LC_ALL", "ko_KR.UTF-8"),
            pair("AWS_SECRET_ACCESS_KEY", "s"),
            pair("HAECHI_TOKEN", "t"),
            pair("NODE_OPTIONS", "--x"),
            pair("TZ", "UTC"),
        ];
        let set = [("TZ".to_owned(), "Asia/Seoul".to_owned())];
        let kept = scrubbed(inherited, &["NODE_OPTIONS".to_owned()], &set);
        let expected = [
            pair("PATH", "/bin"),
            pair("LC_ALL", "ko_KR.UTF-8"),
            pair("NODE_OPTIONS", "--x"),
            pair("TZ", "Asia/Seoul"),
        ];
        assert_eq!(kept, expected);
    }
}
