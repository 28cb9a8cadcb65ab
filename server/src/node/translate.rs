//! From settings to what each room is told.

use config::{
    self, DefaultErrorType, ListenAddress, RecordKind, Settings, TlsListener, TlsVersion, Trusted, TrustedPeer,
    VerifyClient,
};
use exchange::ErrorTemplates;
use proxy::dns::{DnsSettings, Order};
use proxy::listen::{self, Place};
use proxy::tls::{ClientCheck, Demand, TlsSettings};
use proxy::{HeaderTokens, ProxySettings, RealIpHeader, SessionSettings};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use snapshot::Trust;
use std::net::ToSocketAddrs;
use std::path::Path;
use std::time::Duration;

/// Servers of plugins in other languages.
pub fn plugin_servers(settings: &Settings) -> Vec<pluginserver::Definition> {
    let all = settings.plugin_servers.iter().cloned();
    all.map(|config::PluginServer { name, socket, start, query }| pluginserver::Definition {
        name,
        socket,
        start,
        query,
    })
    .collect()
}

/// Settings of the proxy.
pub fn proxy(settings: &Settings) -> Result<ProxySettings, String> {
    let proxying = &settings.proxying;
    let limits = &proxying.limits;
    let keepalive = &proxying.upstream_keepalive;
    let line = usize::try_from(limits.header_buffers.size).unwrap_or(8 << 10);
    let headers = &proxying.headers;
    let nets = proxying.forwarded.trusted.iter().filter_map(|peer| match peer {
        TrustedPeer::Net(net) => Some(*net),
        TrustedPeer::Unix => None,
    });
    Ok(ProxySettings {
        client_max_body_size: limits.max_body_size.unwrap_or(0),
        header_line_limit: line,
        header_limit: line.saturating_mul(limits.header_buffers.count as usize),
        client_header_timeout: limits.header_timeout,
        client_body_timeout: limits.body_timeout,
        send_timeout: limits.send_timeout,
        keepalive_timeout: limits.keepalive_timeout,
        keepalive_requests: limits.keepalive_requests,
        upstream_keepalive_pool_size: usize::try_from(keepalive.pool_size).unwrap_or(usize::MAX),
        upstream_keepalive_max_requests: keepalive
            .max_requests
            .map_or(0, |most| u32::try_from(most).unwrap_or(u32::MAX)),
        upstream_keepalive_idle_timeout: keepalive.idle_timeout.unwrap_or(Duration::ZERO),
        trusted_ips: nets.collect(),
        trust_unix: proxying.forwarded.trusted.iter().any(|peer| matches!(peer, TrustedPeer::Unix)),
        real_ip_header: match &proxying.forwarded.header {
            config::RealIpHeader::Header(name) => RealIpHeader::Header(name.clone()),
            config::RealIpHeader::ProxyProtocol => RealIpHeader::ProxyProtocol,
        },
        real_ip_recursive: proxying.forwarded.recursive,
        headers: HeaderTokens {
            server: headers.server,
            via: headers.via,
            proxy_latency: headers.proxy_latency,
            upstream_latency: headers.upstream_latency,
            response_latency: headers.response_latency,
            upstream_status: headers.upstream_status,
            request_id: headers.request_id,
        },
        request_id_upstream: proxying.headers_upstream.request_id,
        allow_debug_header: proxying.allow_debug_header,
        errors: error_templates(settings)?,
        io_uring: proxying.io_uring,
        ..ProxySettings::default()
    })
}

/// Sessions of TCP, TLS and UDP.
pub fn sessions(settings: &Settings, handshake_timeout: Duration) -> SessionSettings {
    SessionSettings {
        handshake_timeout,
        send_proxy_protocol: settings.proxying.send_proxy_protocol,
        ..SessionSettings::default()
    }
}

fn error_templates(settings: &Settings) -> Result<ErrorTemplates, String> {
    let given = &settings.proxying.error_templates;
    let read = |path: &Option<std::path::PathBuf>, name: &str, built_in: String| match path {
        None => Ok(built_in),
        Some(path) => {
            std::fs::read_to_string(path).map_err(|error| format!("error_template_{name}: {}: {error}", path.display()))
        }
    };
    let built_in = ErrorTemplates::default();
    Ok(ErrorTemplates {
        json: read(&given.json, "json", built_in.json)?,
        html: read(&given.html, "html", built_in.html)?,
        xml: read(&given.xml, "xml", built_in.xml)?,
        plain: read(&given.plain, "plain", built_in.plain)?,
        default_type: match settings.proxying.error_default_type {
            DefaultErrorType::Plain => "text/plain",
            DefaultErrorType::Json => "application/json",
            DefaultErrorType::Xml => "application/xml",
            DefaultErrorType::Html => "text/html",
        }
        .into(),
    })
}

