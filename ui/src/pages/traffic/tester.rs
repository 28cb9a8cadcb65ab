//! Which Route takes a request, asked of the router itself; and cases that are asked again before a change.

use leptos::html;
use leptos::prelude::*;
use leptos::task::spawn_local;
use serde_json::{Map, Value, json};

use super::explanation::explanation;
use crate::api::{Answer, Failure, load};
use crate::components::{Line, badge, button, empty, failure, heading, objection, typed};
use crate::form::plain;
use crate::page::Page;
use crate::state::{Gateway, gateway, location, toasts};

/// Where the cases are kept: in this browser.
const STORED: &str = "silverback-route-cases";
/// What stands in the address.
const FIELDS: [&str; 6] = ["method", "url", "headers", "sni", "source_ip", "consumer"];

/// What was asked, and the answer; none where nothing was asked yet.
type Asked = Option<(Value, Value)>;

pub fn tester() -> AnyView {
    let (gateway, place) = (gateway(), location());
    let cases = RwSignal::new(kept());
    Effect::new(move |_| keep(&cases.get()));
    let state = load(move || {
        gateway.track_writes();
        let query = place.query.get();
        async move {
            let Some(request) = asked(&query) else { return Ok(None) };
            let answer = ask(gateway, &request).await?;
            Ok::<Asked, Failure>(Some((request, answer)))
        }
    });
    let about =
        t!("Asks the router itself which Route takes a request, why, and what happens to it then. Nothing is sent.");
    view! {
        {heading(t!("Route tester").to_owned(), Vec::new(), about, ().into_any())}
        {move || form(&place.query.get())}
        {answer(state, cases)}
        {saved(gateway, cases)}
    }
    .into_any()
}

async fn ask(gateway: Gateway, request: &Value) -> Answer {
    let answer = gateway.send_quietly("POST", "debug/route-match", Some(request)).await;
    answer.map_err(|failure| match failure.status {
        404 => Failure { status: 400, body: json!({ "message": t!("This gateway does not tell how it routes.") }) },
        _ => failure,
    })
}

/// The request that the address speaks of; none where it names no URL.
fn asked(query: &[(String, String)]) -> Option<Value> {
    let value = |name: &str| query.iter().find(|(n, _)| n == name).map_or("", |(_, v)| v.as_str());
    let url = value("url");
    if url.is_empty() {
        return None;
    }
    let mut request = Map::new();
    for name in FIELDS.iter().filter(|name| !value(name).is_empty() && **name != "headers") {
        request.insert((*name).to_owned(), value(name).into());
    }
    // A path alone is asked for as it is.
    if url.starts_with('/') {
        request.shift_remove("url");
        request.insert("path".to_owned(), url.into());
    }
    let headers = headers(value("headers"));
    if !headers.is_empty() {
        request.insert("headers".to_owned(), Value::Object(headers));
    }
    Some(Value::Object(request))
}

/// Lines such as `name: value`; several of one name are a list.
fn headers(text: &str) -> Map<String, Value> {
    let mut headers = Map::new();
    for (name, value) in text.lines().filter_map(|line| line.split_once(':')) {
        let (name, value) = (name.trim().to_owned(), Value::from(value.trim()));
        match headers.get_mut(&name) {
            Some(Value::Array(list)) => list.push(value),
            Some(first) => *first = json!([first.take(), value]),
            None => drop(headers.insert(name, value)),
        }
    }
    headers
}

fn form(query: &[(String, String)]) -> AnyView {
    let place = location();
    let value = |name: &str| query.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone()).unwrap_or_default();
    let [method, url, sni, ip, consumer] = [(); 5].map(|()| NodeRef::<html::Input>::new());
    let area = NodeRef::<html::Textarea>::new();
    let wrong = RwSignal::new(None::<String>);
    let go = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        let text = typed(url);
        if !(text.contains("://") || text.starts_with('/')) {
            return wrong.set(Some(t!("Give a whole URL, or a path that begins with a slash.").to_owned()));
        }
        wrong.set(None);
        let sent = area.get_untracked().map(|area| area.value()).unwrap_or_default();
        let (method, sni, ip, consumer) = (typed(method).to_uppercase(), typed(sni), typed(ip), typed(consumer));
        let values = [method.as_str(), &text, sent.trim(), &sni, &ip, &consumer];
        let pairs: Vec<(&str, &str)> = FIELDS.into_iter().zip(values).collect();
        place.go(&Page::Tester.with(&pairs));
    };
    let line = |name: &str, label, help, node: NodeRef<html::Input>, start: String| {
        Line { id: format!("tester-{name}"), label, help, start, ..Line::default() }.view(node)
    };
    let start = Some(value("method")).filter(|method| !method.is_empty()).unwrap_or_else(|| "GET".to_owned());
    view! {
        <form class="card" novalidate on:submit=go>
            <div class="give">
                {line("method", t!("Method"), "", method, start)}
                {line("url", t!("URL or path"), "https://example.com/orders?a=1", url, value("url"))}
            </div>
            <div class="field">
                <label for="tester-headers">{t!("Headers")}</label>
                <textarea id="tester-headers" node_ref=area class="code" rows="3" spellcheck="false" prop:value=value("headers")></textarea>
                <p class="help">{t!("One in a line: name: value")}</p>
            </div>
            <details class="group">
                <summary>{t!("More about the client")}</summary>
                {line("source_ip", t!("Address of the client"), "", ip, value("source_ip"))}
                {line("sni", t!("SNI"), t!("The host, where nothing is given."), sni, value("sni"))}
                {line("consumer", t!("Consumer"), t!("As if this one were known: name, own ID or ID."), consumer, value("consumer"))}
            </details>
            {objection(wrong, "")}
            <button type="submit" class="main">{t!("Ask the router")}</button>
        </form>
    }
    .into_any()
}

