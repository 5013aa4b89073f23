//! The schema, with the type of the arguments filled in.

use cedar_policy::{Schema, SchemaFragment};
use serde_json::Value;

/// The schema as Cedar text.
pub(crate) const TEXT: &str = include_str!("haechi.cedarschema");

/// The schema with `arguments` (a record type in Cedar's JSON schema form) in place of the empty
/// record.
///
/// # Errors
///
/// What Cedar says, when it does not take the type.
pub(crate) fn with_arguments(arguments: Value) -> Result<Schema, String> {
    let (fragment, _) =
        SchemaFragment::from_cedarschema_str(TEXT).map_err(|error| error.to_string())?;
    let mut json = fragment.to_json_value().map_err(|error| error.to_string())?;
    let place = json.pointer_mut("/Haechi/commonTypes/Arguments");
    *place.ok_or("the schema has no type `Arguments`")? = arguments;
    Schema::from_json_value(json).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_schema_is_one_cedar_takes() {
        let (_, warnings) = Schema::from_cedarschema_str(TEXT).unwrap();
        assert_eq!(warnings.map(|warning| warning.to_string()).collect::<Vec<_>>(), [""; 0]);
    }

    #[test]
    fn arguments_take_any_name() {
        let attributes = json!({ "a\"; }": { "type": "String", "required": false } });
        let record = json!({ "type": "Record", "attributes": attributes });
        with_arguments(record).unwrap();
    }
}
