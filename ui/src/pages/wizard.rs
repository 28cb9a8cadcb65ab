//! From nothing to an API that asks for a key and limits its callers.

use leptos::html;
use leptos::prelude::*;
use leptos::task::spawn_local;
use serde_json::{Value, json};

use crate::api::Failure;
use crate::components::{Line, badge, check, copy, heading, link_button, objection, typed};
use crate::entities::by_key;
use crate::form::plain;
use crate::page::{Page, encode};
use crate::pages::first_trace;
use crate::permissions::Action;
use crate::state::{Gateway, gateway, location};

/// What was typed.
#[derive(Clone, Default)]
struct Wish {
    name: String,
    url: String,
    path: String,
    /// Name of the Consumer with a key; empty: no key is asked for.
    caller: String,
    /// Requests a minute; none: no limit.
    limit: Option<u64>,
}

/// Words for a step, and how it stands: none while under way.
type Step = (String, Option<bool>);

/// What was made.
#[derive(Clone, Default)]
struct Made {
    service: String,
    route: String,
    key: String,
}

pub fn wizard() -> AnyView {
    let (gateway, place) = (gateway(), location());
    let [name, url, path, caller, limit] = [(); 5].map(|()| NodeRef::<html::Input>::new());
    let asks = RwSignal::new(true);
    let limits = RwSignal::new(true);
    let steps = RwSignal::new(Vec::<Step>::new());
    let made = RwSignal::new(Made::default());
    let result = RwSignal::new(None::<Wish>);
    let wrong = RwSignal::new(None::<String>);
    let busy = RwSignal::new(false);
    on_cleanup(move || place.unsaved.set(false));
    let go = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        let wish = Wish {
            name: typed(name),
            url: typed(url),
            path: typed(path),
            caller: if asks.get_untracked() { typed(caller) } else { String::new() },
            limit: if limits.get_untracked() { typed(limit).parse().ok() } else { None },
        };
        let missing = if wish.name.is_empty() {
            Some(t!("Give the API a name."))
        } else if !wish.url.contains("://") {
            Some(t!("Say where the API is, such as http://127.0.0.1:9000."))
        } else if !wish.path.starts_with('/') {
            Some(t!("The path begins with a slash."))
        } else if asks.get_untracked() && wish.caller.is_empty() {
            Some(t!("Name somebody who may call it."))
        } else if limits.get_untracked() && wish.limit.is_none_or(|limit| limit == 0) {
            Some(t!("The limit is a number of requests."))
        } else {
            None
        };
        wrong.set(missing.map(str::to_owned));
        if missing.is_some() || busy.get_untracked() {
            return;
        }
        busy.set(true);
        steps.set(Vec::new());
        spawn_local(async move {
            match build(gateway, &wish, steps, made).await {
                Ok(()) => {
                    place.unsaved.set(false);
                    result.try_set(Some(wish));
                }
                Err(failure) => {
                    steps.try_update(|steps| {
                        if let Some(last) = steps.last_mut() {
                            last.1 = Some(false);
                        }
                    });
                    wrong.try_set(Some(why(&failure)));
                }
            }
            busy.try_set(false);
            gateway.wrote();
        });
    };
    let field = |id: &str, label, help, node, start: &str| {
        Line { id: id.to_owned(), label, help, start: start.to_owned(), ..Line::default() }.view(node)
    };
    let switch = |signal: RwSignal<bool>, text: &'static str| check(text, signal.into(), move |on| signal.set(on));
    let progress = move || {
        let step = |(text, state): Step| {
            let (sort, word) = match state {
                None => ("off", "…"),
                Some(true) => ("good", t!("Done")),
                Some(false) => ("bad", t!("Failed")),
            };
            view! { <li>{text}" "{badge(sort, word)}</li> }.into_any()
        };
        steps.get().into_iter().map(step).collect::<Vec<AnyView>>()
    };
    let form = view! {
        <form
            class="card"
            novalidate
            on:submit=go
            on:input=move |_| place.unsaved.set(true)
            aria-busy=move || busy.get().to_string()>
            {field("first-name", t!("Name"), t!("What you call the API."), name, "my-api")}
            {field("first-url", t!("Where it is"), t!("The address the gateway sends requests to."), url, "")}
            {field("first-path", t!("Path"), t!("Under which people reach it at the gateway."), path, "/my-api")}
            <p>{switch(asks, t!("Ask for an API key"))}</p>
            <div hidden=move || !asks.get()>
                {field("first-caller", t!("Who may call it"), t!("A Consumer of this name gets a key."), caller, "first-caller")}
            </div>
            <p>{switch(limits, t!("Limit how often it is called"))}</p>
            <div hidden=move || !limits.get()>
                {field("first-limit", t!("Requests a minute"), t!("Counted for each caller."), limit, "60")}
            </div>
            <div role="status"><ol class="steps">{progress}</ol></div>
            {objection(wrong, "")}
            <button type="submit" class="main" disabled=move || busy.get()>{t!("Set it up")}</button>
        </form>
    }
    .into_any();
    let form = StoredValue::new_local(Some(form));
    let content = move || match result.get() {
        Some(wish) => finished(gateway, &wish, &made.get_untracked()),
        None => form.try_update_value(Option::take).flatten().unwrap_or_else(|| ().into_any()),
    };
    let about = t!("From nothing to an API that asks for a key and limits its callers, in one go.");
    let refused = !gateway.may(Action::Create, "services");
    let content = if refused {
        view! { <p class="panel bad">{t!("Here nothing can be made: the gateway takes no changes from you.")}</p> }
            .into_any()
    } else {
        content.into_any()
    };
    view! { {heading(t!("Set up an API").to_owned(), Vec::new(), about, ().into_any())} {content} }.into_any()
}

