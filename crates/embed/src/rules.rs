//! From what `#[secure_tool]` says to the settings that the rooms are told.

use std::collections::BTreeMap;

use haechi_assembly::Settings;
use haechi_assembly::settings::{ANONYMOUS_ROLE, PrivacySettings};
use haechi_core::UpstreamName;
use haechi_guard::CallLimits;
use haechi_policy::{CedarFile, Role, Rule, SensitiveRule};
use haechi_privacy::{Action, Direction, ObligationRule};

use crate::security::{Protection, Recording, ToolSecurity, Who};

/// The role that every caller holds who proved an identity.
const EVERYBODY: &str = "*";

/// A tool whose rules cannot be in force.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the tool `{tool}`: {what}")]
pub struct RuleProblem {
    /// Which tool.
    pub tool: String,
    /// What is wrong.
    pub what: String,
}

/// Adds what `security` says of `tool` to `settings`.
pub(crate) fn add(
    settings: &mut Settings,
    server: &UpstreamName,
    (tool, security): (&str, &ToolSecurity),
) -> Vec<RuleProblem> {
    let pattern = format!("{server}:{tool}");
    add_roles(settings, &pattern, security);
    if let Some(condition) = security.condition {
        settings.policy.inline.push(condition_file(server, tool, condition));
    }
    add_limits(settings, server, tool, security);
    let mut problems = Vec::new();
    let ways = [(Direction::Arguments, security.arguments), (Direction::Results, security.results)];
    let mut rules = Vec::new();
    for (direction, protections) in ways {
        for protection in protections {
            match obligation((server, tool), direction, protection) {
                Ok(rule) => rules.push(rule),
                Err(what) => problems.push(RuleProblem { tool: tool.to_owned(), what }),
            }
        }
    }
    add_obligations(settings, rules);
    problems
}

fn add_roles(settings: &mut Settings, pattern: &str, security: &ToolSecurity) {
    let names: &[&str] = match security.who {
        Who::Roles(names) => names,
        Who::Authenticated => &[EVERYBODY],
        Who::Anyone => &[EVERYBODY, ANONYMOUS_ROLE],
    };
    let scopes: Vec<String> = security.scopes.iter().map(|scope| (*scope).to_owned()).collect();
    for name in names {
        let role = role(settings, name);
        role.allow.push(Rule { scopes: scopes.clone(), ..Rule::tools(pattern) });
        if let Some(max_age) = security.sensitive {
            let kind = haechi_policy::RuleKind::Tools;
            let pattern = pattern.to_owned();
            role.sensitive.push(SensitiveRule { kind, pattern, max_age });
        }
    }
}

/// The role `name` of `settings`, made without rules where there is none.
pub(crate) fn role<'s>(settings: &'s mut Settings, name: &str) -> &'s mut Role {
    let at = settings.roles.iter().position(|role| role.name == name);
    let at = at.unwrap_or_else(|| {
        settings.roles.push(Role { name: name.to_owned(), ..Role::default() });
        settings.roles.len() - 1
    });
    // INVARIANT: `at` was found or made above.
    #[expect(clippy::indexing_slicing, reason = "the index was found in this very list")]
    &mut settings.roles[at]
}

/// A condition only takes away: whoever does not meet it is refused, whatever role permits.
fn condition_file(server: &UpstreamName, tool: &str, condition: &str) -> CedarFile {
    let tool = tool.replace(['\\', '"'], "");
    let text = format!(
        "@id(\"{tool}: condition\")\n\
         forbid (principal, action == Haechi::Action::\"call_tool\", resource == Haechi::Tool::\"{server}:{tool}\")\n\
         unless {{ {condition} }};\n"
    );
    CedarFile { name: format!("condition of {tool}"), text }
}

fn add_limits(settings: &mut Settings, server: &UpstreamName, tool: &str, security: &ToolSecurity) {
    let Some(upstream) = settings.upstreams.iter_mut().find(|it| it.name == *server) else {
        return;
    };
    let limits = &mut upstream.rules.limits;
    let standard = limits.of(tool).1.clone();
    let stated = CallLimits {
        timeout: security.timeout.unwrap_or(standard.timeout),
        concurrency: security.concurrency.unwrap_or(standard.concurrency),
        rate: security.rate.map(rate).or(standard.rate),
    };
    if stated != standard {
        limits.tools.insert(0, (tool.to_owned(), stated));
    }
    if security.recording != Recording::Names {
        let stated = (tool.to_owned(), recording(security.recording));
        upstream.rules.recording.tools.insert(0, stated);
    }
}

const fn rate(stated: crate::Rate) -> haechi_guard::Rate {
    haechi_guard::Rate { calls: stated.calls, per: stated.per }
}

const fn recording(stated: Recording) -> haechi_guard::Recording {
    match stated {
        Recording::Names => haechi_guard::Recording::Names,
        Recording::NoNames => haechi_guard::Recording::NoNames,
        Recording::Off => haechi_guard::Recording::Off,
    }
}

fn obligation(
    (server, tool): (&UpstreamName, &str),
    direction: Direction,
    protection: &Protection,
) -> Result<ObligationRule, String> {
    let action = Action::parse(protection.action).map_err(|error| error.to_string())?;
    Ok(ObligationRule {
        direction: Some(direction),
        upstreams: vec![server.as_str().to_owned()],
        tools: vec![tool.to_owned()],
        kinds: protection.kinds.iter().map(|kind| (*kind).to_owned()).collect(),
        ..ObligationRule::new(action)
    })
}

/// What a tool says comes before what the settings say; a server whose settings say nothing of
/// personal data looks for it in the tools that do, and leaves the others alone.
fn add_obligations(settings: &mut Settings, rules: Vec<ObligationRule>) {
    if rules.is_empty() {
        return;
    }
    let privacy = settings.privacy.get_or_insert_with(|| {
        let mut alone = PrivacySettings::owned();
        alone.obligations.arguments = Some(Action::Allow);
        alone.obligations.results = Some(Action::Allow);
        alone.obligations.open.clear();
        alone
    });
    privacy.obligations.rules.splice(0..0, rules);
}

/// All problems as one text, a line each.
pub(crate) fn lines(problems: &[RuleProblem]) -> String {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

/// Tools by name, each once.
pub(crate) fn distinct<'t>(
    tools: &'t [(std::borrow::Cow<'static, str>, ToolSecurity)],
) -> Result<BTreeMap<&'t str, &'t ToolSecurity>, RuleProblem> {
    let mut distinct = BTreeMap::new();
    for (name, security) in tools {
        if distinct.insert(&**name, security).is_some() {
            let what = "is there twice; tools of one server need different names".to_owned();
            return Err(RuleProblem { tool: name.to_string(), what });
        }
    }
    Ok(distinct)
}
