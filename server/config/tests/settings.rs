//! Typed settings from variables.

mod common;

use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Duration;

use common::{Memory, env};
use config::*;

fn settings(variables: &[(&str, &str)]) -> Settings {
    env(variables).unwrap_or_else(|p| panic!("{p}")).settings
}

#[test]
fn defaults() {
    let s = settings(&[]);
    assert_eq!(s.prefix, Path::new("/usr/local/kong"));
    assert_eq!(settings(&[("KONG_PREFIX", "/kong_prefix/")]).prefix.to_str(), Some("/kong_prefix"));
    assert_eq!(s.node.workers, Workers::Auto);
    assert_eq!(s.node.log_level, LogLevel::Notice);
    assert_eq!(s.proxying.limits.max_body_size, None);
    assert_eq!(s.admin_limits.max_body_size, Some(10 << 20));
    assert_eq!(s.proxying.limits.header_buffers, HeaderBuffers { count: 4, size: 8192 });
    assert_eq!(s.proxying.limits.keepalive_requests, 10_000);
    assert_eq!(
        s.proxying.upstream_keepalive,
        UpstreamKeepalive { pool_size: 512, max_requests: Some(10_000), idle_timeout: Some(Duration::from_secs(60)) }
    );
    assert_eq!(s.proxying.forwarded.header, RealIpHeader::Header("x-real-ip".into()));
    assert!(s.proxying.headers.via && s.proxying.headers.request_id && !s.proxying.headers.upstream_status);
    assert_eq!(s.tls.versions, [TlsVersion::V1_2, TlsVersion::V1_3]);
    assert!(!s.tls.prefer_server_ciphers);
    assert!(s.tls.pairs.is_empty());
    assert_eq!(s.outgoing_tls.trusted, [Trusted::SystemMissing]);
    assert_eq!(s.logs.proxy_access.unwrap().format, LogFormat::Kong);
    assert_eq!(s.logs.status_access, None);
    assert_eq!(s.storage.database, Database::Sqlite);
    assert_eq!(s.storage.mem_cache_size, 128 << 20);
    assert_eq!(s.storage.cache_ttl, None);
    assert_eq!(s.dns.order, [RecordKind::Last, RecordKind::Srv, RecordKind::A, RecordKind::Cname]);
    assert!(s.tracing.instrumentations.is_empty());
    assert_eq!(s.rbac.level, RbacLevel::Off);
    assert_eq!(s.cluster.role, Role::Traditional);
    assert!(s.node.plugins.contains("key-auth"));
    let ports = |l: &[Listener]| l.iter().filter_map(|l| l.address.port()).collect::<Vec<_>>();
    let l = &s.listeners;
    assert_eq!(ports(&l.proxy), [8000, 8443]);
    assert_eq!(ports(&l.admin), [8001, 8444]);
    assert_eq!(ports(&l.manager), [8002, 8445]);
    assert_eq!(ports(&l.status), [8007]);
    assert!(l.stream.is_empty());
}

#[test]
fn proxying() {
    let s = settings(&[
        ("KONG_TRUSTED_IPS", "10.1.2.3/8, ::1, unix:"),
        ("KONG_REAL_IP_HEADER", "proxy_protocol"),
        ("KONG_REAL_IP_RECURSIVE", "on"),
        ("KONG_HEADERS", "off"),
        ("KONG_HEADERS_UPSTREAM", "off"),
        ("KONG_NGINX_HTTP_CLIENT_MAX_BODY_SIZE", "2m"),
        ("KONG_NGINX_PROXY_CLIENT_MAX_BODY_SIZE", "1m"),
        ("KONG_NGINX_HTTP_CLIENT_HEADER_TIMEOUT", "5s"),
        ("KONG_NGINX_HTTP_LARGE_CLIENT_HEADER_BUFFERS", "8 16k"),
        ("KONG_NGINX_HTTP_KEEPALIVE_TIMEOUT", "65 60"),
        ("KONG_UPSTREAM_KEEPALIVE_MAX_REQUESTS", "0"),
        ("KONG_UPSTREAM_KEEPALIVE_IDLE_TIMEOUT", "0.5"),
        ("KONG_NGINX_WORKER_PROCESSES", "3"),
        ("KONG_PORT_MAPS", "80:8000"),
    ]);
    let p = &s.proxying;
    assert_eq!(
        p.forwarded.trusted,
        [
            TrustedPeer::Net("10.0.0.0/8".parse().unwrap()),
            TrustedPeer::Net("::1/128".parse().unwrap()),
            TrustedPeer::Unix
        ]
    );
    assert_eq!(p.forwarded.header, RealIpHeader::ProxyProtocol);
    assert!(p.forwarded.recursive);
    assert_eq!(p.headers, AddedHeaders::default());
    assert!(!p.headers_upstream.request_id);
    assert_eq!(p.limits.max_body_size, Some(1 << 20));
    assert_eq!(s.admin_limits.max_body_size, Some(10 << 20));
    assert_eq!(p.limits.header_timeout, Duration::from_secs(5));
    assert_eq!(p.limits.header_buffers, HeaderBuffers { count: 8, size: 16384 });
    assert_eq!(p.limits.keepalive_timeout, Duration::from_secs(65));
    assert_eq!(p.upstream_keepalive.max_requests, None);
    assert_eq!(p.upstream_keepalive.idle_timeout, Some(Duration::from_millis(500)));
    assert_eq!(s.node.workers, Workers::Fixed(NonZeroUsize::new(3).unwrap()));
    assert_eq!((s.listeners.public_port(8000), s.listeners.public_port(8443)), (80, 8443));
}

