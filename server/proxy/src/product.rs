//! How the gateway names itself in `Server` and `Via`.

use schema::KONG_VERSION;

const PREFIX: &[u8] = b"kong/";

const BYTES: [u8; PREFIX.len() + KONG_VERSION.len()] = {
    let mut bytes = [0; PREFIX.len() + KONG_VERSION.len()];
    let mut at = 0;
    while at < bytes.len() {
        bytes[at] = if at < PREFIX.len() { PREFIX[at] } else { KONG_VERSION.as_bytes()[at - PREFIX.len()] };
        at += 1;
    }
    bytes
};

/// `kong/<version of Kong whose behaviour this is>`: what clients of Kong match on.
pub const PRODUCT: &str = match std::str::from_utf8(&BYTES) {
    Ok(text) => text,
    Err(_) => "kong",
};

#[cfg(test)]
mod tests {
    #[test]
    fn the_product_is_kongs() {
        assert_eq!(super::PRODUCT, format!("kong/{}", schema::KONG_VERSION));
    }
}