fn why(failure: &Failure) -> String {
    let fields = failure.body["fields"].as_object();
    let said: Vec<String> =
        fields.into_iter().flatten().map(|(name, text)| format!("{name}: {}", plain(text))).collect();
    if said.is_empty() { failure.sentence() } else { said.join("; ") }
}

/// Makes what is not there yet: whoever tries again after a failure begins where it failed. Entities of the same names
/// that were there before are refused, not changed.
async fn build(gateway: Gateway, wish: &Wish, steps: RwSignal<Vec<Step>>, made: RwSignal<Made>) -> Result<(), Failure> {
    let begin = |text: String| {
        steps.try_update(|steps| {
            if let Some(last) = steps.last_mut() {
                last.1 = Some(true);
            }
            steps.push((text, None));
        });
    };
    let known = made.try_get_untracked().unwrap_or_default();
    begin(format!("Service {}", wish.name));
    let service = if known.service.is_empty() {
        let body = json!({ "name": wish.name, "url": wish.url });
        let service = gateway.send_quietly("POST", "services", Some(&body)).await?;
        let id = plain(&service["id"]);
        made.try_update(|made| made.service.clone_from(&id));
        id
    } else {
        let body = json!({ "name": wish.name, "url": wish.url });
        gateway.send_quietly("PATCH", &format!("services/{}", encode(&known.service)), Some(&body)).await?;
        known.service.clone()
    };
    let below = format!("services/{}", encode(&service));
    begin(format!("Route {}", wish.path));
    let body = json!({ "name": wish.name, "paths": [wish.path] });
    if known.route.is_empty() {
        let route = gateway.send_quietly("POST", &format!("{below}/routes"), Some(&body)).await?;
        made.try_update(|made| made.route = plain(&route["id"]));
    } else {
        gateway.send_quietly("PATCH", &format!("routes/{}", encode(&known.route)), Some(&body)).await?;
    }
    if let Some(limit) = wish.limit {
        begin("Plugin rate-limiting".to_owned());
        let body = json!({ "name": "rate-limiting", "config": { "minute": limit, "policy": "local" } });
        plugin(gateway, &below, body).await?;
    }
    if !wish.caller.is_empty() {
        begin("Plugin key-auth".to_owned());
        plugin(gateway, &below, json!({ "name": "key-auth" })).await?;
        begin(t!("Consumer {name} and a key", name = wish.caller));
        let body = json!({ "username": wish.caller });
        let consumer = format!("consumers/{}", encode(&wish.caller));
        match gateway.send_quietly("POST", "consumers", Some(&body)).await {
            Err(failure) if failure.status != 409 => return Err(failure),
            // Whoever is there already gets another key.
            _ => {}
        }
        let key = gateway.send_quietly("POST", &format!("{consumer}/key-auth"), Some(&json!({}))).await?;
        made.try_update(|made| made.key = plain(&key["key"]));
    }
    steps.try_update(|steps| {
        if let Some(last) = steps.last_mut() {
            last.1 = Some(true);
        }
    });
    Ok(())
}

/// A plugin of the Service, or the one that is there already.
async fn plugin(gateway: Gateway, below: &str, body: Value) -> Result<(), Failure> {
    match gateway.send_quietly("POST", &format!("{below}/plugins"), Some(&body)).await {
        Err(failure) if failure.status != 409 => Err(failure),
        _ => Ok(()),
    }
}

/// What was made, how to try it, and where to go on.
fn finished(gateway: Gateway, wish: &Wish, made: &Made) -> AnyView {
    let host = web_sys::window().and_then(|window| window.location().hostname().ok()).unwrap_or_default();
    let port = gateway.node.with_untracked(|node| {
        let listeners = node.ready().map(|node| node["configuration"]["proxy_listeners"].clone()).unwrap_or_default();
        let plain = listeners.as_array().into_iter().flatten().find(|one| one["ssl"] == false);
        plain.and_then(|one| one["port"].as_u64()).unwrap_or(8000)
    });
    let key = if made.key.is_empty() { String::new() } else { format!(" -H 'apikey: {}'", made.key) };
    let quoted = format!("http://{host}:{port}{}", wish.path).replace('\'', r"'\''");
    let command = format!("curl -i{key} '{quoted}'");
    let text = command.clone();
    // Keys are taken from the query, too.
    let joint = if wish.path.contains('?') { '&' } else { '?' };
    let key = if made.key.is_empty() { String::new() } else { format!("{joint}apikey={}", encode(&made.key)) };
    let address = format!("http://{host}:{port}{}{key}", wish.path);
    let service = by_key("services").map(|kind| Page::Detail(kind, made.service.clone()).href()).unwrap_or_default();
    let limit = wish.limit.map(|limit| {
        view! { <li>{t!("More than {limit} requests a minute of one caller are answered with 429.", limit)}</li> }
    });
    let without = (!made.key.is_empty()).then(|| view! { <li>{t!("Without the key the answer is 401.")}</li> });
    view! {
        <section class="card" aria-labelledby="first-done">
            <h2 id="first-done">{t!("It is there. Try it")}</h2>
            <pre tabindex="0" aria-label=t!("Command")><code>{command}</code></pre>
            {copy(t!("command"), move || text.clone())}
            <ul>{without}{limit}</ul>
            <div class="actions">
                <a class="button main" href=address target="_blank" rel="noreferrer">{t!("Send a request in a new tab")}</a>
                {link_button("", service, t!("Look at what was made"))}
                {link_button("", Page::Configuration.href(), t!("See it as a file"))}
            </div>
        </section>
        {first_trace(&made.route)}
    }
    .into_any()
}
