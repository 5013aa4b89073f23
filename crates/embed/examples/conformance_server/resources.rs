//! Resources and the template.

use rmcp::ErrorData;
use rmcp::model::*;
use serde_json::json;

use crate::content::PNG;
use crate::skills;

/// The one template; `{id}` stands for whatever is between the slashes.
pub(crate) const TEMPLATE: &str = "test://template/{id}/data";

/// Every resource that is listed, always in the same order.
pub(crate) fn all() -> Vec<Resource> {
    let mut resources = vec![
        resource("test://static-text", "Static text", "text/plain"),
        resource("test://static-binary", "Static image", "image/png"),
        resource("test://watched-resource", "Watched text", "text/plain"),
    ];
    resources.extend(skills::resources());
    resources
}

fn resource(uri: &str, name: &str, mime_type: &str) -> Resource {
    Resource::new(uri, name)
        .with_description(format!("{name} for testing."))
        .with_mime_type(mime_type)
}

/// Every template.
pub(crate) fn templates() -> Vec<ResourceTemplate> {
    vec![
        ResourceTemplate::new(TEMPLATE, "Data by id")
            .with_description("What is known of an id.")
            .with_mime_type("application/json"),
    ]
}

/// What stands behind `uri`.
pub(crate) fn read(uri: &str) -> Result<ReadResourceResult, ErrorData> {
    let contents = match uri {
        "test://static-text" => {
            plain("This is the content of the static text resource.", uri, "text/plain")
        }
        "test://watched-resource" => plain("Nothing has changed yet.", uri, "text/plain"),
        "test://static-binary" => ResourceContents::blob(PNG, uri).with_mime_type("image/png"),
        _ => match (skills::text(uri), id(uri)) {
            (Some(text), _) => plain(text, uri, "text/markdown"),
            (None, Some(id)) => plain(&by_id(id), uri, "application/json"),
            (None, None) => {
                let place = Some(json!({ "uri": uri }));
                return Err(ErrorData::resource_not_found("Resource not found", place));
            }
        },
    };
    Ok(ReadResourceResult::new(vec![contents]))
}

fn plain(text: &str, uri: &str, mime_type: &str) -> ResourceContents {
    ResourceContents::text(text, uri).with_mime_type(mime_type)
}

fn by_id(id: &str) -> String {
    json!({ "id": id, "templateTest": true, "data": format!("Data for ID: {id}") }).to_string()
}

fn id(uri: &str) -> Option<&str> {
    let (before, after) = TEMPLATE.split_once("{id}")?;
    let id = uri.strip_prefix(before)?.strip_suffix(after)?;
    (!id.is_empty() && !id.contains('/')).then_some(id)
}