#[test]
fn the_older_name_of_the_body_limit_acts() {
    assert_eq!(settings(&[("KONG_CLIENT_MAX_BODY_SIZE", "1k")]).proxying.limits.max_body_size, Some(1024));
}

#[test]
fn headers_ignore_case() {
    let s = settings(&[("KONG_HEADERS", "VIA, x-kong-upstream-status")]);
    assert_eq!(s.proxying.headers, AddedHeaders { via: true, upstream_status: true, ..AddedHeaders::default() });
}

#[test]
fn logs() {
    let s = settings(&[
        ("KONG_PREFIX", "/p"),
        ("KONG_PROXY_ACCESS_LOG", "/dev/stdout json"),
        ("KONG_PROXY_ERROR_LOG", "syslog:server=127.0.0.1:514,tag=kong warn"),
        ("KONG_ADMIN_ACCESS_LOG", "off"),
        ("KONG_STATUS_ACCESS_LOG", "logs/status.log mine buffer=8k"),
        ("KONG_NGINX_HTTP_LOG_FORMAT", "mine escape=json '$remote_addr' ' $status'"),
    ]);
    assert_eq!(s.logs.proxy_access, Some(AccessLog { sink: LogSink::Stdout, format: LogFormat::Json }));
    assert_eq!(
        s.logs.proxy_error,
        Some(ErrorLog { sink: LogSink::Syslog("server=127.0.0.1:514,tag=kong".into()), level: Some(LogLevel::Warn) })
    );
    assert_eq!(s.logs.admin_access, None);
    let status = s.logs.status_access.unwrap();
    assert_eq!(status.sink, LogSink::File("/p/logs/status.log".into()));
    let LogFormat::Custom { name, text, escape } = status.format else { panic!("{:?}", status.format) };
    assert_eq!((name.as_str(), text.as_str(), escape.as_str()), ("mine", "$remote_addr $status", "json"));
}

#[test]
fn storage() {
    let s = settings(&[
        ("KONG_PG_HOST", "db"),
        ("KONG_PG_PASSWORD", "pw"),
        ("KONG_PG_RO_HOST", "replica"),
        ("KONG_PG_RO_PORT", "6432"),
        ("KONG_PG_SSL", "on"),
        ("KONG_DB_CACHE_TTL", "30"),
    ]);
    assert_eq!(s.storage.database, Database::Postgres);
    let replica = s.storage.postgres_replica.unwrap();
    assert_eq!((replica.host.as_str(), replica.port, replica.ssl), ("replica", 6432, true));
    assert_eq!(replica.password, Some(Secret::new("pw")));
    assert_eq!(replica.timeout, Duration::from_secs(5));
    assert_eq!(s.storage.cache_ttl, Some(Duration::from_secs(30)));
    assert_eq!(settings(&[("KONG_DATABASE", "sqlite")]).storage.database, Database::Sqlite);
}

