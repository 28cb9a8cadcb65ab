//! Changes of headers.

use super::Config;
use crate::pairs::parted;
use exchange::Headers;
use smallvec::SmallVec;

/// Header operations, their pairs parted.
#[derive(Debug, Default)]
pub(crate) struct HeaderChange {
    remove: Vec<String>,
    rename: Vec<(String, String)>,
    replace: Vec<(String, String)>,
    add: Vec<(String, String)>,
    append: Vec<(String, String)>,
}

impl HeaderChange {
    pub(crate) fn new(config: &Config) -> Self {
        let pairs = |pairs: &[String]| {
            pairs
                .iter()
                .filter_map(|pair| {
                    let (name, value) = parted(pair);
                    Some((name.to_owned(), value?.to_owned()))
                })
                .collect()
        };
        Self {
            remove: config.remove.headers.iter().map(|name| parted(name).0.to_owned()).collect(),
            rename: pairs(&config.rename.headers),
            replace: pairs(&config.replace.headers),
            add: pairs(&config.add.headers),
            append: pairs(&config.append.headers),
        }
    }

    /// Applies every operation; whether a header is there is decided by the headers as they were before the first.
    pub(crate) fn apply(&self, headers: &mut Headers) {
        let there = |pairs: &[(String, String)]| -> SmallVec<[bool; 8]> {
            pairs.iter().map(|(name, _)| headers.contains(name)).collect()
        };
        let (replaced, added) = (there(&self.replace), there(&self.add));
        let values = |name: &str| -> Vec<Vec<u8>> { headers.get_all(name).map(<[u8]>::to_vec).collect() };
        let renamed: Vec<Vec<Vec<u8>>> = self.rename.iter().map(|(old, _)| values(old)).collect();
        for name in &self.remove {
            headers.remove(name);
        }
        for ((old, new), values) in self.rename.iter().zip(renamed) {
            if values.is_empty() {
                continue;
            }
            headers.remove(new);
            for value in values {
                headers.append(new, value);
            }
            if !old.eq_ignore_ascii_case(new) {
                headers.remove(old);
            }
        }
        for ((name, value), there) in self.replace.iter().zip(replaced) {
            if there {
                headers.set(name, value);
            }
        }
        for ((name, value), there) in self.add.iter().zip(added) {
            if !there {
                headers.set(name, value);
            }
        }
        for (name, value) in &self.append {
            headers.append(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(config: serde_json::Value, before: &[(&str, &str)]) -> String {
        let complete = |name: &str| {
            let mut pairs = serde_json::json!({ "json": [], "json_types": [], "headers": [] });
            if let Some(given) = config.get(name) {
                pairs["headers"] = given.clone();
            }
            (name.to_owned(), pairs)
        };
        let whole: serde_json::Map<_, _> =
            ["remove", "rename", "replace", "add", "append"].into_iter().map(complete).collect();
        let config: Config = serde_json::from_value(whole.into()).unwrap();
        let mut headers: Headers = before.iter().copied().collect();
        HeaderChange::new(&config).apply(&mut headers);
        let line = |(name, value): (&[u8], &[u8])| {
            format!("{}={}", String::from_utf8_lossy(name), String::from_utf8_lossy(value))
        };
        headers.iter().map(line).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn operations_see_the_original() {
        let json = |text| serde_json::from_str(text).unwrap();
        for (config, before, after) in [
            (r#"{"append": ["X-A:two", "X-B:one"]}"#, &[("X-A", "one")][..], "X-A=one X-A=two X-B=one"),
            (r#"{"remove": ["x-a"], "add": ["X-A:again", "X-R:1"]}"#, &[("X-A", "1")], "X-R=1"),
            (r#"{"rename": ["X-Old:X-New"]}"#, &[("x-old", "1"), ("X-Old", "2")], "X-New=1 X-New=2"),
            (r#"{"rename": ["X-Old:X-New"]}"#, &[("A", "1")], "A=1"),
            (r#"{"rename": ["X-A:x-a"]}"#, &[("X-A", "1")], "x-a=1"),
            (r#"{"remove": ["X-Old"], "rename": ["X-Old:X-New"]}"#, &[("X-Old", "1")], "X-New=1"),
            (
                r#"{"rename": ["X-Old:X-New"], "replace": ["X-New:r"], "add": ["X-New:a"]}"#,
                &[("X-Old", "1")],
                "X-New=a",
            ),
            (r#"{"replace": ["X-A:new", "X-B:new"]}"#, &[("X-A", "1"), ("X-A", "2")], "X-A=new"),
            (r#"{"add": ["X-U:http://a/b:c", "X-E:"]}"#, &[], "X-U=http://a/b:c"),
            (r#"{"add": ["X-L:a\r\nX-Evil: 1"]}"#, &[], ""),
        ] {
            assert_eq!(changed(json(config), before), after, "{config}");
        }
    }
}
