//! Name resolution, older and newer resolver.

use crate::property::{Property, boolean, list, number, text};

pub(super) const PROPERTIES: &[Property] = &[
    list("dns_resolver", "", "nameservers ip[:port]"),
    text("dns_hostsfile", "/etc/hosts", "hosts file"),
    list("dns_order", "LAST,SRV,A,CNAME", "record order: LAST,SRV,A,AAAA,CNAME"),
    number("dns_valid_ttl", "", "override record TTL"),
    number("dns_stale_ttl", "3600", "serve stale seconds"),
    number("dns_cache_size", "10000", "records cached"),
    number("dns_not_found_ttl", "30", "TTL of empty/name error"),
    number("dns_error_ttl", "1", "TTL of errors"),
    boolean("dns_no_sync", "off", "parallel instead of shared lookups").without_effect(),
    boolean("new_dns_client", "off", "use the new resolver"),
    list("resolver_address", "", "new resolver: nameservers"),
    text("resolver_hosts_file", "/etc/hosts", "new resolver: hosts file"),
    list("resolver_family", "A,SRV", "new resolver: A,SRV,AAAA"),
    number("resolver_valid_ttl", "", "new resolver: TTL override"),
    number("resolver_stale_ttl", "3600", "new resolver: stale seconds"),
    number("resolver_lru_cache_size", "10000", "new resolver: L1 records"),
    text("resolver_mem_cache_size", "5m", "new resolver: L2 size").without_effect(),
    number("resolver_error_ttl", "1", "new resolver: error TTL"),
];
