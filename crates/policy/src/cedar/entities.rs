//! The entities of a request: caller, roles, action, resource and upstream.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::{Entities, Entity, EntityId, EntityTypeName, EntityUid, RestrictedExpression};
use haechi_core::{Action, Principal};
use serde_json::Value;

use super::reads::Reads;
use crate::disguise::{disguise, is_scheme};
use crate::question::Question;

/// The deepest nesting of claims a policy can read.
const MAX_DEPTH: usize = 8;

/// The most values in claims a policy can read.
const MAX_CLAIMS: usize = 1000;

/// Why there are no entities, in words for the operator.
pub(crate) type Unreadable = &'static str;

/// Who, what and to what, as Cedar names them.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    pub(crate) principal: EntityUid,
    pub(crate) action: EntityUid,
    pub(crate) resource: EntityUid,
}

/// The type names, parsed once.
#[derive(Clone, Debug)]
pub(crate) struct Types {
    person: EntityTypeName,
    role: EntityTypeName,
    action: EntityTypeName,
    upstream: EntityTypeName,
    tool: EntityTypeName,
    resource: EntityTypeName,
    prompt: EntityTypeName,
    method: EntityTypeName,
}

impl Types {
    /// Parses them; `None` never comes, and means no policy.
    pub(crate) fn new() -> Option<Self> {
        let name = |name: &str| format!("Haechi::{name}").parse::<EntityTypeName>().ok();
        Some(Self {
            person: name("Person")?,
            role: name("Role")?,
            action: name("Action")?,
            upstream: name("Upstream")?,
            tool: name("Tool")?,
            resource: name("Resource")?,
            prompt: name("Prompt")?,
            method: name("Method")?,
        })
    }

    /// The names of a question's principal, action and resource.
    pub(crate) fn names(&self, question: &Question<'_>) -> Names {
        let (upstream, name) = (question.resource.upstream.as_str(), &*question.resource.name);
        let kind = self.resource_type(question.action, name);
        let id =
            if *kind == self.upstream { upstream.to_owned() } else { format!("{upstream}:{name}") };
        let Principal { issuer, subject, .. } = question.principal;
        Names {
            principal: uid(&self.person, &format!("{issuer}|{subject}")),
            action: uid(&self.action, question.action.as_str()),
            resource: uid(kind, &id),
        }
    }

    /// `complete` has a prompt's name or a resource's URI, which has a scheme.
    fn resource_type(&self, action: Action, name: &str) -> &EntityTypeName {
        match action {
            Action::CallTool | Action::UseTask => &self.tool,
            Action::ReadResource => &self.resource,
            Action::GetPrompt => &self.prompt,
            Action::Complete if scheme(name).is_some() => &self.resource,
            Action::Complete => &self.prompt,
            Action::List | Action::Subscribe if name.is_empty() => &self.upstream,
            Action::List | Action::Subscribe => &self.resource,
            Action::Other => &self.method,
        }
    }

    /// Builds the entities of `question` for policies that read `reads`, the caller holding
    /// `extra_scopes` too.
    ///
    /// # Errors
    ///
    /// What is wrong with the claims: too deep, too many, ambiguous.
    pub(crate) fn entities(
        &self,
        question: &Question<'_>,
        names: &Names,
        reads: Reads,
        extra_scopes: &BTreeSet<String>,
    ) -> Result<Entities, Unreadable> {
        let upstream = uid(&self.upstream, question.resource.upstream.as_str());
        let parents = (names.resource != upstream).then_some(upstream);
        let entities = [
            self.person(question.principal, names, reads, extra_scopes)?,
            self.resource(question, names, parents)?,
            Entity::new_no_attrs(names.action.clone(), [self.group(question.action)].into()),
        ];
        Entities::from_entities(entities, None).map_err(|_| "the entities of the call clash")
    }

    fn group(&self, action: Action) -> EntityUid {
        let group = match action {
            Action::CallTool | Action::UseTask | Action::Other => "use",
            Action::ReadResource
            | Action::GetPrompt
            | Action::Complete
            | Action::List
            | Action::Subscribe => "read",
        };
        uid(&self.action, group)
    }

    fn person(
        &self,
        principal: &Principal,
        names: &Names,
        reads: Reads,
        extra_scopes: &BTreeSet<String>,
    ) -> Result<Entity, Unreadable> {
        let scopes = principal.scopes.union(extra_scopes).map(String::as_str);
        let mut attributes = vec![
            ("issuer".to_owned(), text(&principal.issuer)),
            ("subject".to_owned(), text(&principal.subject)),
            ("roles".to_owned(), texts(principal.roles.iter().map(String::as_str))),
            ("groups".to_owned(), texts(principal.groups.iter().map(String::as_str))),
            ("scopes".to_owned(), texts(scopes)),
            ("means".to_owned(), text(principal.means.as_str())),
        ];
        let optional = [
            ("username", &principal.username),
            ("tenant", &principal.tenant),
            ("client_id", &principal.client_id),
        ];
        for (name, value) in optional {
            attributes.extend(value.as_ref().map(|value| (name.to_owned(), text(value))));
        }
        let roles = principal.roles.iter().map(|role| uid(&self.role, role));
        let claims =
            if reads.has(Reads::CLAIMS) { claims(&principal.claims)? } else { BTreeMap::new() };
        let tags = claims
            .iter()
            .map(|(name, values)| (name.clone(), texts(values.iter().map(String::as_str))));
        Entity::new_with_tags(names.principal.clone(), attributes, roles, tags)
            .map_err(|_| "the caller cannot be described")
    }

