//! How much the audit log is told of a call, by the operator's word.

use haechi_core::glob;

/// How much an entry says of a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Recording {
    /// The names of its parameters, and a commitment to each value.
    #[default]
    Names,
    /// Neither names nor commitments of parameters.
    NoNames,
    /// There is none of a permitted call. Refusals are recorded all the same, in full: a call that
    /// was denied, and one whose answer was taken away.
    Off,
}

/// Recording by tool, with a default for the rest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recordings {
    /// What holds where nothing else is said: for tools that no glob names, and for everything that
    /// is no tool.
    pub default: Recording,
    /// Globs over names of tools, the first that matches holds.
    pub tools: Vec<(String, Recording)>,
}

impl Recordings {
    /// What holds for `tool`; `None` for what is no tool.
    #[must_use]
    pub fn of(&self, tool: Option<&str>) -> Recording {
        let Some(tool) = tool else { return self.default };
        let found = self.tools.iter().find(|(glob, _)| glob::matches(glob, tool));
        found.map_or(self.default, |(_, recording)| *recording)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_glob_over_tools_says_nothing_of_what_is_no_tool() {
        let all = Recordings {
            default: Recording::NoNames,
            tools: vec![("ping".into(), Recording::Names), ("*".into(), Recording::Off)],
        };
        assert_eq!(all.of(Some("ping")), Recording::Names);
        assert_eq!(all.of(Some("other")), Recording::Off);
        assert_eq!(all.of(None), Recording::NoNames);
    }
}
