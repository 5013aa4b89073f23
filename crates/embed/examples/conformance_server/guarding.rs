//! The guard around the server: everybody may do everything, so that nothing but the guard's own
//! work can make a difference.

use std::path::Path;

use haechi_embed::{BuildError, Haechi};

/// Callers of the suite have no credentials, and call more often in a minute than a person does.
/// Personal data is looked for everywhere, but for names: the suite wants one back that it gave.
const POLICY: &str = r#"
[roles.anonymous]
allow = ["*"]

[limits]
calls_per_minute = 60000000

[privacy]
names = false
left_alone = ["DATE_TIME"]
arguments = { default = "tokenize" }
results = { default = "tokenize" }
"#;

/// A guard that lets everybody do everything, with its data in `folder`.
pub(crate) async fn haechi(folder: &Path) -> Result<Haechi, BuildError> {
    Haechi::builder("everything")
        .settings(POLICY)
        .data_directory(folder)
        .dangerous_allow_anonymous()
        .build()
        .await
}
