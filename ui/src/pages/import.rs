//! A declarative file, or an OpenAPI document, on its way into a database: first what it would change, then the change.

use js_sys::{Function, Promise, Reflect};
use leptos::html;
use leptos::prelude::*;
use leptos::task::spawn_local;
use serde_json::{Value, json};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

use super::configuration::objections;
use crate::components::{Line, badge, button, changes, check, counts, link_button, objection, typed};
use crate::entities::by_key;
use crate::form::plain;
use crate::openapi::{Proposal, proposal};
use crate::page::{Page, encode};
use crate::permissions::Action;
use crate::state::{Gateway, location, toasts};

/// A text area, and a file that fills it. `id` and `label` are the area's.
fn source(
    id: &'static str,
    label: &'static str,
    node: NodeRef<html::Textarea>,
    changed: impl Fn() + Clone + 'static,
) -> AnyView {
    let typed = changed.clone();
    let choose = move |event: leptos::ev::Event| {
        let Some(reading) = event.target().and_then(|input| reading(&input)) else { return };
        let changed = changed.clone();
        spawn_local(async move {
            let text = JsFuture::from(reading).await.ok().and_then(|text| text.as_string());
            if let (Some(text), Some(area)) = (text, node.try_get_untracked().flatten()) {
                area.set_value(&text);
                changed();
            }
        });
    };
    let file = format!("{id}-file");
    view! {
        <div class="field wide">
            <label for=id>{label}</label>
            <textarea id=id node_ref=node class="code" rows="10" spellcheck="false" on:input=move |_| typed()></textarea>
        </div>
        <div class="field">
            <label for=file.clone()>{t!("Or from a file")}</label>
            <input id=file type="file" on:change=choose/>
        </div>
    }
    .into_any()
}

/// The text of the file that was chosen in an input, on its way.
fn reading(input: &JsValue) -> Option<Promise> {
    let file = Reflect::get_u32(&Reflect::get(input, &"files".into()).ok()?, 0).ok()?;
    let text: Function = Reflect::get(&file, &"text".into()).ok()?.dyn_into().ok()?;
    text.call0(&file).ok()?.dyn_into().ok()
}

/// The sections of the page for gateways with a database.
pub fn import(gateway: Gateway) -> AnyView {
    let plans = move || gateway.may(Action::Create, "config/plan").then(|| declarative(gateway));
    let makes = move || gateway.may(Action::Create, "services").then(|| openapi(gateway));
    view! { {plans} {makes} }.into_any()
}

fn declarative(gateway: Gateway) -> AnyView {
    let (place, toasts) = (location(), toasts());
    let node = NodeRef::<html::Textarea>::new();
    let planned = RwSignal::new(None::<(String, Value)>);
    let refused = RwSignal::new(Vec::<String>::new());
    let busy = RwSignal::new(false);
    let ask = move |end: &'static str, text: String| {
        if busy.get_untracked() {
            return;
        }
        busy.set(true);
        refused.set(Vec::new());
        spawn_local(async move {
            let path = format!("config/{end}?flatten_errors=1");
            let body = json!({ "config": text });
            let answer = match end {
                "apply" => gateway.send("POST", &path, Some(&body)).await,
                _ => gateway.send_quietly("POST", &path, Some(&body)).await,
            };
            busy.try_set(false);
            match answer {
                Ok(answer) if end == "apply" => {
                    planned.try_set(None);
                    toasts.say(t!("The file is applied, as revision {number}.", number = plain(&answer["id"])));
                    place.go(&Page::Revision(plain(&answer["id"])).href());
                }
                Ok(plan) => {
                    planned.try_set(Some((text, plan)));
                }
                Err(failure) => {
                    refused.try_set(objections(&failure));
                }
            }
        });
    };
    let plan = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        if let Some(area) = node.get_untracked() {
            ask("plan", area.value());
        }
    };
    let wrong = move || {
        let list = refused.get();
        (!list.is_empty()).then(|| {
            let list: Vec<AnyView> = list.into_iter().map(|text| view! { <li>{text}</li> }.into_any()).collect();
            view! { <div class="panel bad"><h2>{t!("Not taken: nothing was changed")}</h2><ul>{list}</ul></div> }
        })
    };
    let shown = move || {
        planned.get().map(|(text, plan)| {
            let nothing = plan["changes"].as_array().is_none_or(Vec::is_empty);
            let apply = (!nothing && gateway.may(Action::Create, "config/apply"))
                .then(|| button("main", t!("Apply the file"), None, move || ask("apply", text.clone())));
            let unchanged = plain(&plan["summary"]["unchanged"]);
            view! {
                <h3>{t!("What it would change")}</h3>
                <p class="about">{counts(&plan["counts"])} " " {t!("{count} stay as they are.", count = unchanged)}</p>
                {changes(&plan["changes"])}
                <p class="pager">{apply}</p>
            }
        })
    };
    let changed = move || {
        // What is shown is of another text.
        planned.set(None);
    };
    let title = move || t!("Import into the Workspace {workspace}", workspace = gateway.workspace());
    view! {
        <section class="card" aria-labelledby="configuration-import">
            <h2 id="configuration-import">{title}</h2>
            <p class="about">
                {t!("A declarative file says all there is to be: what it leaves out is removed. First you see what it would change; then it is applied, all of it or nothing, and can be undone among the revisions.")}
            </p>
            <form novalidate on:submit=plan aria-busy=move || busy.get().to_string()>
                {source("import", t!("Declarative file (YAML or JSON)"), node, changed)}
                <div role="alert">{wrong}</div>
                <button type="submit" disabled=move || busy.get()>{t!("Show what it would change")}</button>
            </form>
            <div aria-live="polite">{shown}</div>
        </section>
    }
    .into_any()
}

