//! Tags, and what has them.

use std::collections::BTreeMap;

use leptos::prelude::*;
use serde_json::Value;

use crate::api::{Failure, load};
use crate::components::{Line, column, empty, grid, heading, loaded, row, typed};
use crate::entities::by_key;
use crate::page::{Page, encode};
use crate::state::{Gateway, gateway, location};

/// How many of the server's greatest pages are read at most.
const ROUNDS: usize = 20;
/// Rows that are shown at most.
const SHOWN: usize = 500;

/// How many entities of which kind have a tag.
type Uses = BTreeMap<String, BTreeMap<String, usize>>;

/// What was read.
#[derive(Clone, PartialEq)]
struct Read {
    /// What a tag contains.
    sought: String,
    uses: Uses,
    /// There are more than were read.
    cut: bool,
}

pub fn tags() -> AnyView {
    let (gateway, place) = (gateway(), location());
    let state = load(move || {
        gateway.track_writes();
        let sought = place.value("name");
        async move { read(gateway, sought).await }
    });
    let node = NodeRef::new();
    let search = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        place.go(&Page::Tags.with(&[("name", &typed(node))]));
    };
    let line = Line {
        id: "filter-tag".to_owned(),
        label: t!("Tag"),
        kind: "search",
        start: place.value("name"),
        ..Line::default()
    };
    let about = t!("Words that entities carry: they tell by whom, for what or from where something is there.");
    view! {
        {heading(t!("Tags").to_owned(), Vec::new(), about, ().into_any())}
        <form class="filters" role="search" aria-label=t!("Filter {many}", many = t!("Tags")) on:submit=search>
            {line.view(node)}
            <button type="submit">{t!("Filter")}</button>
        </form>
        {loaded(state, show)}
    }
    .into_any()
}

/// All tags that contain what is sought; where there are too many entities to be read, it is asked for by itself.
async fn read(gateway: Gateway, sought: String) -> Result<Read, Failure> {
    let mut uses = Uses::new();
    let mut cut = gateway.pages("tags", &[], ROUNDS, &mut |rows| count(&rows, &mut uses)).await?;
    if cut && !sought.is_empty() {
        uses.remove(&sought);
        let path = format!("tags/{}", encode(&sought));
        cut = gateway.pages(&path, &[], ROUNDS, &mut |rows| count(&rows, &mut uses)).await?;
    }
    uses.retain(|tag, _| tag.to_lowercase().contains(&sought.to_lowercase()));
    Ok(Read { sought, uses, cut })
}

fn count(rows: &[Value], uses: &mut Uses) {
    for one in rows {
        if let (Some(tag), Some(kind)) = (one["tag"].as_str(), one["entity_name"].as_str()) {
            *uses.entry(tag.to_owned()).or_default().entry(kind.to_owned()).or_default() += 1;
        }
    }
}

fn show(found: Read) -> AnyView {
    let total = found.uses.len();
    if total == 0 {
        let text = match found.sought.is_empty() {
            true => t!("Nothing has a tag yet. Forms of entities have a field for them."),
            false => t!("No tag contains this."),
        };
        return empty(text.to_owned(), ().into_any());
    }
    let line = |(tag, uses): (&String, &BTreeMap<String, usize>)| {
        let places = uses.iter().map(|(key, count)| place_of(tag, key, *count)).collect_view();
        row(tag.clone().into_any(), vec![view! { <ul class="badges">{places}</ul> }.into_any()])
    };
    let rows = found.uses.iter().take(SHOWN).map(line).collect();
    let head = [t!("Tag"), t!("Used by")].map(column).into();
    let told = match (found.cut, total > SHOWN) {
        (true, _) => t!("There is more than can be shown: look for a tag by its whole name."),
        (_, true) => t!("There is more than can be shown: look for a tag by a part of its name."),
        _ => "",
    };
    let told = (!told.is_empty()).then(|| view! { <p class="about" role="status">{told}</p> });
    view! { {told} {grid(t!("Tags").to_owned(), t!("Tags").to_owned(), head, rows)} }.into_any()
}

/// So many of a kind, with the way to them where they have a list.
fn place_of(tag: &str, key: &str, count: usize) -> AnyView {
    let Some(kind) = by_key(key) else { return view! { <li>{format!("{count} {key}")}</li> }.into_any() };
    let text = format!("{count} {}", if count == 1 { kind.one() } else { kind.many() });
    match kind.has_list() {
        true => view! { <li><a href=Page::List(kind).with(&[("tags", tag)])>{text}</a></li> }.into_any(),
        false => view! { <li>{text}</li> }.into_any(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn uses_are_counted_by_tag_and_kind() {
        let mut uses = Uses::new();
        for rows in [
            &[json!({"tag": "b", "entity_name": "services"}), json!({"tag": "a", "entity_name": "routes"})][..],
            &[json!({"tag": "b", "entity_name": "services"}), json!({"tag": "b", "entity_name": "acls"}), json!({})],
            &[],
        ] {
            count(rows, &mut uses);
        }
        let told: Vec<(&str, Vec<(&str, usize)>)> = uses
            .iter()
            .map(|(tag, kinds)| (tag.as_str(), kinds.iter().map(|(kind, count)| (kind.as_str(), *count)).collect()))
            .collect();
        assert_eq!(told, [("a", vec![("routes", 1)]), ("b", vec![("acls", 1), ("services", 2)])]);
    }
}
