//! OpenAI's own format, which Azure and others speak, too.

use super::{Object, name, put, read, stream, truthy};
use crate::ai::config::{Model, RouteType};

pub(super) fn request(mut request: Object, model: &Model) -> Object {
    let name = name(&request, model);
    put(&mut request, "model", name);
    let stream = stream(&request);
    request.insert("stream".into(), stream);
    // It knows no such option.
    request.shift_remove("top_k");
    request
}

/// Whether it is an answer.
pub(super) fn answer(body: &[u8], route: RouteType) -> Result<(), String> {
    let route = route.name();
    let answer = read(body, &format!("failed to decode {route} response"))?;
    match truthy(answer.get("choices")) {
        Some(_) => Ok(()),
        None => Err(format!("'choices' not in {route} response")),
    }
}