#[test]
fn certificates_from_files_text_and_base64() {
    let cert = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n";
    let key = "-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n";
    let coded = "LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0tLS0tCkFBPT0KLS0tLS1FTkQgUFJJVkFURSBLRVktLS0tLQo=";
    let files = Memory([("/c.pem".into(), cert.to_owned())].into());
    let variables = [
        ("KONG_SSL_CERT", format!("/c.pem, {cert}")),
        ("KONG_SSL_CERT_KEY", format!("{key}, {coded}")),
        ("KONG_CLIENT_SSL", "on".into()),
        ("KONG_CLIENT_SSL_CERT", "/c.pem".into()),
        ("KONG_CLIENT_SSL_CERT_KEY", coded.into()),
        ("KONG_NGINX_ADMIN_SSL_VERIFY_CLIENT", "on".into()),
        ("KONG_NGINX_ADMIN_SSL_CLIENT_CERTIFICATE", "/c.pem".into()),
    ];
    let loaded = load(&Sources {
        file: None,
        environment: variables.into_iter().map(|(k, v)| (k.to_owned(), v)).collect(),
        overrides: vec![],
        files: &files,
    })
    .unwrap();
    let s = &loaded.settings;
    assert_eq!(s.tls.pairs.len(), 2);
    assert_eq!(s.tls.pairs[0].certificate.path.as_deref(), Some(Path::new("/c.pem")));
    assert_eq!(s.tls.pairs[1].key.text.reveal(), key);
    assert_eq!(s.tls.pairs[1].certificate.path, None);
    assert_eq!(s.outgoing_tls.client.as_ref().unwrap().key.text.reveal(), key);
    assert_eq!(s.admin_tls.verify_client, VerifyClient::On);
    assert!(s.admin_tls.client_ca.is_some() && s.tls.client_ca.is_none());
    assert!(!format!("{s:?}").contains("PRIVATE KEY"));
    assert!(!loaded.environment_file().contains("PRIVATE KEY"));
}

#[test]
fn tracing_endpoints() {
    let endpoint = |variables: &[(&str, &str)]| settings(variables).tracing.endpoint;
    assert_eq!(endpoint(&[]), None);
    let base = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318/");
    assert_eq!(endpoint(&[base]).as_deref(), Some("http://c:4318/v1/traces"));
    let traces = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://c/t");
    assert_eq!(endpoint(&[base, traces]).as_deref(), Some("http://c/t"));
    let own = ("SILVERBACK_TRACING_ENDPOINT", "http://own:1");
    assert_eq!(endpoint(&[base, traces, own]).as_deref(), Some("http://own:1/v1/traces"));
    assert!(settings(&[("KONG_TRACING_INSTRUMENTATIONS", "all")]).tracing.makes(Instrumentation::DnsQuery));
    let some = settings(&[("KONG_TRACING_INSTRUMENTATIONS", "router,balancer")]).tracing;
    assert_eq!(some.instrumentations, [Instrumentation::Router, Instrumentation::Balancer]);
}

#[test]
fn the_newer_resolver() {
    let s = settings(&[
        ("KONG_NEW_DNS_CLIENT", "on"),
        ("KONG_RESOLVER_ADDRESS", "10.0.0.2, [fd00::1]:5353, fd00::2"),
        ("KONG_RESOLVER_FAMILY", "SRV,AAAA"),
        ("KONG_DNS_RESOLVER", "1.1.1.1"),
    ]);
    let servers: Vec<String> = s.dns.servers.iter().map(ToString::to_string).collect();
    assert_eq!(servers, ["10.0.0.2:53", "[fd00::1]:5353", "[fd00::2]:53"]);
    assert_eq!(s.dns.order, [RecordKind::Srv, RecordKind::Aaaa]);
}

#[test]
fn the_environment_of_a_node_can_be_read_back() {
    let loaded = env(&[
        ("KONG_DATABASE", "off"),
        ("KONG_PG_PASSWORD", "s3cret"),
        ("KONG_ADMIN_LISTEN", "127.0.0.1:9001"),
        ("KONG_NGINX_HTTP_LOG_FORMAT", "x '#$status'"),
        ("KONG_PASSWORD", "s3cret"),
    ])
    .unwrap();
    let text = loaded.environment_file();
    assert!(!text.contains("s3cret"), "{text}");
    let files = Memory([("/p/.kong_env".into(), text)].into());
    let again = load(&Sources {
        file: Some("/p/.kong_env".into()),
        environment: Default::default(),
        overrides: vec![],
        files: &files,
    })
    .unwrap();
    assert_eq!(again.settings.listeners.admin, loaded.settings.listeners.admin);
    assert_eq!(again.settings.storage.database, Database::Off);
    assert_eq!(again.values.value("nginx_http_log_format"), loaded.values.value("nginx_http_log_format"));
}

#[test]
fn the_first_super_admin() {
    let s = settings(&[("KONG_PASSWORD", "pw")]);
    assert_eq!(s.initial_password.unwrap().reveal(), "pw");
}
