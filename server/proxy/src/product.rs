//! How the gateway names itself in `Server` and `Via`.

use schema::KONG_VERSION;

/// A prefix and the version of Kong, put together when this is compiled.
const fn with_version<const N: usize>(prefix: &[u8]) -> [u8; N] {
    let mut bytes = [0; N];
    let mut at = 0;
    while at < N {
        bytes[at] = if at < prefix.len() { prefix[at] } else { KONG_VERSION.as_bytes()[at - prefix.len()] };
        at += 1;
    }
    bytes
}

macro_rules! product {
    ($prefix:literal) => {{
        const BYTES: [u8; $prefix.len() + KONG_VERSION.len()] = with_version($prefix.as_bytes());
        match std::str::from_utf8(&BYTES) {
            Ok(text) => text,
            Err(_) => $prefix,
        }
    }};
}

/// `kong/<version of Kong whose behaviour this is>`: what clients of Kong match on.
pub const PRODUCT: &str = product!("kong/");

/// What `Via` says of a message that came in HTTP/1.1.
pub const VIA_1_1: &str = product!("1.1 kong/");

/// What `Via` says of a message that came in HTTP/2.
pub const VIA_2: &str = product!("2 kong/");

#[cfg(test)]
mod tests {
    #[test]
    fn the_product_is_kongs() {
        assert_eq!(super::PRODUCT, format!("kong/{}", schema::KONG_VERSION));
        assert_eq!(super::VIA_1_1, format!("1.1 kong/{}", schema::KONG_VERSION));
        assert_eq!(super::VIA_2, format!("2 kong/{}", schema::KONG_VERSION));
    }
}