    fn resource(
        &self,
        question: &Question<'_>,
        names: &Names,
        parent: Option<EntityUid>,
    ) -> Result<Entity, Unreadable> {
        let resource = question.resource;
        let upstream = resource.upstream.as_str();
        let name = if parent.is_some() { &*resource.name } else { upstream };
        let flag = RestrictedExpression::new_bool;
        let mut attributes = vec![
            ("name".to_owned(), text(name)),
            ("upstream".to_owned(), text(upstream)),
            ("folded".to_owned(), text(&name.to_lowercase())),
            ("disguised".to_owned(), flag(is_disguised_name(name))),
        ];
        if names.resource.type_name() == &self.resource {
            attributes.extend(scheme(name).map(|scheme| ("scheme".to_owned(), text(scheme))));
        }
        if names.resource.type_name() == &self.tool {
            let tags = question.tool.map(|tool| tool.tags.as_slice()).unwrap_or_default();
            attributes.push(("tags".to_owned(), texts(tags.iter().map(String::as_str))));
            let hints = question.tool.map(|tool| tool.annotations).unwrap_or_default();
            let hints = [
                ("read_only", hints.read_only),
                ("destructive", hints.destructive),
                ("idempotent", hints.idempotent),
                ("open_world", hints.open_world),
            ];
            for (name, hint) in hints {
                attributes.extend(hint.map(|hint| (name.to_owned(), flag(hint))));
            }
        }
        Entity::new(
            names.resource.clone(),
            attributes.into_iter().collect(),
            parent.into_iter().collect(),
        )
        .map_err(|_| "the resource cannot be described")
    }
}

/// Whether a name or URI may name another place than it seems to. The scheme of a URI is written
/// in lower case (RFC 3986 §3.1), and `file:` has no host but the empty one.
fn is_disguised_name(name: &str) -> bool {
    disguise(name).is_some()
        || scheme(name).is_some_and(|scheme| {
            scheme.chars().any(|c| c.is_ascii_uppercase())
                || (scheme == "file" && !name.starts_with("file:///"))
        })
}

/// The scheme of a URI.
fn scheme(name: &str) -> Option<&str> {
    name.split_once(':').map(|(scheme, _)| scheme).filter(|scheme| is_scheme(scheme))
}

fn uid(type_name: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(type_name.clone(), EntityId::new(id))
}

fn text(value: &str) -> RestrictedExpression {
    RestrictedExpression::new_string(value.to_owned())
}

fn texts<'a>(values: impl Iterator<Item = &'a str>) -> RestrictedExpression {
    RestrictedExpression::new_set(values.map(text))
}

/// Claims as sets of texts, members of objects named with a dot.
///
/// Two claims that come to one name are an error: whichever were taken, the other would be hidden.
fn claims(claims: &Value) -> Result<BTreeMap<String, BTreeSet<String>>, Unreadable> {
    let mut found = BTreeMap::new();
    let mut left = MAX_CLAIMS;
    for (name, value) in claims.as_object().into_iter().flatten() {
        claim(name.clone(), value, (0, &mut left), &mut found)?;
    }
    Ok(found)
}

fn claim(
    name: String,
    value: &Value,
    (depth, left): (usize, &mut usize),
    found: &mut BTreeMap<String, BTreeSet<String>>,
) -> Result<(), Unreadable> {
    if depth > MAX_DEPTH {
        return Err("the token's claims are nested more than 8 deep");
    }
    if let Value::Object(members) = value {
        for (member, value) in members {
            claim(format!("{name}.{member}"), value, (depth + 1, &mut *left), found)?;
        }
        return Ok(());
    }
    let values: BTreeSet<String> = match value {
        Value::Array(items) => items.iter().filter_map(scalar).collect(),
        one => scalar(one).into_iter().collect(),
    };
    *left = left.checked_sub(values.len().max(1)).ok_or("the token has more than 1000 claims")?;
    match found.insert(name, values) {
        None => Ok(()),
        Some(_) => Err("two claims of the token come to one name"),
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn claims_are_sets_of_texts() {
        let token = json!({
            "dept": "hr", "level": 3, "ok": true, "list": ["a", 1, null, {"x": 1}],
            "realm_access": {"roles": ["r"]}, "none": null
        });
        let found = claims(&token).unwrap();
        let shown: Vec<String> = found
            .iter()
            .map(|(k, v)| format!("{k}={}", v.iter().cloned().collect::<Vec<_>>().join(",")))
            .collect();
        assert_eq!(
            shown,
            ["dept=hr", "level=3", "list=1,a", "none=", "ok=true", "realm_access.roles=r"]
        );
    }

    #[test]
    fn claims_that_hide_one_another_or_are_too_many_are_refused() {
        assert!(claims(&json!({"a.b": 1, "a": {"b": 2}})).is_err());
        assert!(claims(&json!({"a": vec![0; 3]})).is_ok());
        let many: Vec<usize> = (0..=MAX_CLAIMS).collect();
        assert!(claims(&json!({ "a": many })).is_err());
        let mut deep = json!(1);
        for _ in 0..=MAX_DEPTH + 1 {
            deep = json!({ "x": deep });
        }
        assert!(claims(&deep).is_err());
    }

    #[test]
    fn a_uri_in_disguise_is_seen() {
        for plain in ["read_file", "file:///srv/a", "note://x/y", "urn:x:y", ""] {
            assert!(!is_disguised_name(plain), "{plain}");
        }
        for bad in ["FILE:///etc", "file://host/etc", "file:/etc", "file:///a/../b", "x:///a//b"] {
            assert!(is_disguised_name(bad), "{bad}");
        }
    }
}
