//! What people read, in their language. In the source every text stands in English, as `t!("Delete {one}", one)`; what it is
//! in a language comes from a file that is loaded for it (`locales/`, put together by `cargo xtask ui`), where a text is
//! found by a number made from the English one. So none of them is part of the program.

use std::cell::RefCell;

use crate::order::sort_by_key;
use std::collections::BTreeMap;

use serde_json::Value;

/// A text, whatever language it will be read in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Text(
    #[cfg(not(test))] u32,
    // Tests read it as it is.
    #[cfg(test)] &'static str,
);

thread_local! {
    static TEXTS: RefCell<Texts> = const { RefCell::new(Texts { texts: Vec::new(), members: BTreeMap::new() }) };
}

/// Of one language; they stay until the page is left.
struct Texts {
    /// By their numbers, in order.
    #[cfg_attr(test, expect(dead_code, reason = "tests read English"))]
    texts: Vec<(u32, &'static str)>,
    /// Names of members of entities.
    members: BTreeMap<String, &'static str>,
}

impl Text {
    /// By the English text.
    pub const fn of(english: &'static str) -> Self {
        #[cfg(not(test))]
        return Self(number(english));
        #[cfg(test)]
        return Self(english);
    }

    /// In the language of the page.
    #[cfg(not(test))]
    pub fn get(self) -> &'static str {
        TEXTS.with_borrow(|known| {
            let found = known.texts.binary_search_by_key(&self.0, |(number, _)| *number);
            found.map_or("…", |at| known.texts[at].1)
        })
    }

    #[cfg(test)]
    pub fn get(self) -> &'static str {
        self.0
    }
}

/// FNV-1a in 32 bits. `xtask` counts in the same way, and refuses two texts with the same number.
#[cfg(not(test))]
const fn number(text: &str) -> u32 {
    let (bytes, mut hash, mut at) = (text.as_bytes(), 0x811c_9dc5_u32, 0);
    while at < bytes.len() {
        hash = (hash ^ bytes[at] as u32).wrapping_mul(0x0100_0193);
        at += 1;
    }
    hash
}

/// Takes the file of a language.
pub fn learn(file: &Value) {
    let keep = |text: &Value| -> &'static str { String::leak(text.as_str().unwrap_or_default().to_owned()) };
    let members = |name: &str| file[name].as_object().into_iter().flatten();
    let mut texts: Vec<(u32, &str)> =
        members("texts").filter_map(|(number, text)| Some((number.parse().ok()?, keep(text)))).collect();
    sort_by_key(&mut texts, |(number, _)| *number);
    let members = members("members").map(|(name, text)| (name.clone(), keep(text))).collect();
    TEXTS.set(Texts { texts, members });
}

/// What people call a member of an entity, where the language has a word of its own for it.
pub fn member(name: &str) -> Option<&'static str> {
    TEXTS.with_borrow(|known| known.members.get(name).copied())
}

/// A text with something in the place of each `{name}`.
pub fn fill(text: &str, parts: &[(&str, String)]) -> String {
    let mut filled = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        let place = after.split_once('}').and_then(|(name, after)| {
            let (_, part) = parts.iter().find(|(known, _)| *known == name)?;
            Some((part, after))
        });
        match place {
            Some((part, after)) => {
                filled.push_str(part);
                rest = after;
            }
            None => {
                filled.push('{');
                rest = after;
            }
        }
    }
    filled.push_str(rest);
    filled
}

/// A [`Text`]: for constants.
macro_rules! text {
    ($english:literal) => {
        const { $crate::texts::Text::of($english) }
    };
}

/// A text in the language of the page; with something in the place of names in braces it is a `String`.
macro_rules! t {
    ($english:literal) => {
        text!($english).get()
    };
    ($english:literal, $($name:ident $(= $value:expr)?),+ $(,)?) => {
        $crate::texts::fill(t!($english), &[$((stringify!($name), t!(@part $name $($value)?))),+])
    };
    (@part $name:ident) => { $name.to_string() };
    (@part $name:ident $value:expr) => { $value.to_string() };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_braces_are_filled() {
        let one = "Service";
        for (filled, expected) in [
            (t!("Delete {one}?", one), "Delete Service?"),
            (t!("{worked} of {of} changed.", worked = 1, of = 2), "1 of 2 changed."),
            (fill("{a}{b}{a", &[("a", "{b}".to_owned())]), "{b}{b}{a"),
            (fill("ä{x}…", &[("x", String::new())]), "ä…"),
        ] {
            assert_eq!(filled, expected);
        }
    }
}
