//! Going anywhere by a few letters: pages, plugins to add, and entities by name, id, host or path.

use leptos::ev;
use leptos::html;
use leptos::prelude::*;
use leptos::task::spawn_local;
use serde_json::Value;

use crate::entities::{EntityKind, Group, KINDS};
use crate::form::plain;
use crate::page::{Log, Page};
use crate::permissions::Action;
use crate::search::{Entry, found};
use crate::state::{Gateway, gateway, location};

/// How many are shown.
const SHOWN: usize = 12;
/// Members by which entities are found beside their name.
const ALSO: [&str; 9] = ["id", "host", "hosts", "path", "paths", "custom_id", "tags", "target", "instance_name"];

/// The dialog, and the button that opens it for those who do not know the keys.
#[component]
pub fn Palette() -> impl IntoView {
    let (gateway, place) = (gateway(), location());
    let dialog = NodeRef::<html::Dialog>::new();
    let input = NodeRef::<html::Input>::new();
    let sought = RwSignal::new(String::new());
    let entities = RwSignal::new(Vec::<Entry>::new());
    let at = RwSignal::new(0_usize);
    let list = Memo::new(move |_| {
        let mut all = pages(gateway);
        entities.with(|entities| all.extend(entities.iter().cloned()));
        let text = sought.get();
        found(&all, &text, SHOWN).into_iter().cloned().collect::<Vec<Entry>>()
    });
    let open = move || {
        let Some(dialog) = dialog.get_untracked().filter(|dialog| !dialog.open()) else { return };
        sought.set(String::new());
        at.set(0);
        if let Some(input) = input.get_untracked() {
            input.set_value("");
        }
        let _ = dialog.show_modal();
        spawn_local(async move {
            read(gateway, entities).await;
        });
    };
    let close = move || {
        if let Some(dialog) = dialog.get_untracked() {
            dialog.close();
        }
    };
    let go = move |entry: Entry| {
        close();
        if place.may_leave() {
            place.go(&entry.to);
        }
    };
    let keys = window_event_listener(ev::keydown, move |event| {
        if (event.ctrl_key() || event.meta_key()) && !event.alt_key() && event.key().eq_ignore_ascii_case("k") {
            event.prevent_default();
            open();
        }
    });
    on_cleanup(move || keys.remove());
    let steer = move |event: ev::KeyboardEvent| {
        let count = list.with(Vec::len);
        let step = match event.key().as_str() {
            "ArrowDown" => 1,
            "ArrowUp" => count.saturating_sub(1),
            // A search field would only empty itself.
            "Escape" => {
                event.prevent_default();
                return close();
            }
            "Enter" => {
                event.prevent_default();
                if let Some(entry) = list.with(|list| list.get(at.get_untracked()).cloned()) {
                    go(entry);
                }
                return;
            }
            _ => return,
        };
        event.prevent_default();
        if count > 0 {
            at.update(|at| *at = (*at + step) % count);
        }
    };
    let options = move || {
        let here = at.get();
        let option = |(index, entry): (usize, Entry)| {
            let chosen = index == here;
            let (title, sort) = (entry.title.clone(), entry.sort);
            view! {
                <li
                    role="option"
                    id=format!("palette-{index}")
                    aria-selected=chosen.to_string()
                    on:click=move |_| go(entry.clone())
                >
                    <span>{title}</span>
                    <span class="muted">{sort}</span>
                </li>
            }
        };
        list.get().into_iter().enumerate().map(option).collect_view()
    };
    let active = move || list.with(|list| !list.is_empty()).then(|| format!("palette-{}", at.get()));
    let nothing = move || {
        list.with(Vec::is_empty)
            .then(|| view! { <p class="about" role="status">{t!("Nothing has these letters.")}</p> })
    };
    view! {
        <button type="button" class="search" aria-keyshortcuts="Control+K" on:click=move |_| open()>
            {t!("Search")} <kbd>"Ctrl K"</kbd>
        </button>
        <dialog class="palette" node_ref=dialog aria-label=t!("Search")>
            <label class="unseen" for="palette">{t!("Search pages, plugins and entities")}</label>
            <input
                id="palette"
                node_ref=input
                type="search"
                role="combobox"
                autocomplete="off"
                spellcheck="false"
                autofocus
                placeholder=t!("Pages, plugins, names, hosts, paths, ids")
                aria-expanded="true"
                aria-controls="palette-list"
                aria-activedescendant=active
                on:keydown=steer
                on:input=move |event| {
                    at.set(0);
                    sought.set(event_target_value(&event));
                }
            />
            {nothing}
            <ul id="palette-list" role="listbox" aria-label=t!("Found")>{options}</ul>
        </dialog>
    }
}

