//! The health of an Upstream's Targets, as this node sees it.

use leptos::prelude::*;
use leptos::task::spawn_local;
use serde_json::Value;

use super::{empty, loaded};
use crate::api::load;
use crate::entities::by_key;
use crate::form::plain;
use crate::page::{Page, encode};
use crate::permissions::Action;
use crate::state::{gateway, toasts};

/// A section: what the balancer thinks of each Target, and a way to tell it better.
pub fn health(upstream: &str) -> AnyView {
    let gateway = gateway();
    let again = RwSignal::new(0_u32);
    let id = upstream.to_owned();
    let state = load(move || {
        gateway.track_writes();
        again.track();
        let path = format!("upstreams/{}/health?size=1000", encode(&id));
        async move { gateway.get(&path).await }
    });
    let id = upstream.to_owned();
    let show = move |page: Value| {
        let rows = page["data"].as_array().cloned().unwrap_or_default();
        if rows.is_empty() {
            return empty("Without Targets the Upstream's name is looked up in DNS.".to_owned(), ().into_any());
        }
        let rows = rows.iter().map(|target| row(&id, target)).collect_view();
        view! {
            <div class="scroll" tabindex="0" role="region" aria-label="Health of the Targets">
                <table>
                    <caption class="unseen">"Health of the Targets"</caption>
                    <thead>
                        <tr>
                            <th scope="col">"Target"</th>
                            <th scope="col">"Health"</th>
                            <th scope="col">"Addresses"</th>
                            <th scope="col">"Tell the balancer"</th>
                        </tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        }
        .into_any()
    };
    view! {
        <section aria-labelledby="upstream-health">
            <div class="heading">
                <h2 id="upstream-health">"Health"</h2>
                <button type="button" on:click=move |_| again.update(|times| *times += 1)>"Refresh"</button>
            </div>
            {loaded(state, show)}
        </section>
    }
    .into_any()
}

/// Class of the badge and words for what the Admin API says.
fn words(health: &str) -> (&'static str, String) {
    match health {
        "HEALTHY" => ("badge good", "Healthy".to_owned()),
        "UNHEALTHY" => ("badge bad", "Unhealthy".to_owned()),
        "DNS_ERROR" => ("badge bad", "Name not found".to_owned()),
        "HEALTHCHECKS_OFF" => ("badge off", "Not checked".to_owned()),
        other => ("badge off", other.to_owned()),
    }
}

fn row(upstream: &str, target: &Value) -> AnyView {
    let name = plain(&target["target"]);
    let health = target["health"].as_str().unwrap_or_default().to_owned();
    let (class, text) = words(&health);
    let addresses = target["data"]["addresses"].as_array().cloned().unwrap_or_default();
    let addresses = addresses.iter().map(|address| {
        let place = format!("{}:{}", plain(&address["ip"]), plain(&address["port"]));
        let (_, text) = words(address["health"].as_str().unwrap_or_default());
        view! { <span class="value">{format!("{place} {text}")}</span> }
    });
    let link = by_key("targets").map(|kind| Page::Detail(kind, kind.address_of(target)).href());
    let path = format!("upstreams/{}/targets/{}", encode(upstream), encode(target["id"].as_str().unwrap_or_default()));
    let checked = matches!(health.as_str(), "HEALTHY" | "UNHEALTHY");
    let tell = (checked && gateway().may(Action::Update, &path)).then(|| {
        let (word, text) = if health == "HEALTHY" { ("unhealthy", "Mark unhealthy") } else { ("healthy", "Mark healthy") };
        view! { <button type="button" aria-label=format!("{text}: {name}") on:click=mark(format!("{path}/{word}"))>{text}</button> }
    });
    view! {
        <tr>
            <th scope="row"><a href=link>{name}</a></th>
            <td><span class=class>{text}</span></td>
            <td>{addresses.collect_view()}</td>
            <td>{tell}</td>
        </tr>
    }
    .into_any()
}

/// Tells the balancer.
fn mark(path: String) -> impl Fn(leptos::ev::MouseEvent) {
    let (gateway, toasts) = (gateway(), toasts());
    move |_| {
        let path = path.clone();
        spawn_local(async move {
            match gateway.send("PUT", &path, None).await {
                Ok(_) => toasts.say("The balancer was told."),
                Err(failure) => toasts.say(failure.sentence()),
            }
        });
    }
}
