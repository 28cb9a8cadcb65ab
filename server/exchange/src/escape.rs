//! What is written with percent signs, and what is not (RFC 3986 §2).

use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC};

/// All but the unreserved characters (§2.3): what is escaped in names and values of a query, and by `ngx.escape_uri`.
pub const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What no path may hold (§3.3). A `%` stays, it may begin a triplet.
pub const NOT_IN_PATH: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'#')
    .add(b'`')
    .add(b'{')
    .add(b'}')
    .add(b'\\')
    .add(b'^')
    .add(b'|');
