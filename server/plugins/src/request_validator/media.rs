//! Media types (RFC 9110 §8.3.1).

/// A media type with its first parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MediaType {
    kind: String,
    subtype: String,
    parameter: Option<(String, String)>,
}

impl MediaType {
    /// `None` where the text is none. The value of `charset` is compared without regard to case, others with.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(';');
        let (kind, subtype) = parts.next()?.trim().split_once('/')?;
        let is = |token: &str| !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
        if !is(kind) || !is(subtype) {
            return None;
        }
        let parameter = parts.next().and_then(|parameter| parameter.trim().split_once('=')).map(|(name, value)| {
            let (name, value) = (name.to_ascii_lowercase(), value.trim_matches('"'));
            let value = if name == "charset" { value.to_ascii_lowercase() } else { value.to_owned() };
            (name, value)
        });
        Some(Self { kind: kind.to_ascii_lowercase(), subtype: subtype.to_ascii_lowercase(), parameter })
    }

    /// Whether the other one is of this type; `*` is any.
    pub(super) fn includes(&self, other: &Self, with_parameter: bool) -> bool {
        let same = |own: &str, other: &str| own == "*" || own == other;
        same(&self.kind, &other.kind)
            && same(&self.subtype, &other.subtype)
            && (!with_parameter || self.parameter == other.parameter)
    }

    /// `application/json`, or what ends in `+json`.
    pub(super) fn is_json(&self) -> bool {
        self.kind == "application" && self.subtype == "json" || self.subtype.ends_with("+json")
    }
}
