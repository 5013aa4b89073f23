//! What other parts of this server will do; each piece goes when its part comes.

use bytes::Bytes;
use http::Response;

use crate::{AuthorizationServer, Visit};

impl AuthorizationServer {
    /// Sign-in at another provider, below `/oauth/federation/`.
    pub(crate) async fn answer_federation(
        &self,
        _visit: &Visit<'_>,
        _path: &str,
    ) -> Option<Response<Bytes>> {
        None
    }
}
