//! Every change of the configuration, and the way back.

use leptos::prelude::*;
use leptos::task::spawn_local;
use serde_json::Value;

use crate::api::load;
use crate::components::{
    Crumb, button, changes, changes_of, column, counts, empty, facts_list, failure, grid, heading, link_button, loaded,
    row, time,
};
use crate::form::{plain, when};
use crate::page::{Page, encode, write_query};
use crate::pages::changed;
use crate::permissions::Action;
use crate::state::{gateway, location, toasts};

pub fn revisions() -> AnyView {
    let (gateway, place) = (gateway(), location());
    let state = load(move || {
        gateway.track_writes();
        let offset = place.value("offset");
        let query = place.query.get();
        async move {
            let pairs = [("size", "50"), ("offset", offset.as_str())];
            Ok((query, gateway.get(&format!("revisions?{}", write_query(&pairs))).await?))
        }
    });
    let show = |(query, page): (Vec<(String, String)>, Value)| {
        let list = page["data"].as_array().cloned().unwrap_or_default();
        if list.is_empty() {
            return empty(t!("Nothing was changed yet.").to_owned(), ().into_any());
        }
        let line = |revision: &Value| {
            let number = plain(&revision["id"]);
            let to = Page::Revision(number.clone()).href();
            let what = match revision["replaced"].is_object() {
                true => t!("The whole configuration was replaced.").to_owned(),
                false => counts(&revision["counts"]),
            };
            let cells =
                vec![time(&plain(&revision["created_at"])), plain(&revision["author"]).into_any(), what.into_any()];
            row(view! { <a href=to>{number}</a> }.into_any(), cells)
        };
        let head = [t!("Revision"), t!("Time"), t!("User"), t!("What")].map(column).into();
        let next = page["offset"].as_str().map(|offset| {
            let to = Page::Revisions.with(&changed(&query, &[("offset", offset)]));
            view! { <nav class="pager" aria-label=t!("List pages")><a class="button" href=to rel="next">{t!("Older")}</a></nav> }
        });
        let title = t!("Revisions");
        view! { {grid(title.to_owned(), title.to_owned(), head, list.iter().map(line).collect())} {next} }.into_any()
    };
    let about =
        t!("Every change of the configuration of this Workspace, latest first: who, when, what, and the way back.");
    view! { {heading(t!("Revisions").to_owned(), Vec::new(), about, ().into_any())} {loaded(state, show)} }.into_any()
}

pub fn revision(number: String) -> AnyView {
    let (gateway, place) = (gateway(), location());
    let path = format!("revisions/{}", encode(&number));
    let state = load(move || {
        let path = path.clone();
        async move { gateway.get(&path).await }
    });
    let own = number.clone();
    let back = move || {
        let to = place.value("to");
        match to.parse::<u64>() {
            Ok(to) if gateway.may(Action::Create, &format!("revisions/{to}/restore")) => preview(to),
            _ => ().into_any(),
        }
    };
    let ways = number.parse::<u64>().ok().map(|number| {
        let to = |state: u64| Page::Revision(number.to_string()).with(&[("to", &state.to_string())]);
        view! {
            {link_button("", to(number.saturating_sub(1)), t!("Back to before it"))}
            {link_button("", to(number), t!("Back to after it"))}
        }
    });
    let crumbs = vec![Crumb { text: t!("Revisions").to_owned(), page: Page::Revisions }];
    let show = |revision: Value| {
        let lines = vec![
            (t!("Time"), when(&plain(&revision["created_at"])).unwrap_or_default()),
            (t!("User"), plain(&revision["author"])),
            (t!("Request ID"), plain(&revision["request_id"])),
        ];
        let list = match revision["replaced"].is_object() {
            true => empty(t!("The whole configuration was replaced.").to_owned(), ().into_any()),
            false => changes(&revision["changes"]),
        };
        view! { <section class="card" aria-label=t!("Revision")>{facts_list(lines)}{list}</section> }.into_any()
    };
    view! {
        {heading(t!("Revision {number}", number = own), crumbs, "", ways.into_any())}
        {back}
        {loaded(state, show)}
    }
    .into_any()
}

/// What going back to the state after a revision would change, and the button that does it.
fn preview(to: u64) -> AnyView {
    let (gateway, place, toasts) = (gateway(), location(), toasts());
    let refused = RwSignal::new(None);
    let busy = RwSignal::new(false);
    let restore = move || {
        if busy.get_untracked() {
            return;
        }
        busy.set(true);
        refused.set(None);
        spawn_local(async move {
            let answer = gateway.send("POST", &format!("revisions/{to}/restore"), None).await;
            busy.try_set(false);
            match answer {
                Ok(answer) => {
                    toasts.say(t!("The configuration is as it was after revision {number}.", number = to));
                    place.go(&Page::Revision(plain(&answer["id"])).href());
                }
                Err(failure) => {
                    refused.try_set(Some(failure));
                }
            }
        });
    };
    view! {
        <section class="card" aria-labelledby="revision-back">
            <h2 id="revision-back">{t!("Going back to the state after revision {number} would change this", number = to)}</h2>
            {changes_of(format!("revisions/current/diff/{to}"))}
            {move || refused.get().map(|refused| failure(&refused))}
            <p class="pager">{button("main", t!("Go back to it"), None, restore)}</p>
        </section>
    }
    .into_any()
}
