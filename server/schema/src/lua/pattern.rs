//! Lua 5.1 patterns (reference manual §5.4.1), matched with a bound on the work done.
//!
//! Captures are matched and given back, and back references (`%1`) too.

use std::ops::Range;

/// Steps after which a match is given up as "no match"; patterns are ours, subjects are not.
const BUDGET: u32 = 200_000;
const DEPTH: u32 = 200;
const MAX_CAPTURES: usize = 32;

/// Whether `pattern` is found in `subject` (anchored only by `^` and `$`), bytes, as `string.find` does it.
pub fn is_match(subject: &str, pattern: &str) -> bool {
    find(subject.as_bytes(), pattern.as_bytes(), 0).is_some()
}

/// A place where a pattern matches.
#[derive(Debug, PartialEq, Eq)]
pub struct Found {
    /// All of the match.
    pub whole: Range<usize>,
    /// Its captures, in the order of their opening parentheses; an empty one also stands for a position (`()`).
    pub captures: Vec<Range<usize>>,
}

/// The first match of `pattern` in `subject` that begins at `from` or later, as `string.find` looks for it.
pub fn find(subject: &[u8], pattern: &[u8], from: usize) -> Option<Found> {
    let (anchored, pattern) = match pattern {
        [b'^', rest @ ..] => (true, rest),
        all => (false, all),
    };
    let mut state = State { s: subject, p: pattern, budget: BUDGET, captures: Vec::new() };
    let mut start = from;
    while start <= subject.len() && state.budget > 0 {
        state.captures.clear();
        if let Some(end) = state.run(start, 0, 0) {
            let captures = state.captures.iter().map(|capture| capture.start..capture.end.unwrap_or(capture.start));
            return Some(Found { whole: start..end, captures: captures.collect() });
        }
        if anchored {
            return None;
        }
        start += 1;
    }
    None
}

#[derive(Clone, Copy)]
struct Capture {
    start: usize,
    /// `None` while open.
    end: Option<usize>,
}

struct State<'a> {
    s: &'a [u8],
    p: &'a [u8],
    budget: u32,
    captures: Vec<Capture>,
}

