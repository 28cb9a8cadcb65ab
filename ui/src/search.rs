//! Finding something by a few letters. Pure.

use crate::order::sort_by_key;

/// Something that can be found.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// What one sees and most often types.
    pub title: String,
    /// What sort of thing it is.
    pub sort: &'static str,
    /// What else it is found by: ids, hosts, paths.
    pub also: String,
    /// Where it leads.
    pub to: String,
}

/// The best of `entries`, best first: where the title begins with what is sought, then where a word of it does, then
/// wherever it stands, then what is found by something else. Every word must be found.
pub fn found<'e>(entries: &'e [Entry], sought: &str, most: usize) -> Vec<&'e Entry> {
    let words: Vec<String> = sought.split_whitespace().map(str::to_lowercase).collect();
    let mut list: Vec<(usize, usize, &Entry)> = entries
        .iter()
        .enumerate()
        .filter_map(|(at, entry)| {
            let ranks = words.iter().map(|word| rank(entry, word)).collect::<Option<Vec<usize>>>()?;
            Some((ranks.iter().sum(), at, entry))
        })
        .collect();
    sort_by_key(&mut list, |(rank, at, entry)| (*rank, if words.is_empty() { 0 } else { entry.title.len() }, *at));
    list.into_iter().take(most).map(|(_, _, entry)| entry).collect()
}

fn rank(entry: &Entry, word: &str) -> Option<usize> {
    let title = entry.title.to_lowercase();
    let begins = |text: &str| text.split(|c: char| !c.is_alphanumeric()).any(|part| part.starts_with(word));
    if title.starts_with(word) {
        Some(0)
    } else if begins(&title) {
        Some(1)
    } else if title.contains(word) {
        Some(2)
    } else if entry.sort.to_lowercase().starts_with(word) {
        Some(3)
    } else {
        entry.also.to_lowercase().contains(word).then_some(4)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_comes_first() {
        let entry = |title: &str, sort, also: &str| Entry {
            title: title.to_owned(),
            sort,
            also: also.to_owned(),
            to: String::new(),
        };
        let all = [
            entry("reorder", "Route", ""),
            entry("old-orders", "Service", ""),
            entry("orders", "Service", "orders.example /v1"),
            entry("cart", "Service", "order.example"),
            entry("Add order-plugin", "Plugin", ""),
        ];
        let names = |sought: &str, most| -> Vec<&str> {
            found(&all, sought, most).into_iter().map(|entry| entry.title.as_str()).collect()
        };
        assert_eq!(names("ORD", 9), ["orders", "old-orders", "Add order-plugin", "reorder", "cart"]);
        assert_eq!(names("ord serv", 9), ["orders", "old-orders", "cart"]);
        assert_eq!(names("/v1", 9), ["orders"]);
        assert_eq!(names("", 2), ["reorder", "old-orders"]);
        assert!(names("nothing", 9).is_empty());
    }
}
