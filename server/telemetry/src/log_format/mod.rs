//! nginx's `log_format`: a text with variables, compiled once to a list of pieces.

mod escape;
pub(crate) mod variables;

pub use escape::Escape;

use escape::write_escaped;
use exchange::Exchange;
use exchange::mask::Masks;
use variables::Variable;

/// Kong's own format of access lines.
const KONG: &str = "$remote_addr - $remote_user [$time_local] \"$request\" $status $body_bytes_sent \"$http_referer\" \
                    \"$http_user_agent\" kong_request_id: \"$kong_request_id\"";

/// nginx's `combined`.
const COMBINED: &str = "$remote_addr - $remote_user [$time_local] \"$request\" $status $body_bytes_sent \
                        \"$http_referer\" \"$http_user_agent\"";

/// Kong's format of lines about streams.
const BASIC: &str = "$remote_addr [$time_local] $protocol $status $bytes_sent $bytes_received $session_time";

/// Why a text is no format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// A variable that does not exist.
    #[error("the log format has an unknown variable \"${0}\"")]
    Unknown(String),
    /// A `$` without a name.
    #[error("the log format has a \"$\" without the name of a variable, at \"{0}\"")]
    NoName(String),
    /// `${` without `}`.
    #[error("the log format has a \"${{\" that is not closed, at \"{0}\"")]
    Open(String),
    /// An unknown way of escaping.
    #[error("the log format has an unknown escaping \"{0}\" (default, json and none are known)")]
    Escape(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(Vec<u8>),
    Variable(Variable),
}

/// A compiled format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFormat {
    pieces: Vec<Piece>,
    escape: Escape,
}

impl LogFormat {
    /// Compiles a text with variables as `$name` or `${name}`. The error names what is wrong.
    pub fn compile(text: &str, escape: Escape) -> Result<Self, FormatError> {
        let mut pieces = Vec::new();
        let mut literal = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            literal.extend_from_slice(&rest.as_bytes()[..at]);
            let behind = &rest[at + 1..];
            let excerpt = || rest[at..].chars().take(20).collect::<String>();
            let (name, after) = match behind.strip_prefix('{') {
                Some(braced) => braced.split_once('}').ok_or_else(|| FormatError::Open(excerpt()))?,
                None => {
                    let end = behind.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(behind.len());
                    behind.split_at(end)
                }
            };
            if name.is_empty() {
                return Err(FormatError::NoName(excerpt()));
            }
            let variable = Variable::parse(name).ok_or_else(|| FormatError::Unknown(name.to_owned()))?;
            if !literal.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut literal)));
            }
            pieces.push(Piece::Variable(variable));
            rest = after;
        }
        literal.extend_from_slice(rest.as_bytes());
        if !literal.is_empty() {
            pieces.push(Piece::Text(literal));
        }
        Ok(Self { pieces, escape })
    }

    /// `kong_log_format`: nginx's combined with the request id at the end.
    pub fn kong() -> Self {
        Self::known(KONG)
    }

    /// nginx's `combined`.
    pub fn combined() -> Self {
        Self::known(COMBINED)
    }

    /// Kong's `basic`, for streams.
    pub fn basic() -> Self {
        Self::known(BASIC)
    }

    fn known(text: &'static str) -> Self {
        // A test compiles each of them.
        Self::compile(text, Escape::Default).unwrap_or(Self { pieces: Vec::new(), escape: Escape::Default })
    }

    /// Appends a finished Exchange's line, without line feed and without its secrets.
    pub fn write(&self, line: &mut Vec<u8>, exchange: &Exchange, masks: &Masks) {
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => line.extend_from_slice(text),
                Piece::Variable(variable) => {
                    if variable.write_plain(line, exchange) {
                        continue;
                    }
                    match variable.find(exchange).map(|value| variable.masked(value, masks)) {
                        Some(value) => write_escaped(line, &value, self.escape),
                        None if self.escape == Escape::Default => line.push(b'-'),
                        None => {}
                    }
                }
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
