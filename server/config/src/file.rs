//! The syntax of kong.conf: `key = value` lines, `#` starts a comment (`\#` is a number sign), a backslash at the end of
//! a line joins the next one, no sections.

/// One setting of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment<'a> {
    /// The name as written.
    pub name: &'a str,
    /// The value, trimmed, comment removed.
    pub value: String,
    /// The line it begins on, from 1.
    pub line: usize,
}

/// A line that is neither a setting, a comment nor empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stray {
    /// The line, from 1.
    pub line: usize,
    /// Whether it is a `[section]`.
    pub section: bool,
}

/// Settings and stray lines of a file, in order.
pub fn parse(text: &str) -> (Vec<Assignment<'_>>, Vec<Stray>) {
    let mut assignments: Vec<Assignment<'_>> = Vec::new();
    let mut stray = Vec::new();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lines = text.lines().enumerate();
    while let Some((index, line)) = lines.next() {
        let line_number = index + 1;
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        let Some((name, rest)) = trimmed.split_once('=') else {
            stray.push(Stray { line: line_number, section: trimmed.starts_with('[') });
            continue;
        };
        let (mut value, mut more) = value_of(rest);
        while more {
            let Some((_, next)) = lines.next() else { break };
            let (tail, again) = value_of(next);
            value.push(' ');
            value.push_str(&tail);
            more = again;
        }
        assignments.push(Assignment { name: name.trim(), value: value.trim().to_owned(), line: line_number });
    }
    (assignments, stray)
}

/// The value on this line, and whether it goes on on the next one.
fn value_of(text: &str) -> (String, bool) {
    let mut value = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    let mut commented = false;
    while let Some(c) = chars.next() {
        match c {
            '\\' if chars.peek() == Some(&'#') => {
                value.push('#');
                chars.next();
            }
            '#' => {
                commented = true;
                break;
            }
            c => value.push(c),
        }
    }
    let trimmed = value.trim();
    match trimmed.strip_suffix('\\') {
        Some(start) if !commented => (start.trim_end().to_owned(), true),
        _ => (trimmed.to_owned(), false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(String, String, usize)> {
        parse(text).0.into_iter().map(|a| (a.name.to_owned(), a.value, a.line)).collect()
    }

    #[test]
    fn values_and_comments() {
        let cases = [
            ("a = b", "b"),
            ("a=b=c", "b=c"),
            ("  a =  b c  ", "b c"),
            ("a = b # comment", "b"),
            ("a = # comment", ""),
            ("a = p\\#ss", "p#ss"),
            ("a = p\\#ss # x", "p#ss"),
            ("a =", ""),
            ("a = \"quoted\"", "\"quoted\""),
            ("\u{feff}a = 1\r\n", "1"),
        ];
        for (text, value) in cases {
            assert_eq!(pairs(text), [("a".to_owned(), value.to_owned(), 1)], "{text:?}");
        }
    }

    #[test]
    fn lines_are_counted_and_joined() {
        let text = "# head\n\na = 1, \\\n  2\nb = 3\n[section]\nnonsense\n";
        assert_eq!(pairs(text), [("a".into(), "1, 2".into(), 3), ("b".into(), "3".into(), 5)]);
        assert_eq!(parse(text).1, [Stray { line: 6, section: true }, Stray { line: 7, section: false }]);
    }
}