/// Words, and how it stands: none while it was not begun.
type Step = (String, Option<Result<(), String>>);

fn openapi(gateway: Gateway) -> AnyView {
    let node = NodeRef::<html::Textarea>::new();
    let read = RwSignal::new(None::<Proposal>);
    let wrong = RwSignal::new(None::<String>);
    let propose = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        let text = node.get_untracked().map(|area| area.value()).unwrap_or_default();
        let found = proposal(&text);
        wrong.set(found.is_none().then(|| {
            t!("No paths are found in it. It takes OpenAPI 2 and 3 as JSON, or as YAML in block style.").to_owned()
        }));
        read.set(found);
    };
    let shown = move || read.get().map(|found| chosen(gateway, found));
    view! {
        <section class="card" aria-labelledby="configuration-openapi">
            <h2 id="configuration-openapi">{t!("An OpenAPI document as a Service and its Routes")}</h2>
            <form novalidate on:submit=propose>
                {source("openapi", t!("OpenAPI document"), node, move || read.set(None))}
                {objection(wrong, "")}
                <button type="submit">{t!("Propose")}</button>
            </form>
            {shown}
        </section>
    }
    .into_any()
}

/// What is proposed, to choose of and to make.
fn chosen(gateway: Gateway, found: Proposal) -> AnyView {
    let (name, url) = (NodeRef::<html::Input>::new(), NodeRef::<html::Input>::new());
    let routes: Vec<(Value, RwSignal<bool>)> =
        found.routes.into_iter().map(|route| (route, RwSignal::new(true))).collect();
    let steps = RwSignal::new(Vec::<Step>::new());
    let wrong = RwSignal::new(None::<String>);
    let busy = RwSignal::new(false);
    let all = routes.clone();
    let make = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        let (name, url) = (typed(name), typed(url));
        if name.is_empty() || !url.contains("://") {
            return wrong.set(Some(t!("The Service needs a name, and the whole address of the API.").to_owned()));
        }
        if busy.get_untracked() {
            return;
        }
        wrong.set(None);
        busy.set(true);
        let wanted: Vec<Value> =
            all.iter().filter(|(_, chosen)| chosen.get_untracked()).map(|(route, _)| route.clone()).collect();
        let mut work = vec![(t!("Service {name}", name), "services".to_owned(), json!({ "name": name, "url": url }))];
        let below = format!("services/{}/routes", encode(&name));
        work.extend(
            wanted.into_iter().map(|route| (t!("Route {name}", name = plain(&route["name"])), below.clone(), route)),
        );
        steps.set(work.iter().map(|(text, ..)| (text.clone(), None)).collect());
        spawn_local(async move {
            for (at, (_, path, body)) in work.into_iter().enumerate() {
                let answer = gateway.send_quietly("POST", &path, Some(&body)).await;
                let done = answer.map(drop).map_err(|failure| objections(&failure).join("; "));
                let stop = at == 0 && done.is_err();
                let there = steps.try_update(|steps| {
                    if let Some(step) = steps.get_mut(at) {
                        step.1 = Some(done);
                    }
                });
                // Without the Service there is nothing to go on with; without the page nobody who looks.
                if stop || there.is_none() {
                    break;
                }
            }
            busy.try_set(false);
            gateway.wrote();
        });
    };
    let line = |(route, chosen): (Value, RwSignal<bool>)| {
        let text = format!("{} · {} · {}", plain(&route["name"]), plain(&route["methods"]), plain(&route["paths"]));
        view! { <li>{check(text, chosen.into(), move |on| chosen.set(on))}</li> }.into_any()
    };
    let lines: Vec<AnyView> = routes.into_iter().map(line).collect();
    let progress = move || {
        let step = |(text, state): Step| {
            let mark = match state {
                None => badge("off", "…"),
                Some(Ok(())) => badge("good", t!("Done")),
                Some(Err(why)) => view! { {badge("bad", t!("Failed"))} " " {why} }.into_any(),
            };
            view! { <li>{text} " " {mark}</li> }.into_any()
        };
        let steps: Vec<AnyView> = steps.get().into_iter().map(step).collect();
        view! { <ol class="steps">{steps}</ol> }
    };
    let finished = move || {
        let made = steps.with(|steps| steps.first().is_some_and(|(_, state)| matches!(state, Some(Ok(())))));
        (made && !busy.get()).then(|| {
            by_key("services").map(|kind| link_button("", Page::List(kind).href(), t!("Look at what was made")))
        })
    };
    let field = |id: &str, label, help, node, start: &Value| {
        Line { id: id.to_owned(), label, help, start: plain(start), ..Line::default() }.view(node)
    };
    view! {
        <form class="right" novalidate on:submit=make aria-busy=move || busy.get().to_string()>
            <h3>{t!("What is made")}</h3>
            {field("openapi-name", t!("Name of the Service"), "", name, &found.service["name"])}
            {field("openapi-url", t!("Address of the API"), t!("The address the gateway sends requests to."), url, &found.service["url"])}
            <fieldset class="field wide">
                <legend>{t!("Routes")}</legend>
                <ul class="given">{lines}</ul>
            </fieldset>
            {objection(wrong, "")}
            <div role="status">{progress}</div>
            <div class="actions">
                <button type="submit" class="main" disabled=move || busy.get()>{t!("Make them")}</button>
                {finished}
            </div>
        </form>
    }
    .into_any()
}
