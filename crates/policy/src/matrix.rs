//! The access matrix: roles or people down, tools across.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use haechi_core::{Action, Means, Origin, Principal, Resource, Sid, Timestamp, UpstreamName};
use serde::Serialize;
use serde_json::Value;

use crate::answer::Foresight;
use crate::judge::Memory;
use crate::policy::Policy;
use crate::question::Question;
use crate::source::KnownTool;

/// Who may call what, without regard to arguments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Matrix {
    /// The columns: `upstream:tool`.
    pub tools: Vec<String>,
    /// The rows.
    pub rows: Vec<MatrixRow>,
}

/// One row of the matrix.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MatrixRow {
    /// The role or person.
    pub who: String,
    /// One answer for each column.
    pub answers: Vec<Foresight>,
}

impl Matrix {
    /// Asks `policy` for each of `people` and each of `tools`, at `now` and from nowhere in
    /// particular. A tool whose upstream has a name the settings cannot have is left out.
    #[must_use]
    pub fn of(
        policy: &Policy,
        people: &[(String, Principal)],
        tools: &[KnownTool],
        now: Timestamp,
    ) -> Self {
        let columns: Vec<(Resource, &KnownTool)> = tools.iter().filter_map(column).collect();
        let origin = Origin::default();
        let rows = people.iter().map(|(who, principal)| {
            let answers = columns.iter().map(|(resource, tool)| {
                let question = Question {
                    principal,
                    action: Action::CallTool,
                    resource,
                    tool: Some(tool),
                    arguments: None,
                    now,
                    origin: &origin,
                };
                policy.foresight_with(&question, Memory::Ignore)
            });
            MatrixRow { who: who.clone(), answers: answers.collect() }
        });
        let rows = rows.collect();
        let names = columns.iter().map(|(_, tool)| format!("{}:{}", tool.upstream, tool.tool));
        Self { tools: names.collect(), rows }
    }
}

fn column(tool: &KnownTool) -> Option<(Resource, &KnownTool)> {
    let upstream = UpstreamName::parse(&tool.upstream)?;
    Some((Resource { upstream, name: tool.tool.as_str().into() }, tool))
}

/// Tools down and people across: names of tools are long, and there are many.
impl fmt::Display for Matrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |text: &str| text.chars().count();
        let first = self.tools.iter().map(|tool| width(tool)).max().unwrap_or_default();
        write!(f, "{:first$}", "")?;
        for row in &self.rows {
            write!(f, "  {:>7}", row.who)?;
        }
        writeln!(f)?;
        for (index, tool) in self.tools.iter().enumerate() {
            write!(f, "{tool:first$}")?;
            for row in &self.rows {
                let answer = row.answers.get(index).map_or("", |answer| answer.as_str());
                write!(f, "  {answer:>0$}", width(&row.who).max(7))?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

/// A caller who holds `roles` and is nobody in particular, for tables and expectations. Its digest
/// says nothing, so it must not be put to [`Policy::judge`] or [`Policy::foresee`].
pub fn stand_in(roles: BTreeSet<String>) -> Principal {
    Principal {
        sid: Sid("stand-in".into()),
        issuer: "haechi".into(),
        subject: "stand-in".into(),
        username: None,
        name: None,
        email: None,
        roles: Arc::new(roles),
        groups: Arc::default(),
        scopes: Arc::default(),
        tenant: None,
        claims: Arc::new(Value::Null),
        client_id: None,
        means: Means::OwnToken,
        authenticated_at: None,
        credential_id: None,
        expires_at: None,
        restriction: None,
        digest: [0; 32],
    }
}