/// Sockets to open, with the ports that requests are told.
pub fn listeners(given: &[config::Listener], settings: &Settings) -> Result<Vec<listen::Listener>, String> {
    let mut found = Vec::new();
    for listener in given {
        let place = match &listener.address {
            ListenAddress::Socket(address) => Place::Tcp(*address),
            ListenAddress::Name { host, port } => {
                let mut addresses = (host.as_str(), *port)
                    .to_socket_addrs()
                    .map_err(|error| format!("cannot listen on {host}:{port}: {error}"))?;
                Place::Tcp(addresses.next().ok_or_else(|| format!("cannot listen on {host}:{port}: no such host"))?)
            }
            ListenAddress::Unix(path) => Place::Unix(path.clone()),
        };
        let keep_alive = match &listener.so_keepalive {
            Some(config::KeepAlive::On) => Some(listen::KeepAlive::default()),
            Some(config::KeepAlive::Timers { idle, interval, probes }) => {
                Some(listen::KeepAlive { idle: *idle, interval: *interval, probes: *probes })
            }
            Some(config::KeepAlive::Off) | None => None,
        };
        found.push(listen::Listener {
            ssl: listener.ssl,
            http2: listener.http2,
            proxy_protocol: listener.proxy_protocol,
            backlog: listener.backlog,
            ipv6only: listener.ipv6only,
            udp: listener.udp,
            keep_alive,
            shown_port: listener.address.port().map(|port| settings.listeners.public_port(port)),
            ..listen::Listener::at(place)
        });
    }
    Ok(found)
}

/// TLS of a kind of listeners.
pub fn tls(given: &TlsListener) -> Result<TlsSettings, String> {
    let versions: Vec<&str> = given.versions.iter().map(|version| version_name(*version)).collect();
    Ok(TlsSettings {
        protocols: versions.join(" "),
        ciphers: (!given.ciphers.is_empty()).then(|| given.ciphers.join(":")),
        prefer_server_ciphers: given.prefer_server_ciphers,
        session_tickets: given.session_tickets,
        session_timeout: given.session_timeout,
        clients: clients(given)?,
        ..TlsSettings::default()
    })
}

/// What is asked of clients; none where nothing is.
fn clients(given: &TlsListener) -> Result<Option<ClientCheck>, String> {
    let demand = match given.verify_client {
        VerifyClient::Off => return Ok(None),
        VerifyClient::On => Demand::Required,
        VerifyClient::Optional => Demand::Optional,
        VerifyClient::OptionalNoCa => Demand::AnyAuthority,
    };
    let authorities = match &given.client_ca {
        None => Vec::new(),
        Some(pem) => snapshot::certificates_in(pem.text.reveal())
            .map_err(|error| format!("the CAs of clients (ssl_client_certificate): {error}"))?,
    };
    Ok(Some(ClientCheck { demand, authorities, depth: usize::try_from(given.verify_depth).unwrap_or(usize::MAX) }))
}

fn version_name(version: TlsVersion) -> &'static str {
    match version {
        TlsVersion::V1_2 => "TLSv1.2",
        TlsVersion::V1_3 => "TLSv1.3",
    }
}

/// The certificate of listeners whose clients ask for a name that no SNI has.
pub fn default_certificate(given: &TlsListener, prefix: &Path) -> Result<snapshot::Pair, String> {
    let certificates: Vec<String> = given.pairs.iter().map(|pair| pair.certificate.text.reveal().to_owned()).collect();
    let keys: Vec<String> = given.pairs.iter().map(|pair| pair.key.text.reveal().to_owned()).collect();
    match proxy::tls::load(&certificates, &keys).map_err(|error| error.to_string())? {
        Some(pair) => Ok(pair),
        None => proxy::tls::own(&prefix.join("ssl")).map_err(|error| error.to_string()),
    }
}

/// Whom outgoing TLS connections believe.
pub fn trust(given: &config::TlsOutgoing) -> Result<Trust, String> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(authorities(given)?);
    let depth = u32::try_from(given.verify_depth).unwrap_or(u32::MAX);
    let trust = match roots.is_empty() {
        true => Trust::mozilla(depth, client(given)),
        false => Trust::new(roots, depth, client(given)),
    };
    let versions = given.versions.iter().map(|version| match version {
        TlsVersion::V1_2 => &rustls::version::TLS12,
        TlsVersion::V1_3 => &rustls::version::TLS13,
    });
    Ok(trust.asking_in(versions.collect()))
}

/// The authorities that settings name.
fn authorities(given: &config::TlsOutgoing) -> Result<Vec<CertificateDer<'static>>, String> {
    let mut all = Vec::new();
    for trusted in &given.trusted {
        let pem = match trusted {
            Trusted::Pem(pem) => pem.text.reveal().to_owned(),
            Trusted::System(path) => {
                std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?
            }
            Trusted::SystemMissing => continue,
        };
        all.extend(snapshot::certificates_in(&pem).map_err(|error| format!("lua_ssl_trusted_certificate: {error}"))?);
    }
    // A system's list may hold authorities that are no longer acceptable; they vouch for nobody.
    all.retain(|authority: &CertificateDer<'_>| RootCertStore::empty().add(authority.clone()).is_ok());
    Ok(all)
}

