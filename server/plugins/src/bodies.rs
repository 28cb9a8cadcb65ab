//! Bodies that plugins change as a whole.

/// The largest request body that is changed, in bytes; larger ones are refused with 413.
pub(crate) const LARGEST: u64 = 8 << 20;

/// Whether a Content-Type names JSON: `application/json`, or an `application` type that ends in `+json`.
pub(crate) fn is_json(content_type: &str) -> bool {
    content_type.split(',').any(|media| {
        let media = media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        media.strip_prefix("application/").is_some_and(|kind| kind == "json" || kind.ends_with("+json"))
    })
}
