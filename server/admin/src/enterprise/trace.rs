//! What is remembered of a request until its answer is there.

use crate::paths::{Endpoint, Match};
use crate::secrets::is_secret;
use access::Subject;
use actix_web::web::Bytes;
use declarative::Kinds;
use entities::random_uuid;
use std::sync::Arc;
use uuid::Uuid;

/// What a request's path and body are about.
pub(crate) struct About {
    /// The kind of the entities.
    pub(crate) entity: &'static str,
    /// Segments of the path that are secrets: keys that entities are called by.
    pub(crate) secrets: Vec<Vec<u8>>,
}

impl About {
    /// Of a path.
    pub(crate) fn of(found: &Match<'_, '_>, kinds: &Kinds) -> Option<About> {
        // The kind of the body, and which kind is called by which parameter.
        let (kind, called) = match *found.endpoint {
            Endpoint::Collection { kind } | Endpoint::Nested { kind, .. } => (kind, None),
            Endpoint::Entity { kind } => (kind, Some((kind, 0))),
            Endpoint::NestedEntity { kind, .. } => (kind, Some((kind, 1))),
            Endpoint::Foreign { kind, target, .. } => (target, Some((kind, 0))),
            Endpoint::SchemaValidate => {
                let name = found.parameters.first().and_then(|name| std::str::from_utf8(name).ok());
                (kinds.position(name.unwrap_or("plugins"))?, None)
            }
            _ => return None,
        };
        let secrets = called.and_then(|(kind, parameter)| {
            let definition = kinds.get(kind);
            let is_secret = definition.endpoint.is_some_and(|field| is_secret(definition.name, field));
            let key = found.parameters.get(parameter).filter(|key| is_secret && !is_id(key))?;
            Some(key.to_vec())
        });
        Some(About { entity: kinds.get(kind).name, secrets: secrets.into_iter().collect() })
    }
}

fn is_id(segment: &[u8]) -> bool {
    std::str::from_utf8(segment).is_ok_and(|text| Uuid::try_parse(text).is_ok())
}

/// What becomes of a request.
pub(crate) struct Trace {
    /// 32 hexadecimal digits that name it.
    pub(crate) request_id: String,
    /// Who asked, once that is known.
    pub(crate) subject: Option<Arc<Subject>>,
    /// Its workspace, once that is known.
    pub(crate) workspace: Option<Uuid>,
    /// The entity that it is about, where it is about one.
    pub(crate) about: Option<About>,
    /// Its body, once that is read.
    pub(crate) body: Bytes,
    /// A cookie to set with the answer.
    pub(crate) cookie: Option<String>,
}

impl Trace {
    /// Of a new request.
    pub(crate) fn new() -> Trace {
        let request_id = random_uuid().replace('-', "");
        Trace { request_id, subject: None, workspace: None, about: None, body: Bytes::new(), cookie: None }
    }
}
