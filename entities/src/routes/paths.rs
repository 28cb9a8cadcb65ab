//! What `hosts` and `paths` of a Route may hold.

use schema::{Field, typedefs::check_percent};

pub(super) fn path(field: Field) -> Field {
    field
        .match_any(["^/", "^~/"], "should start with: / (fixed path) or ~/ (regex path)")
        .match_none("//", "must not have empty segments")
        .validate(check)
}

fn check(text: &str) -> Result<(), String> {
    check_percent(text)?;
    if let Some(regex) = text.strip_prefix('~') {
        return crate::regex::check(regex)
            .map_err(|error| format!("invalid regex: '{regex}' (PCRE returned: {error})"));
    }
    let normal = router::path::normalize(text.as_bytes());
    if *normal == *text.as_bytes() {
        return Ok(());
    }
    Err(format!("non-normalized path, consider use '{}' instead", String::from_utf8_lossy(&normal)))
}
