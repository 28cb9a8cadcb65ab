//! The Admin API on the manager's port.

use actix_web::body::{BoxBody, EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::HeaderName;
use actix_web::http::uri::{PathAndQuery, Uri};
use actix_web::middleware::Next;
use actix_web::{Error, HttpResponse};

use crate::Reach;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Refuses whom it must not serve, and gives the request the path it would have on the Admin API's own port.
pub(crate) async fn enter<B: MessageBody + 'static>(
    reach: Reach,
    prefix: String,
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B, BoxBody>>, Error> {
    if let Some(refusal) = refusal(reach, &request) {
        let answer = HttpResponse::Forbidden().json(Refusal { message: refusal });
        return Ok(request.into_response(answer).map_into_right_body());
    }
    if let Some(uri) = without_prefix(request.uri(), &prefix) {
        request.head_mut().uri = uri;
    }
    next.call(request).await.map(ServiceResponse::map_into_left_body)
}

#[derive(serde::Serialize)]
struct Refusal {
    message: &'static str,
}

fn refusal(reach: Reach, request: &ServiceRequest) -> Option<&'static str> {
    let here = || request.peer_addr().is_some_and(|peer| peer.ip().to_canonical().is_loopback());
    if reach == Reach::Loopback && !here() {
        return Some(
            "The Admin API listens on this machine only (admin_listen), so the manager offers it on this machine only",
        );
    }
    // A page of another origin may send forms here from an administrator's browser.
    let site = request.headers().get(SEC_FETCH_SITE).map(|site| site.as_bytes());
    match site {
        None | Some(b"same-origin" | b"none") => None,
        Some(_) => Some("The Admin API on this port takes requests of the manager only; use the Admin API's own port"),
    }
}

fn without_prefix(uri: &Uri, prefix: &str) -> Option<Uri> {
    let given = uri.path_and_query()?.as_str();
    let rest = given.strip_prefix(prefix)?;
    let rest = if rest.starts_with('/') { rest.to_owned() } else { format!("/{rest}") };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(rest).ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_the_admin_api() {
        for (given, prefix, expected) in [
            ("/api", "/api", "/"),
            ("/api/", "/api", "/"),
            ("/api?a=1", "/api", "/?a=1"),
            ("/manager/api/services/a%2Fb?tags=x", "/manager/api", "/services/a%2Fb?tags=x"),
        ] {
            let uri: Uri = given.parse().expect("a URI");
            assert_eq!(without_prefix(&uri, prefix).map(|uri| uri.to_string()).as_deref(), Some(expected));
        }
    }
}
