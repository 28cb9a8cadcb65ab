//! Control plane and data planes.

use crate::property::{Property, boolean, choice, list, number, text};

pub(super) const PROPERTIES: &[Property] = &[
    text("proxy_server", "", "HTTP(S) proxy URL for CP connection").secret().later(),
    boolean("proxy_server_ssl_verify", "on", "verify proxy_server TLS").later(),
    text("cluster_control_plane", "127.0.0.1:8005", "DP: CP host:port").later(),
    text("cluster_cert", "", "cluster certificate file, PEM text or base64").later(),
    text("cluster_cert_key", "", "cluster key").secret().later(),
    choice("cluster_mtls", "shared", &["shared", "pki"], "DP/CP verification mode").later(),
    text("cluster_ca_cert", "", "CA for pki mode").later(),
    text("cluster_server_name", "", "server name DP checks in pki mode").later(),
    number("cluster_data_plane_purge_delay", "1209600", "seconds until an unseen DP row is dropped (>= 60)").later(),
    choice("cluster_ocsp", "off", &["on", "off", "optional"], "revocation check of DP certificates").later(),
    number("cluster_max_payload", "16777216", "max websocket message bytes (>= 4194304)").later(),
    boolean("cluster_use_proxy", "off", "connect through proxy_server").later(),
    list("cluster_dp_labels", "", "DP labels key:value list").later(),
    boolean("cluster_rpc", "off", "enable RPC channel (v2)").later(),
    boolean("cluster_incremental_sync", "off", "incremental config sync over RPC").later(),
    boolean("cluster_cjson", "off", "use cjson instead of simdjson for cluster messages").without_effect(),
    choice(
        "role",
        "traditional",
        &["data_plane", "control_plane", "traditional"],
        "traditional, control_plane, data_plane",
    )
    .later(),
    boolean("kic", "off", "node run by the ingress controller").without_effect(),
];