impl State<'_> {
    fn spend(&mut self) -> bool {
        self.budget = self.budget.saturating_sub(1);
        self.budget > 0
    }

    /// Matches the pattern from `p` at `s`; gives the end of the match.
    fn run(&mut self, mut s: usize, mut p: usize, depth: u32) -> Option<usize> {
        if depth > DEPTH {
            return None;
        }
        loop {
            if !self.spend() {
                return None;
            }
            if p >= self.p.len() {
                return Some(s);
            }
            match self.p[p] {
                b'(' => {
                    if self.captures.len() >= MAX_CAPTURES {
                        return None;
                    }
                    let position = self.p.get(p + 1) == Some(&b')');
                    self.captures.push(Capture { start: s, end: position.then_some(s) });
                    let found = self.run(s, if position { p + 2 } else { p + 1 }, depth + 1);
                    if found.is_none() {
                        self.captures.pop();
                    }
                    return found;
                }
                b')' => {
                    let open = self.captures.iter().rposition(|c| c.end.is_none())?;
                    self.captures[open].end = Some(s);
                    let found = self.run(s, p + 1, depth + 1);
                    if found.is_none() {
                        self.captures[open].end = None;
                    }
                    return found;
                }
                b'$' if p + 1 == self.p.len() => return (s == self.s.len()).then_some(s),
                b'%' if self.p.get(p + 1) == Some(&b'b') => {
                    s = self.balanced(s, p + 2)?;
                    p += 4;
                    continue;
                }
                b'%' if self.p.get(p + 1) == Some(&b'f') => {
                    p += 2;
                    if self.p.get(p) != Some(&b'[') {
                        return None;
                    }
                    let end = self.class_end(p)?;
                    let before = if s == 0 { 0 } else { self.s[s - 1] };
                    let here = self.s.get(s).copied().unwrap_or(0);
                    if self.set_has(before, p, end - 1) || !self.set_has(here, p, end - 1) {
                        return None;
                    }
                    p = end;
                    continue;
                }
                b'%' if self.p.get(p + 1).is_some_and(u8::is_ascii_digit) => {
                    let index = usize::from(self.p[p + 1] - b'0').checked_sub(1)?;
                    let capture = *self.captures.get(index)?;
                    let end = capture.end?;
                    let text = &self.s[capture.start..end];
                    if !self.s[s..].starts_with(text) {
                        return None;
                    }
                    s += text.len();
                    p += 2;
                    continue;
                }
                _ => {}
            }
            let end = self.class_end(p)?;
            match self.p.get(end) {
                Some(b'?') => {
                    if self.single(s, p, end)
                        && let Some(found) = self.run(s + 1, end + 1, depth + 1)
                    {
                        return Some(found);
                    }
                    p = end + 1;
                }
                Some(b'*') => return self.longest(s, p, end, 0, depth),
                Some(b'+') => return self.longest(s, p, end, 1, depth),
                Some(b'-') => loop {
                    if let Some(found) = self.run(s, end + 1, depth + 1) {
                        return Some(found);
                    }
                    if !self.single(s, p, end) || !self.spend() {
                        return None;
                    }
                    s += 1;
                },
                _ => {
                    if !self.single(s, p, end) {
                        return None;
                    }
                    s += 1;
                    p = end;
                }
            }
        }
    }

    fn longest(&mut self, s: usize, p: usize, end: usize, least: usize, depth: u32) -> Option<usize> {
        let mut count = 0;
        while self.single(s + count, p, end) {
            count += 1;
        }
        loop {
            if count < least || !self.spend() {
                return None;
            }
            if let Some(found) = self.run(s + count, end + 1, depth + 1) {
                return Some(found);
            }
            count = count.checked_sub(1)?;
        }
    }

    fn balanced(&self, s: usize, p: usize) -> Option<usize> {
        let (open, close) = (*self.p.get(p)?, *self.p.get(p + 1)?);
        if self.s.get(s) != Some(&open) {
            return None;
        }
        let mut level = 1u32;
        for (offset, byte) in self.s[s + 1..].iter().enumerate() {
            if *byte == close {
                level -= 1;
                if level == 0 {
                    return Some(s + offset + 2);
                }
            } else if *byte == open {
                level += 1;
            }
        }
        None
    }

    /// The index behind the single-character class that starts at `p`; `None` for a malformed pattern.
    fn class_end(&self, p: usize) -> Option<usize> {
        match self.p.get(p)? {
            b'%' => (p + 1 < self.p.len()).then_some(p + 2),
            b'[' => {
                let mut at = p + 1;
                if self.p.get(at) == Some(&b'^') {
                    at += 1;
                }
                // The first character may be a literal ']'.
                loop {
                    let byte = *self.p.get(at)?;
                    at += 1;
                    if byte == b'%' {
                        at += 1;
                    }
                    if self.p.get(at) == Some(&b']') {
                        return Some(at + 1);
                    }
                }
            }
            _ => Some(p + 1),
        }
    }

    fn single(&self, s: usize, p: usize, end: usize) -> bool {
        let Some(&byte) = self.s.get(s) else { return false };
        match self.p[p] {
            b'.' => true,
            b'%' => class(byte, self.p[p + 1]),
            b'[' => self.set_has(byte, p, end - 1),
            literal => literal == byte,
        }
    }

    /// Whether the set from `[` at `p` to `]` at `close` holds the byte.
    fn set_has(&self, byte: u8, p: usize, close: usize) -> bool {
        let mut at = p + 1;
        let mut wanted = true;
        if self.p[at] == b'^' {
            wanted = false;
            at += 1;
        }
        while at < close {
            if self.p[at] == b'%' && at + 1 < close {
                if class(byte, self.p[at + 1]) {
                    return wanted;
                }
                at += 2;
            } else if at + 2 < close && self.p[at + 1] == b'-' {
                if (self.p[at]..=self.p[at + 2]).contains(&byte) {
                    return wanted;
                }
                at += 3;
            } else {
                if self.p[at] == byte {
                    return wanted;
                }
                at += 1;
            }
        }
        !wanted
    }
}

