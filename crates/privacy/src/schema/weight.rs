//! How much work a schema can be: it comes from an upstream, which may mean harm.

use std::collections::HashMap;

use serde_json::Value;

/// The heaviest schema that results are held to.
const MAX_WEIGHT: usize = 20_000;
/// How deep a schema may be nested, references included.
const MAX_DEPTH: usize = 96;

/// How many parts `schema` has when every reference is written out; `None` when that never ends, is
/// too much, or a reference leads out of the document. Checking one value costs no more than this.
pub(super) fn weight(schema: &Value) -> Option<usize> {
    Weighing { root: schema, known: HashMap::new() }.of(schema, 0)
}

struct Weighing<'s> {
    root: &'s Value,
    /// By address; `None` while a part is being weighed, so that a cycle is seen.
    known: HashMap<*const Value, Option<usize>>,
}

impl<'s> Weighing<'s> {
    fn of(&mut self, part: &'s Value, depth: usize) -> Option<usize> {
        if depth > MAX_DEPTH {
            return None;
        }
        let address = std::ptr::from_ref(part);
        if let Some(known) = self.known.get(&address) {
            return *known;
        }
        self.known.insert(address, None);
        let mut weight = 1_usize;
        match part {
            Value::Object(members) => {
                for (key, value) in members {
                    weight += match reference(key, value) {
                        Some(reference) => self.of(self.target(reference)?, depth + 1)?,
                        None => self.of(value, depth + 1)?,
                    };
                }
            }
            Value::Array(elements) => {
                for element in elements {
                    weight += self.of(element, depth + 1)?;
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
        if weight > MAX_WEIGHT {
            return None;
        }
        self.known.insert(address, Some(weight));
        Some(weight)
    }

    fn target(&self, reference: &str) -> Option<&'s Value> {
        match reference.strip_prefix('#')? {
            "" => Some(self.root),
            pointer => self.root.pointer(pointer),
        }
    }
}

fn reference<'s>(key: &str, value: &'s Value) -> Option<&'s str> {
    matches!(key, "$ref" | "$dynamicRef" | "$recursiveRef").then(|| value.as_str()).flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn references_are_written_out_and_must_end() {
        let shared = json!({"$defs": {"a": {"type": "string"}}, "anyOf": [
            {"$ref": "#/$defs/a"}, {"$ref": "#/$defs/a"}]});
        assert_eq!(weight(&shared), Some(11));
        for endless in [
            json!({"$ref": "#"}),
            json!({"properties": {"child": {"$ref": "#"}}}),
            json!({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}),
            json!({"$ref": "https://example.com/other.json"}),
            json!({"$dynamicRef": "#meta"}),
        ] {
            assert_eq!(weight(&endless), None, "{endless}");
        }
    }

    #[test]
    fn doubling_is_too_much() {
        let mut definitions = serde_json::Map::new();
        for level in 0..40 {
            let next = json!({"$ref": format!("#/$defs/a{}", level + 1)});
            definitions.insert(format!("a{level}"), json!({"anyOf": [next, next]}));
        }
        definitions.insert("a40".into(), json!(true));
        assert_eq!(weight(&json!({"$defs": definitions})), None);
    }
}