/// Mails to admins; none where they are only pretended.
pub fn mail(settings: &Settings) -> Result<Option<mail::Settings>, String> {
    let given = &settings.mail;
    if given.mock {
        return Ok(None);
    }
    let security = match (given.ssl, given.starttls) {
        (true, true) => return Err("smtp_ssl and smtp_starttls exclude each other".to_owned()),
        (true, false) => mail::Security::Tls,
        (false, true) => mail::Security::StartTls,
        (false, false) => mail::Security::None,
    };
    let scheme = match given.auth.as_deref() {
        None => None,
        Some("login") => Some(mail::Scheme::Login),
        Some(_) => Some(mail::Scheme::Plain),
    };
    let auth = match (scheme, &given.username, &given.password) {
        (None, ..) => None,
        (Some(scheme), Some(user), Some(password)) => {
            Some(mail::Auth { scheme, user: user.clone(), password: password.reveal().to_owned() })
        }
        (Some(_), ..) => return Err("smtp_auth_type needs smtp_username and smtp_password".to_owned()),
    };
    let from = given.from.clone().ok_or("mails need a sender: set admin_emails_from, or smtp_mock = on")?;
    let authorities = match security {
        mail::Security::None => Vec::new(),
        _ => authorities(&settings.outgoing_tls)?.iter().map(|authority| authority.to_vec()).collect(),
    };
    Ok(Some(mail::Settings {
        host: given.host.clone(),
        port: given.port,
        security,
        auth,
        domain: given.domain.clone(),
        step: given.connect_timeout,
        whole: given.connect_timeout + given.send_timeout + given.read_timeout,
        from,
        reply_to: given.reply_to.clone(),
        authorities,
    }))
}

fn client(given: &config::TlsOutgoing) -> Option<(String, String)> {
    let pair = given.client.as_ref()?;
    Some((pair.certificate.text.reveal().to_owned(), pair.key.text.reveal().to_owned()))
}

/// The cache of what is looked up in a database. The rest of `mem_cache_size` is for counters and kept responses.
pub fn people(given: &config::Storage) -> directory::Settings {
    directory::Settings {
        bytes: usize::try_from(given.mem_cache_size / 8 * 3).unwrap_or(usize::MAX),
        ttl: given.cache_ttl,
        negative_ttl: given.cache_negative_ttl,
        resurrect_ttl: given.resurrect_ttl,
    }
}

/// Name resolution.
pub fn dns(given: &config::Dns) -> DnsSettings {
    DnsSettings {
        resolvers: given.servers.clone(),
        hosts_file: given.hosts_file.clone(),
        order: given
            .order
            .iter()
            .map(|kind| match kind {
                RecordKind::Last => Order::Last,
                RecordKind::Srv => Order::Srv,
                RecordKind::A => Order::A,
                RecordKind::Aaaa => Order::Aaaa,
                RecordKind::Cname => Order::Cname,
            })
            .collect(),
        valid_ttl: given.valid_ttl,
        stale_ttl: given.stale_ttl,
        not_found_ttl: given.not_found_ttl,
        error_ttl: given.error_ttl,
        cache_size: usize::try_from(given.cache_size).unwrap_or(10_000),
        ..DnsSettings::default()
    }
}

/// The manager.
pub fn manager(settings: &Settings) -> manager::Settings {
    let admin = &settings.listeners.admin;
    let port =
        |ssl: bool| admin.iter().find(|listener| listener.ssl == ssl).and_then(|listener| listener.address.port());
    // Whoever may not reach the Admin API by itself may not reach it through the manager.
    let loopback = admin.iter().all(|listener| match &listener.address {
        ListenAddress::Socket(address) => address.ip().is_loopback(),
        ListenAddress::Name { host, .. } => host == "localhost",
        ListenAddress::Unix(_) => true,
    });
    manager::Settings {
        path: settings.manager.path.clone(),
        urls: settings.manager.urls.clone(),
        api_url: settings.manager.api_url.clone(),
        api_port: port(false),
        api_ssl_port: port(true),
        reach: if loopback { manager::Reach::Loopback } else { manager::Reach::Anyone },
        content_security_policy: None,
        sign_in: match settings.manager.sign_in {
            Some(config::SignIn::Basic) => Some("basic-auth".to_owned()),
            Some(config::SignIn::Ldap) => Some("ldap-auth-advanced".to_owned()),
            Some(config::SignIn::OpenIdConnect) | None => None,
        },
        auth_header: settings.manager.auth_header.clone(),
        token_header: settings.rbac.token_header.clone(),
        anonymous_reports: false,
        version: schema::KONG_VERSION.into(),
    }
}
