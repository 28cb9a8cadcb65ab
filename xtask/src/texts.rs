//! What the manager says, in each language. English stands in the source, `ui/locales/` holds the others by the English
//! text; what a browser loads has numbers in its place.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::{fs, io};

use serde_json::{Map, Value};

type Failure = Box<dyn std::error::Error>;

/// Languages beside English, which is the source's.
const OTHERS: [&str; 2] = ["de", "zh"];

/// Tag and file of every language.
///
/// # Errors
/// A sentence about every text that is missing, not in use, or not like the English one.
pub fn locales(ui: &Path) -> Result<Vec<(&'static str, String)>, Failure> {
    let mut used = BTreeSet::new();
    sources(&ui.join("src"), &mut |source| used.extend(texts(source)))?;
    let mut wrong = clashes(&used);
    let mut files =
        vec![("en", Map::from_iter(used.iter().map(|text| (text.clone(), text.clone().into()))), Value::Null)];
    for tag in OTHERS {
        let mut file: Value = serde_json::from_slice(&fs::read(ui.join(format!("locales/{tag}.json")))?)?;
        let Value::Object(known) = file["texts"].take() else { return Err(format!("{tag}.json has no texts").into()) };
        wrong.extend(differences(&used, &known).into_iter().map(|what| format!("{tag}: {what}")));
        files.push((tag, known, file["members"].take()));
    }
    if !wrong.is_empty() {
        return Err(wrong.join("\n").into());
    }
    let written = files.into_iter().map(|(tag, texts, members)| {
        let texts: Map<String, Value> = texts.into_iter().map(|(text, own)| (number(&text).to_string(), own)).collect();
        (tag, serde_json::json!({ "texts": texts, "members": members }).to_string())
    });
    Ok(written.collect())
}

/// Every source file below a folder.
fn sources(folder: &Path, read: &mut impl FnMut(&str)) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            sources(&path, read)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            // How the macros are tried says nothing to anybody.
            let source = fs::read_to_string(&path)?;
            read(source.split("#[cfg(test)]\nmod tests").next().unwrap_or_default());
        }
    }
    Ok(())
}

/// The texts in `t!("…")` and `text!("…")`.
fn texts(source: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in source.match_indices("t!(") {
        let before = source[..at].strip_suffix("tex").unwrap_or(&source[..at]);
        if before.ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let after = source[at + 3..].trim_start();
        found.extend(after.strip_prefix('"').and_then(literal));
    }
    found
}

/// What a string literal stands for, from behind its first quote.
fn literal(rest: &str) -> Option<String> {
    let (mut text, mut characters) = (String::new(), rest.chars().peekable());
    loop {
        match characters.next()? {
            '"' => return Some(text),
            '\\' => match characters.next()? {
                'n' => text.push('\n'),
                // A line that goes on in the next one.
                '\n' => while characters.next_if(|c| c.is_whitespace()).is_some() {},
                other => text.push(other),
            },
            other => text.push(other),
        }
    }
}

/// FNV-1a in 32 bits, as `ui/src/texts.rs` counts.
fn number(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

fn clashes(used: &BTreeSet<String>) -> Vec<String> {
    let mut numbers = BTreeMap::new();
    let clash = |text: &String| {
        let other = numbers.insert(number(text), text.clone())?;
        Some(format!("“{text}” and “{other}” have the same number: word one of them in another way"))
    };
    used.iter().filter_map(clash).collect()
}

/// What is wrong with a language, sentence by sentence.
fn differences(used: &BTreeSet<String>, known: &Map<String, Value>) -> Vec<String> {
    let mut wrong = Vec::new();
    for text in used {
        match known.get(text).and_then(Value::as_str).filter(|own| !own.is_empty()) {
            None => wrong.push(format!("“{text}” is missing")),
            Some(own) if names(own) != names(text) => {
                wrong.push(format!("“{own}” names other things in braces than “{text}”"));
            }
            Some(_) => {}
        }
    }
    wrong.extend(known.keys().filter(|text| !used.contains(*text)).map(|text| format!("“{text}” is not in use")));
    wrong
}

/// What stands in braces.
fn names(text: &str) -> BTreeSet<&str> {
    text.split('{').skip(1).filter_map(|part| part.split_once('}').map(|(name, _)| name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_is_there_in_every_language() {
        let ui = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ui");
        let locales = locales(&ui).unwrap_or_else(|wrong| panic!("{wrong}"));
        assert_eq!(locales.iter().map(|(tag, _)| *tag).collect::<Vec<_>>(), ["en", "de", "zh"]);
    }

    #[test]
    fn texts_are_found_in_the_source() {
        let source =
            "t!(\"a\") text!(\n    \"b \\\n     c\"\n) not!(\"d\") t!(\"{e} \\\"f\\\"\", e) format!(\"g\") pt!(\"h\")";
        assert_eq!(texts(source), ["a", "b c", "{e} \"f\""]);
    }

    #[test]
    fn what_is_missing_or_left_over_is_said() {
        let used = BTreeSet::from(["a".to_owned(), "{b}".to_owned(), "c".to_owned()]);
        let known = Map::from_iter([
            ("a".to_owned(), "A".into()),
            ("{b}".to_owned(), "{x}".into()),
            ("d".to_owned(), "D".into()),
        ]);
        assert_eq!(
            differences(&used, &known),
            ["“c” is missing", "“{x}” names other things in braces than “{b}”", "“d” is not in use"]
        );
    }
}
