//! Every address of the manager's port.

use std::sync::Arc;

use actix_web::http::header::{
    self, ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, ContentType, HeaderName, LOCATION,
    REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::from_fn;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};

use crate::negotiate::codings;
use crate::{Settings, api, assets, kconfig::kconfig};

/// Names change with content: a year, and never asked about again.
const FOREVER: &str = "public, max-age=31536000, immutable";

/// What does not change while the node runs.
struct Site {
    prefix: String,
    policy: String,
    kconfig: String,
    page: Option<String>,
}

/// Registers the manager, and at `api` below its path the Admin API as `admin` configures it. `admin` sees the same
/// paths as on the Admin API's own port, and may bring its own data and default service.
pub fn configure<A>(settings: &Settings, admin: A) -> impl FnOnce(&mut ServiceConfig) + use<A>
where
    A: FnOnce(&mut ServiceConfig) + 'static,
{
    let prefix = settings.prefix().to_owned();
    let site = Arc::new(Site {
        policy: settings.policy(),
        kconfig: kconfig(settings),
        page: assets::page().map(|page| with_base(&page, &prefix)),
        prefix,
    });
    let reach = settings.reach;
    move |service| {
        let path = format!("{}/api", site.prefix);
        let inside = path.clone();
        let enter = from_fn(move |request, next| api::enter(reach, inside.clone(), request, next));
        service.service(web::scope(&path).wrap(enter).configure(admin));
        service.default_service(web::to(move |request: HttpRequest| {
            let answer = answer(&site, &request);
            async move { answer }
        }));
    }
}

/// The page's references are relative to this.
fn with_base(page: &str, prefix: &str) -> String {
    let escaped = prefix.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;");
    page.replacen(r#"<base href="/">"#, &format!(r#"<base href="{escaped}/">"#), 1)
}

fn answer(site: &Site, request: &HttpRequest) -> HttpResponse {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return begin(site, StatusCode::METHOD_NOT_ALLOWED).insert_header((header::ALLOW, "GET, HEAD")).finish();
    }
    let Some(path) = request.path().strip_prefix(&site.prefix) else {
        return elsewhere(site, request);
    };
    match path.strip_prefix('/') {
        // Without its slash the page's references would go astray.
        None if path.is_empty() => to_page(site),
        None => elsewhere(site, request),
        Some("kconfig.js") => begin(site, StatusCode::OK)
            .insert_header((header::CONTENT_TYPE, "application/javascript; charset=utf-8"))
            .insert_header((CACHE_CONTROL, "no-store"))
            .body(site.kconfig.clone()),
        Some(path) => match path.strip_prefix("assets/") {
            Some(name) => asset(site, request, name),
            None => page(site),
        },
    }
}

/// Outside the path nothing is but the way there.
fn elsewhere(site: &Site, request: &HttpRequest) -> HttpResponse {
    if request.path() == "/" { to_page(site) } else { begin(site, StatusCode::NOT_FOUND).finish() }
}

fn to_page(site: &Site) -> HttpResponse {
    begin(site, StatusCode::FOUND).insert_header((LOCATION, format!("{}/", site.prefix))).finish()
}

/// One page for every address: the manager reads the address itself.
fn page(site: &Site) -> HttpResponse {
    let (status, body) = match &site.page {
        Some(page) => (StatusCode::OK, page.clone()),
        None => (StatusCode::SERVICE_UNAVAILABLE, assets::MISSING.to_owned()),
    };
    begin(site, status).content_type(ContentType::html()).insert_header((CACHE_CONTROL, "no-cache")).body(body)
}

fn asset(site: &Site, request: &HttpRequest, name: &str) -> HttpResponse {
    let accept = request.headers().get(ACCEPT_ENCODING).and_then(|accept| accept.to_str().ok());
    for coding in codings(accept) {
        let (ending, encoding) = coding.names().unzip();
        let Some(content) = assets::asset(&format!("{name}{}", ending.unwrap_or_default())) else { continue };
        let mut answer = begin(site, StatusCode::OK);
        answer.insert_header((header::CONTENT_TYPE, assets::content_type(name)));
        answer.insert_header((CACHE_CONTROL, FOREVER)).insert_header((VARY, "accept-encoding"));
        if let Some(encoding) = encoding {
            answer.insert_header((CONTENT_ENCODING, encoding));
        }
        return match content {
            std::borrow::Cow::Borrowed(content) => answer.body(web::Bytes::from_static(content)),
            std::borrow::Cow::Owned(content) => answer.body(content),
        };
    }
    begin(site, StatusCode::NOT_FOUND).finish()
}

/// With what every answer says.
fn begin(site: &Site, status: StatusCode) -> HttpResponseBuilder {
    let mut answer = HttpResponse::build(status);
    answer
        .insert_header((CONTENT_SECURITY_POLICY, site.policy.as_str()))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((REFERRER_POLICY, "no-referrer"))
        .insert_header((HeaderName::from_static("x-frame-options"), "DENY"));
    answer
}

#[cfg(test)]
mod tests {
    use actix_web::App;
    use actix_web::http::header::HeaderMap;
    use actix_web::test::{TestRequest, call_service, init_service, read_body};

    use super::*;
    use crate::Reach;

    fn admin(service: &mut ServiceConfig) {
        service.route("/named", web::get().to(|| async { "named" }));
        service.default_service(web::to(|request: HttpRequest| async move { request.uri().to_string() }));
    }

    async fn get(settings: &Settings, request: TestRequest) -> (StatusCode, HeaderMap, String) {
        let app = init_service(App::new().configure(configure(settings, admin))).await;
        let answer = call_service(&app, request.to_request()).await;
        let (status, headers) = (answer.status(), answer.headers().clone());
        (status, headers, String::from_utf8_lossy(&read_body(answer).await).into_owned())
    }

