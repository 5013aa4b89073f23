//! Scopes that hold others within them.

use std::collections::{BTreeMap, BTreeSet};

/// Which scopes a scope holds within it: a token for `files:write` is good for `files:read` where
/// the operator says so. Nothing follows from how scopes are spelled (RFC 6749 §3.3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScopeHierarchy(BTreeMap<String, BTreeSet<String>>);

impl ScopeHierarchy {
    /// The hierarchy in which each scope holds those it names, and what these hold.
    #[must_use]
    pub fn new(named: &BTreeMap<String, BTreeSet<String>>) -> Self {
        let closed = named.keys().map(|scope| (scope.clone(), reach(scope, named)));
        Self(closed.collect())
    }

    /// `scopes`, and all they hold.
    #[must_use]
    pub fn expand(&self, mut scopes: BTreeSet<String>) -> BTreeSet<String> {
        let held: Vec<String> =
            scopes.iter().filter_map(|s| self.0.get(s)).flatten().cloned().collect();
        scopes.extend(held);
        scopes
    }

    /// The fewest scopes that hold all of `scopes`: what to ask for, or to show to a person.
    #[must_use]
    pub fn reduce(&self, scopes: &BTreeSet<String>) -> BTreeSet<String> {
        let held_by = |scope: &String, by: &String| {
            by != scope && self.0.get(by).is_some_and(|held| held.contains(scope))
        };
        let mut kept = scopes.clone();
        for scope in scopes {
            // One of two that hold each other stays.
            if kept.iter().any(|by| held_by(scope, by)) {
                kept.remove(scope);
            }
        }
        kept
    }
}

/// Everything that follows from `scope`, without itself unless it follows too.
fn reach(scope: &str, named: &BTreeMap<String, BTreeSet<String>>) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    let mut open = vec![scope];
    while let Some(next) = open.pop() {
        for held in named.get(next).into_iter().flatten() {
            if reached.insert(held.clone()) {
                open.push(held);
            }
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    fn hierarchy(named: &[(&str, &[&str])]) -> ScopeHierarchy {
        let named = named.iter().map(|(name, held)| ((*name).to_owned(), set(held)));
        ScopeHierarchy::new(&named.collect())
    }

    fn files() -> ScopeHierarchy {
        hierarchy(&[("files:admin", &["files:write"]), ("files:write", &["files:read"])])
    }

    #[test]
    fn a_scope_holds_what_it_names_and_what_that_holds() {
        let admin = files().expand(set(&["files:admin"]));
        assert_eq!(admin, set(&["files:admin", "files:write", "files:read"]));
        assert_eq!(files().expand(set(&["files:read"])), set(&["files:read"]));
        assert_eq!(files().expand(set(&["files"])), set(&["files"]), "spelling brings nothing");
    }

    #[test]
    fn the_fewest_scopes_are_asked_for() {
        let all = set(&["files:read", "files:write", "mail"]);
        assert_eq!(files().reduce(&all), set(&["files:write", "mail"]));
    }

    #[test]
    fn a_circle_is_one_scope_by_several_names() {
        let circle = hierarchy(&[("a", &["b"]), ("b", &["a"])]);
        assert_eq!(circle.expand(set(&["b"])), set(&["a", "b"]));
        assert_eq!(circle.reduce(&set(&["a", "b"])).len(), 1);
    }

    proptest! {
        #[test]
        fn what_is_reduced_holds_as_much_as_before(
            named in proptest::collection::btree_map("[a-e]", proptest::collection::btree_set("[a-e]", 0..4), 0..5),
            scopes in proptest::collection::btree_set("[a-e]", 0..5),
        ) {
            let hierarchy = ScopeHierarchy::new(&named);
            let whole = hierarchy.expand(scopes.clone());
            prop_assert_eq!(hierarchy.expand(whole.clone()), whole.clone());
            prop_assert_eq!(hierarchy.expand(hierarchy.reduce(&scopes)), whole);
        }
    }
}
