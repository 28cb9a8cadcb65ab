//! How values are kept from breaking a line.

use super::FormatError;
use std::io::Write;

/// `escape=` of `log_format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Escape {
    /// `"`, `\`, control characters and bytes above 126 as `\xXX`; what is not there is `-`.
    #[default]
    Default,
    /// As within a JSON string; what is not there is empty.
    Json,
    /// Not at all; what is not there is empty.
    None,
}

impl Escape {
    /// By its name.
    pub fn parse(name: &str) -> Result<Self, FormatError> {
        match name {
            "default" => Ok(Self::Default),
            "json" => Ok(Self::Json),
            "none" => Ok(Self::None),
            other => Err(FormatError::Escape(other.to_owned())),
        }
    }
}

/// Appends a value. A line feed never gets through, whatever the escaping: one request is one line.
pub(crate) fn write_escaped(line: &mut Vec<u8>, value: &[u8], escape: Escape) {
    for byte in value {
        match (escape, byte) {
            (Escape::Default, b'"' | b'\\' | ..0x20 | 0x7f..) => {
                let _ = write!(line, "\\x{byte:02X}");
            }
            (Escape::Json, b'"' | b'\\') => line.extend_from_slice(&[b'\\', *byte]),
            (Escape::Json, b'\n') => line.extend_from_slice(b"\\n"),
            (Escape::Json, b'\r') => line.extend_from_slice(b"\\r"),
            (Escape::Json, b'\t') => line.extend_from_slice(b"\\t"),
            (Escape::Json, 0x08) => line.extend_from_slice(b"\\b"),
            (Escape::Json, 0x0c) => line.extend_from_slice(b"\\f"),
            (Escape::Json, ..0x20) => {
                let _ = write!(line, "\\u{byte:04X}");
            }
            (Escape::None, b'\n') => line.push(b' '),
            _ => line.push(*byte),
        }
    }
}
