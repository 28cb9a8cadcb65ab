//! What is remembered of a request until its answer is there.

use access::Subject;
use actix_web::web::Bytes;
use entities::random_uuid;
use std::sync::Arc;
use uuid::Uuid;

/// What becomes of a request.
pub(crate) struct Trace {
    /// 32 hexadecimal digits that name it.
    pub(crate) request_id: String,
    /// Who asked, once that is known.
    pub(crate) subject: Option<Arc<Subject>>,
    /// Its workspace, once that is known.
    pub(crate) workspace: Option<Uuid>,
    /// Its body, once that is read.
    pub(crate) body: Bytes,
    /// A cookie to set with the answer.
    pub(crate) cookie: Option<String>,
}

impl Trace {
    /// Of a new request.
    pub(crate) fn new() -> Trace {
        let request_id = random_uuid().replace('-', "");
        Trace { request_id, subject: None, workspace: None, body: Bytes::new(), cookie: None }
    }
}