    fn text(headers: &HeaderMap, name: HeaderName) -> &str {
        headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    fn at(path: &str) -> Settings {
        Settings { path: path.to_owned(), ..Settings::default() }
    }

    #[actix_web::test]
    async fn every_address_below_the_path_is_the_page() {
        for (path, uri) in [("/", "/"), ("", "/services/x"), ("/manager", "/manager/"), ("/a/b", "/a/b/routes?x=1")] {
            let (status, headers, body) = get(&at(path), TestRequest::get().uri(uri)).await;
            let built = assets::page().is_some();
            assert_eq!(status, if built { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE });
            assert_eq!(text(&headers, header::CONTENT_TYPE), "text/html; charset=utf-8");
            assert_eq!(text(&headers, CACHE_CONTROL), "no-cache");
            assert!(text(&headers, CONTENT_SECURITY_POLICY).contains("script-src-elem 'self'"));
            if built {
                let base = format!(r#"<base href="{}/">"#, path.trim_end_matches('/'));
                assert!(body.contains(&base), "{body}");
            }
        }
    }

    #[actix_web::test]
    async fn without_the_slash_and_from_the_root_one_is_led_there() {
        for uri in ["/manager", "/"] {
            let (status, headers, _) = get(&at("/manager"), TestRequest::get().uri(uri)).await;
            assert_eq!((status, text(&headers, LOCATION)), (StatusCode::FOUND, "/manager/"));
        }
        for uri in ["/managers", "/other", "/kconfig.js"] {
            assert_eq!(get(&at("/manager"), TestRequest::get().uri(uri)).await.0, StatusCode::NOT_FOUND, "{uri}");
        }
    }

    #[actix_web::test]
    async fn the_admin_api_is_below_the_same_path() {
        for (path, uri, expected) in [
            ("/", "/api", "/"),
            ("/", "/api/services?size=1", "/services?size=1"),
            ("/manager", "/manager/api/", "/"),
            ("/manager", "/manager/api/a%2Fb", "/a%2Fb"),
            ("/manager", "/manager/api/named", "named"),
        ] {
            let (status, _, body) = get(&at(path), TestRequest::get().uri(uri)).await;
            assert_eq!((status, body.as_str()), (StatusCode::OK, expected), "{path} {uri}");
        }
    }

    #[actix_web::test]
    async fn the_admin_api_is_not_for_everybody() {
        let open = at("/");
        let closed = Settings { reach: Reach::Loopback, ..at("/") };
        let far = "192.0.2.1:5".parse().expect("an address");
        let near = "127.0.0.1:5".parse().expect("an address");
        let mapped = "[::ffff:127.0.0.1]:5".parse().expect("an address");
        let site = |site: &'static str| ("sec-fetch-site", site);
        for (settings, request, expected) in [
            (&open, TestRequest::get().peer_addr(far), StatusCode::OK),
            (&closed, TestRequest::get().peer_addr(far), StatusCode::FORBIDDEN),
            (&closed, TestRequest::get(), StatusCode::FORBIDDEN),
            (&closed, TestRequest::get().peer_addr(near), StatusCode::OK),
            (&closed, TestRequest::get().peer_addr(mapped), StatusCode::OK),
            (&open, TestRequest::post().insert_header(site("cross-site")), StatusCode::FORBIDDEN),
            (&open, TestRequest::post().insert_header(site("same-site")), StatusCode::FORBIDDEN),
            (&open, TestRequest::post().insert_header(site("same-origin")), StatusCode::OK),
            (&open, TestRequest::get().insert_header(site("none")), StatusCode::OK),
        ] {
            assert_eq!(get(settings, request.uri("/api/services")).await.0, expected);
        }
    }

    #[actix_web::test]
    async fn the_page_is_told_about_the_gateway() {
        let settings = Settings { api_port: Some(8001), ..at("/manager") };
        let (status, headers, body) = get(&settings, TestRequest::get().uri("/manager/kconfig.js")).await;
        assert_eq!((status, text(&headers, CACHE_CONTROL)), (StatusCode::OK, "no-store"));
        assert!(body.contains("'ADMIN_API_PORT': '8001'"));
    }

    #[actix_web::test]
    async fn assets_are_compressed_and_kept() {
        let (status, ..) = get(&at("/"), TestRequest::get().uri("/assets/nothing.js")).await;
        assert_eq!(status, StatusCode::NOT_FOUND);
        let Some(page) = assets::page() else { return };
        for reference in page.split('"').filter(|text| text.starts_with("assets/")) {
            for (accept, encoding) in [("br, gzip", Some("br")), ("gzip", Some("gzip")), ("identity", None)] {
                let request = TestRequest::get().uri(&format!("/{reference}")).insert_header((ACCEPT_ENCODING, accept));
                let (status, headers, _) = get(&at("/"), request).await;
                assert_eq!(status, StatusCode::OK, "{reference}");
                assert_eq!(text(&headers, CACHE_CONTROL), FOREVER);
                assert_eq!(headers.get(CONTENT_ENCODING).and_then(|e| e.to_str().ok()), encoding);
                if reference.ends_with(".wasm") {
                    assert_eq!(text(&headers, header::CONTENT_TYPE), "application/wasm");
                }
            }
        }
    }

    #[actix_web::test]
    async fn nothing_is_written_here() {
        assert_eq!(get(&at("/"), TestRequest::post().uri("/services")).await.0, StatusCode::METHOD_NOT_ALLOWED);
    }
}
