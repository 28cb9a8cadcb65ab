//! Listeners of the Admin API, the status API and the manager.

use super::api_log::Observation;
use super::core::Core;
use super::running::StartError;
use super::translate;
use actix_tls::accept::rustls_0_23::TlsStream;
use actix_web::dev::{Extensions, ServerHandle, Service};
use actix_web::rt::net::TcpStream;
use actix_web::web::ServiceConfig;
use actix_web::{App, HttpResponse, HttpServer};
use admin::AdminState;
use exchange::Unwelcome;
use proxy::listen::Bound;
use proxy::tls::Acceptor;
use std::any::Any;
use std::sync::Arc;

/// What is served over actix-web.
#[derive(Clone)]
pub(super) enum Api {
    Admin,
    Status,
    Manager(Arc<manager::Settings>),
}

/// Serves an API on a listener.
///
/// # Errors
/// A sentence: it cannot listen, or TLS cannot be set up.
pub(super) fn serve(
    bound: Bound,
    (api, state): (Api, AdminState),
    log: Option<telemetry::AccessLog>,
    tls: &config::TlsListener,
    settings: &config::Settings,
    core: &Core,
) -> Result<ServerHandle, StartError> {
    let place = bound.listener().place.to_string();
    let explain = |error: std::io::Error| StartError(format!("cannot listen on {place}: {error}"));
    let acceptor = match bound.listener().ssl {
        false => None,
        true => Some(acceptor(tls, settings, core)?),
    };
    let server = HttpServer::new(move || {
        // Runs on each of the server's threads.
        super::priority::give_way();
        store_sql::work_here();
        let (api, state, log) = (api.clone(), state.clone(), log.clone());
        let app = App::new().wrap_fn(move |request, service| {
            let observation = Observation::of(&request, log.clone());
            let answering = match request.conn_data::<Unwelcome>().copied() {
                None => Ok(service.call(request)),
                Some(why) => Err(request.into_response(refusal(why))),
            };
            observation.during(async move {
                match answering {
                    Ok(answering) => answering.await,
                    Err(refused) => Ok(refused),
                }
            })
        });
        app.configure(move |app| match api {
            Api::Admin => admin::configure(app, state.clone()),
            Api::Status => admin::configure_status(app, state.clone()),
            Api::Manager(settings) => {
                let below = move |api: &mut ServiceConfig| admin::configure(api, state);
                app.configure(manager::configure(&settings, below));
            }
        })
    })
    .workers(1)
    .keep_alive(settings.admin_limits.keepalive_timeout)
    .client_request_timeout(settings.admin_limits.header_timeout)
    .disable_signals()
    .shutdown_timeout(5);
    let socket = bound.into_tcp().ok_or_else(|| StartError(format!("cannot listen on {place}: not a TCP address")))?;
    let server = match acceptor {
        None => server.listen(socket),
        Some(acceptor) => {
            let config = acceptor.config().as_ref().clone();
            server.on_connect(judging(acceptor)).listen_rustls_0_23(socket, config)
        }
    };
    let server = server.map_err(explain)?.run();
    let handle = server.handle();
    actix_rt::spawn(async move {
        if let Err(error) = server.await {
            ::tracing::error!(%error, "an API listener ended");
        }
    });
    Ok(handle)
}

fn acceptor(tls: &config::TlsListener, settings: &config::Settings, core: &Core) -> Result<Acceptor, StartError> {
    let certificate = translate::default_certificate(tls, &settings.prefix)?;
    core.staples.keep(certificate.to_be_stapled().cloned());
    let beside = (None, core.staples.clone());
    Acceptor::new(&translate::tls(tls)?, core.published.clone(), certificate, beside, false)
        .map_err(|error| StartError(format!("TLS cannot be set up: {error}")))
}

/// Notes with a connection why its requests are refused (`ssl_verify_client`).
fn judging(acceptor: Acceptor) -> impl Fn(&dyn Any, &mut Extensions) + Send + Sync + 'static {
    move |io, data| {
        let unwelcome = match io.downcast_ref::<TlsStream<TcpStream>>() {
            Some(stream) => acceptor.unwelcome(stream.get_ref().1),
            // Nothing is known of its client.
            None => Some(Unwelcome::NoCertificate),
        };
        if let Some(why) = unwelcome {
            data.insert(why);
        }
    }
}

fn refusal(why: Unwelcome) -> HttpResponse {
    HttpResponse::BadRequest().content_type("text/html").body(proxy::h1::refusal::page(&why.to_string()))
}