/// Pages that one may look at, and plugins that one may add.
fn pages(gateway: Gateway) -> Vec<Entry> {
    let entry =
        |title: &str, sort, page: Page| Entry { title: title.to_owned(), sort, also: String::new(), to: page.href() };
    let mut all = vec![entry(t!("Overview"), t!("Page"), Page::Overview)];
    let there = |kind: &&EntityKind| {
        kind.group != Group::None
            && (kind.group != Group::Access || gateway.has_database())
            && gateway.may(Action::Read, kind.path)
    };
    for kind in KINDS.into_iter().filter(there) {
        all.push(entry(kind.many(), t!("Page"), Page::List(kind)));
        if gateway.may(Action::Create, kind.path) {
            let to = if kind.key == "plugins" { Page::Catalogue } else { Page::Create(kind) };
            all.push(entry(&t!("New {one}", one = kind.one()), t!("Action"), to));
        }
    }
    if gateway.has_database() {
        all.push(entry(t!("Revisions"), t!("Page"), Page::Revisions));
        for (title, log) in [(t!("Requests"), Log::Requests), (t!("Changes"), Log::Objects)] {
            all.push(entry(title, t!("Audit log"), Page::Audit(log)));
        }
    }
    all.push(entry(t!("Configuration"), t!("Page"), Page::Configuration));
    for (title, page) in [
        (t!("Live traffic"), Page::Traffic),
        (t!("Topology"), Page::Topology),
        (t!("Traces"), Page::Traces),
        (t!("Route tester"), Page::Tester),
    ] {
        all.push(entry(title, t!("Page"), page));
    }
    if gateway.may(Action::Create, "services") {
        all.push(entry(t!("Set up an API"), t!("Action"), Page::Wizard));
    }
    if gateway.may(Action::Create, "plugins") {
        gateway.node.with(|node| {
            let names = node.ready().and_then(|node| node["plugins"]["available_on_server"].as_object());
            for name in names.into_iter().flatten().map(|(name, _)| name) {
                all.push(entry(name, t!("Plugin to add"), Page::CreatePlugin(name.clone())));
            }
        });
    }
    all
}

/// The first thousand of each kind that has a list, each kind as it comes.
async fn read(gateway: Gateway, entities: RwSignal<Vec<Entry>>) {
    let mut all: Vec<Entry> = Vec::new();
    for kind in KINDS.into_iter().filter(|kind| matches!(kind.group, Group::Gateway | Group::Security)) {
        if !gateway.may(Action::Read, kind.path) {
            continue;
        }
        let Ok(page) = gateway.get(&format!("{}?size=1000", kind.path)).await else { continue };
        for entity in page["data"].as_array().into_iter().flatten() {
            all.push(of(kind, entity));
        }
        entities.try_set(all.clone());
    }
}

fn of(kind: &'static EntityKind, entity: &Value) -> Entry {
    let also: Vec<String> = ALSO.iter().map(|name| plain(&entity[*name])).filter(|text| !text.is_empty()).collect();
    Entry {
        title: kind.name_of(entity),
        sort: kind.one(),
        also: also.join(" "),
        to: Page::Detail(kind, kind.address_of(entity)).href(),
    }
}