fn answer(state: RwSignal<crate::api::Load<Asked>>, cases: RwSignal<Vec<Value>>) -> AnyView {
    let toasts = toasts();
    crate::components::loaded(state, move |asked: Asked| {
        let Some((request, answer)) = asked else { return ().into_any() };
        let explained = explanation(&answer);
        let save = move || {
            cases.update(|cases| {
                let case =
                    json!({ "request": request, "route": answer["matched"]["route"]["id"], "name": name(&answer) });
                cases.retain(|known| known["request"] != case["request"]);
                cases.push(case);
            });
            toasts.say(t!("Kept. All cases are asked again with one press."));
        };
        let save = button("", t!("Keep as a case"), None, save);
        view! {
            <section aria-label=t!("Answer of the router") aria-live="polite">
                {explained}
                <p class="pager">{save}</p>
            </section>
        }
        .into_any()
    })
}

/// The Route an answer names.
fn name(answer: &Value) -> String {
    let route = &answer["matched"]["route"];
    let name = route["name"].as_str().or_else(|| route["id"].as_str());
    name.map_or_else(|| t!("no Route").to_owned(), str::to_owned)
}

fn kept() -> Vec<Value> {
    let storage = web_sys::window().and_then(|window| window.local_storage().ok().flatten());
    let text = storage.and_then(|storage| storage.get_item(STORED).ok().flatten()).unwrap_or_default();
    serde_json::from_str::<Value>(&text).ok().and_then(|list| list.as_array().cloned()).unwrap_or_default()
}

fn keep(cases: &[Value]) {
    let storage = web_sys::window().and_then(|window| window.local_storage().ok().flatten());
    if let Some(storage) = storage {
        // A full storage keeps what it has.
        let _ = storage.set_item(STORED, &Value::from(cases.to_vec()).to_string());
    }
}

/// How a case went: whether the Route is still the same, and which it is now.
type Outcome = Result<(bool, String), Failure>;

fn saved(gateway: Gateway, cases: RwSignal<Vec<Value>>) -> AnyView {
    let outcomes = RwSignal::new(Vec::<Option<Outcome>>::new());
    let run = move || {
        let all = cases.get_untracked();
        outcomes.set(vec![None; all.len()]);
        spawn_local(async move {
            for (at, case) in all.into_iter().enumerate() {
                let answer = ask(gateway, &case["request"]).await;
                let outcome = answer.map(|answer| (answer["matched"]["route"]["id"] == case["route"], name(&answer)));
                let there = outcomes.try_update(|outcomes| {
                    if let Some(place) = outcomes.get_mut(at) {
                        *place = Some(outcome);
                    }
                });
                // The page was left.
                if there.is_none() {
                    break;
                }
            }
        });
    };
    let line = move |(at, case): (usize, Value)| {
        let request = &case["request"];
        let asked = [&request["url"], &request["path"]].into_iter().map(plain).find(|text| !text.is_empty());
        let asked = format!("{} {}", plain(&request["method"]), asked.unwrap_or_default());
        let expected = plain(&case["name"]);
        let outcome = move || match outcomes.with(|outcomes| outcomes.get(at).cloned().flatten()) {
            None => ().into_any(),
            Some(Ok((true, _))) => badge("good", t!("Still the same")),
            Some(Ok((false, now))) => badge("bad", t!("Now {name}", name = now)),
            Some(Err(why)) => failure(&why),
        };
        let remove = move || {
            outcomes.set(Vec::new());
            cases.update(|cases| drop(cases.remove(at)));
        };
        let label = t!("Remove {name}", name = asked);
        view! {
            <li>
                <span><code>{asked}</code> " → " {expected}</span>
                <span class="badges">{outcome} {button("", t!("Remove"), Some(label), remove)}</span>
            </li>
        }
        .into_any()
    };
    let list = move || {
        let list: Vec<AnyView> = cases.get().into_iter().enumerate().map(line).collect();
        match list.is_empty() {
            true => empty(
                t!("Keep what you asked as a case: before a change you see whether it still goes where it did.")
                    .to_owned(),
                ().into_any(),
            ),
            false => view! { <ul class="given">{list}</ul> }.into_any(),
        }
    };
    let result = move || {
        let (done, same, all) = outcomes.with(|outcomes| {
            let same = outcomes.iter().flatten().filter(|outcome| matches!(outcome, Ok((true, _)))).count();
            (outcomes.iter().flatten().count(), same, outcomes.len())
        });
        (all > 0 && done == all).then(|| t!("{same} of {all} still match", same, all))
    };
    view! {
        <section class="card" aria-labelledby="tester-cases">
            <h2 id="tester-cases">{t!("Cases")}</h2>
            {list}
            <p role="status">{result}</p>
            <p class="pager">{move || (!cases.with(Vec::is_empty)).then(|| button("", t!("Ask all again"), None, run))}</p>
        </section>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_holds_the_request() {
        let query = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        assert_eq!(asked(&query(&[("method", "GET")])), None);
        for (pairs, expected) in [
            (vec![("method", "GET"), ("url", "/a?b")], json!({"method": "GET", "path": "/a?b"})),
            (
                vec![("url", "https://a/"), ("headers", "x: 1\nY:2\nx: 3\nnothing"), ("sni", "s"), ("other", "o")],
                json!({"url": "https://a/", "sni": "s", "headers": {"x": ["1", "3"], "Y": "2"}}),
            ),
        ] {
            assert_eq!(asked(&query(&pairs)), Some(expected));
        }
    }
}