fn class(byte: u8, letter: u8) -> bool {
    let member = match letter.to_ascii_lowercase() {
        b'a' => byte.is_ascii_alphabetic(),
        b'c' => byte.is_ascii_control(),
        b'd' => byte.is_ascii_digit(),
        b'l' => byte.is_ascii_lowercase(),
        b'p' => byte.is_ascii_punctuation(),
        b's' => byte.is_ascii_whitespace() || byte == 0x0b,
        b'u' => byte.is_ascii_uppercase(),
        b'w' => byte.is_ascii_alphanumeric(),
        b'x' => byte.is_ascii_hexdigit(),
        b'z' => byte == 0,
        _ => return letter == byte,
    };
    member != letter.is_ascii_uppercase()
}

#[cfg(test)]
mod tests {
    use super::{find, is_match};

    #[test]
    fn patterns_match_as_in_lua() {
        let cases: &[(&str, &str, bool)] = &[
            ("^%u+$", "GET", true),
            ("^%u+$", "get", false),
            ("^[Hh][Oo][Ss][Tt]$", "HoSt", true),
            ("//", "/a//b", true),
            ("^[^*]*%*?[^*]*$", "*.a.*", false),
            ("^[^*]*%*?[^*]*$", "*.a", true),
            ("^%*%.", "*.x", true),
            ("%.%*$", "x.*", true),
            ("^[^:]+:.*$", "a:b", true),
            ("^[^:]+:.*$", "a", false),
            ("^[a-z][a-z%d-]-[a-z%d]+$", "my-vault", true),
            ("^[a-z][a-z%d-]-[a-z%d]+$", "A", false),
            ("^[%a_-][%a%d_-]*$", "1x", false),
            ("^%d+[%.%d]*$", "3.9.1", true),
            ("%w*%p*@+%w*%.?%w*", "a@b.c", true),
            ("%w*%p*@+%w*%.?%w*", "bad", false),
            ("%b()", "f(a(b)c)", true),
            ("%b()", "f(a(b c", false),
            ("(a)%1", "xaa", true),
            ("(a)%1", "xab", false),
            ("%f[%w]%w+", "!ab", true),
            ("[]]", "]", true),
            ("[^]]", "]", false),
            ("a-b", "aaab", true),
            ("", "", true),
            ("[", "[", false),
            ("%", "%", false),
            ("a.-z$", "abcz", true),
        ];
        for (pattern, subject, expected) in cases {
            assert_eq!(is_match(subject, pattern), *expected, "{pattern} on {subject}");
        }
    }

    #[test]
    fn captures_are_given_back() {
        let parts = |subject: &str, pattern: &str| -> Vec<String> {
            let Some(found) = find(subject.as_bytes(), pattern.as_bytes(), 0) else { return Vec::new() };
            std::iter::once(found.whole).chain(found.captures).map(|range| subject[range].to_owned()).collect()
        };
        assert_eq!(parts("key = value", "(%w+)%s*=%s*(%w+)"), ["key = value", "key", "value"]);
        assert_eq!(parts("a-b-c", "^(.-)-(.*)$"), ["a-b-c", "a", "b-c"]);
        assert_eq!(parts("abc", "((a)(b))"), ["ab", "ab", "a", "b"]);
        assert_eq!(parts("abc", "()b"), ["b", ""]);
        assert_eq!(parts("abc", "x"), [""; 0]);
        assert_eq!(find(b"abab", b"a", 1).map(|found| found.whole), Some(2..3));
        assert_eq!(find(b"abab", b"^b", 1).map(|found| found.whole), Some(1..2));
        assert_eq!(find(b"ab", b"", 3), None);
    }

    #[test]
    fn work_is_bounded() {
        let subject = "a".repeat(5_000);
        assert!(!is_match(&subject, "a*a*a*a*a*a*a*b"));
    }

    proptest::proptest! {
        #[test]
        fn never_panics(subject in ".{0,40}", pattern in "[\\^\\$%\\[\\]\\(\\)a-c\\*\\+\\-\\?bf1.]{0,12}") {
            let _ = is_match(&subject, &pattern);
        }
    }
}
