//! Where it listens, and where logs go.

use crate::property::{Property, list, text};

pub(super) const PROPERTIES: &[Property] = &[
    text("proxy_access_log", "logs/access.log", "http proxy access log path, off, or path plus log format name"),
    text("proxy_error_log", "logs/error.log", "http proxy error log"),
    text("proxy_stream_access_log", "logs/access.log basic", "stream access log with format"),
    text("proxy_stream_error_log", "logs/error.log", "errors of streams: they are in `proxy_error_log`")
        .without_effect(),
    text("admin_access_log", "logs/admin_access.log", "Admin API access log"),
    text("admin_error_log", "logs/error.log", "errors of the Admin API: they are in `proxy_error_log`")
        .without_effect(),
    text("admin_gui_access_log", "logs/admin_gui_access.log", "Manager access log"),
    text("admin_gui_error_log", "logs/admin_gui_error.log", "errors of the manager: they are in `proxy_error_log`")
        .without_effect(),
    text("status_access_log", "off", "Status API access log"),
    text("status_error_log", "logs/status_error.log", "errors of the status API: they are in `proxy_error_log`")
        .without_effect(),
    list("port_maps", "", "public:local port pairs used as the forwarded/listener port"),
    text("host_ports", "", "internal result of port_maps (not user set)").without_effect(),
    list(
        "proxy_listen",
        "0.0.0.0:8000 reuseport backlog=16384, 0.0.0.0:8443 http2 ssl reuseport backlog=16384",
        "proxy listeners: ip:port plus flags ssl http2 proxy_protocol deferred bind reuseport backlog=N ipv6only so_keepalive; off",
    ),
    list("stream_listen", "off", "TCP/UDP listeners (flags as proxy_listen plus udp, no http2); off"),
    list(
        "admin_listen",
        "127.0.0.1:8001 reuseport backlog=16384, 127.0.0.1:8444 http2 ssl reuseport backlog=16384",
        "Admin API listeners; off",
    ),
    list("admin_gui_listen", "0.0.0.0:8002, 0.0.0.0:8445 ssl", "Manager listeners; off"),
    list("status_listen", "127.0.0.1:8007 reuseport backlog=16384", "Status API listeners; off"),
    list("cluster_listen", "0.0.0.0:8005", "CP listener for DPs").later(),
];
