//! Routing, and what follows from the Route alone.

use exchange::names::Name;
use exchange::{Answer, Exchange, Scheme, Stamp, Version};
use router::Protocol;
use snapshot::{CompiledRoute, Found, Snapshot};

/// Finds the Route and fills in what follows from it.
pub(crate) fn find<'s>(exchange: &mut Exchange, snapshot: &'s Snapshot) -> Option<&'s CompiledRoute> {
    let found = snapshot.find(&exchange.request);
    match snapshot.global_chain().rewrite() {
        [] => exchange.timeline.mark_near(Stamp::Routed, Stamp::Parsed),
        _ => exchange.timeline.mark(Stamp::Routed),
    }
    let found = found?;
    exchange.route = Some(found.to_exchange());
    let Found { route, matched } = found;
    exchange.workspace = route.workspace;
    let captures = snapshot.captures(&matched, &exchange.request.path);
    exchange.captures = (!captures.numbered.is_empty()).then(|| Box::new(captures.into()));
    if let Some(service) = &route.service {
        exchange.service = Some(service.entity.clone());
        let (request, forward) = (&exchange.request, &mut exchange.forward);
        forward.scheme = service.scheme;
        forward.host.clear();
        forward.host.extend_from_slice(service.entity.host.as_bytes());
        forward.port = service.port;
        let base = service.entity.path.as_deref().unwrap_or_default();
        let path = snapshot.router().upstream_path(&matched, base.as_bytes(), &request.path);
        forward.path.clear();
        forward.path.extend_from_slice(&router::path::escape(&path));
        forward.query.clone_from(&request.query);
        forward.stripped_prefix.clear();
        if let Some(prefix) = snapshot.router().stripped_prefix(&matched, &request.path) {
            forward.stripped_prefix.extend_from_slice(prefix);
        }
        forward.host_header = match route.preserve_host {
            true => request.headers.of(Name::Host).next().filter(|host| !host.is_empty()).map(Into::into),
            false => None,
        };
    }
    Some(route)
}

/// The answer where no Route was found.
pub(crate) fn nothing() -> Answer {
    Answer::error(404, "no Route matched with those values")
}

/// The answer where the Route has no Service and no plugin has answered.
pub(crate) fn no_service() -> Answer {
    Answer::error(503, "no Service found with those values")
}

/// The answer to a request in a protocol that its Route does not take.
pub(crate) fn refuse(route: &CompiledRoute, exchange: &Exchange) -> Option<Answer> {
    let request = &exchange.request;
    let protocols = route.protocols;
    if protocols.is_grpc() {
        let content_type = request.headers.get_str("content-type").unwrap_or_default();
        if !content_type.starts_with("application/grpc") {
            return Some(Answer::error(415, "Non-gRPC request matched gRPC route"));
        }
        if request.version < Version::Http2 {
            return Some(
                Answer::error(426, "Please use HTTP2 protocol")
                    .header("Connection", "Upgrade")
                    .header("Upgrade", "HTTP/2"),
            );
        }
        if !protocols.has(Protocol::Grpc) && request.scheme != Scheme::Https {
            return Some(
                Answer::bytes(200, "")
                    .header("Content-Type", "application/grpc")
                    .header("grpc-status", "1")
                    .header("grpc-message", "gRPC request matched gRPCs route"),
            );
        }
        return None;
    }
    let secure = if request.trusted { request.forwarded_scheme() == "https" } else { request.scheme == Scheme::Https };
    if !protocols.has(Protocol::Https) || protocols.has(Protocol::Http) || secure {
        return None;
    }
    Some(match route.https_redirect_status_code {
        status @ (301 | 302 | 303 | 307 | 308) => redirect(status, exchange),
        _ => Answer::error(426, "Please use HTTPS protocol")
            .header("Connection", "Upgrade")
            .header("Upgrade", "TLS/1.2, HTTP/1.1"),
    })
}

/// nginx's own page for a redirect.
fn redirect(status: u16, exchange: &Exchange) -> Answer {
    let request = &exchange.request;
    let mut location = b"https://".to_vec();
    location.extend(request.forwarded_host().iter().map(u8::to_ascii_lowercase));
    location.extend_from_slice(&request.target);
    let title = match status {
        301 => "301 Moved Permanently",
        302 => "302 Found",
        303 => "303 See Other",
        307 => "307 Temporary Redirect",
        _ => "308 Permanent Redirect",
    };
    let page = format!(
        "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n<hr>\
         <center>kong</center>\r\n</body>\r\n</html>\r\n"
    );
    Answer::bytes(status, page.into_bytes()).header("Content-Type", "text/html").header("Location", location)
}
