//! The health of an Upstream's Targets, as this node sees it.

use leptos::prelude::*;
use leptos::task::spawn_local;
use serde_json::Value;

use super::{badge, button, column, empty, grid, loaded, row};
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
            return empty(t!("Without Targets the Upstream's name is looked up in DNS.").to_owned(), ().into_any());
        }
        let rows = rows.iter().map(|target| line(&id, target)).collect();
        let head = [t!("Target"), t!("Health"), t!("Addresses"), t!("Tell the balancer")].map(column).into();
        grid(t!("Health of the Targets").to_owned(), t!("Health of the Targets").to_owned(), head, rows)
    };
    view! {
        <section aria-labelledby="upstream-health">
            <div class="heading">
                <h2 id="upstream-health">{t!("Health")}</h2>
                <button type="button" on:click=move |_| again.update(|times| *times += 1)>{t!("Refresh")}</button>
            </div>
            {loaded(state, show)}
        </section>
    }
    .into_any()
}

/// Sort of the badge and words for what the Admin API says.
fn words(health: &str) -> (&'static str, String) {
    match health {
        "HEALTHY" => ("good", t!("Healthy").to_owned()),
        "UNHEALTHY" => ("bad", t!("Unhealthy").to_owned()),
        "DNS_ERROR" => ("bad", t!("Name not found").to_owned()),
        "HEALTHCHECKS_OFF" => ("off", t!("Not checked").to_owned()),
        other => ("off", other.to_owned()),
    }
}

fn line(upstream: &str, target: &Value) -> AnyView {
    let name = plain(&target["target"]);
    let health = target["health"].as_str().unwrap_or_default().to_owned();
    let (sort, text) = words(&health);
    let addresses = target["data"]["addresses"].as_array().cloned().unwrap_or_default();
    let addresses = addresses.iter().map(|address| {
        let place = format!("{}:{}", plain(&address["ip"]), plain(&address["port"]));
        let (_, text) = words(address["health"].as_str().unwrap_or_default());
        view! { <span class="value">{format!("{place} {text}")}</span> }.into_any()
    });
    let link = by_key("targets").map(|kind| Page::Detail(kind, kind.address_of(target)).href());
    let path = format!("upstreams/{}/targets/{}", encode(upstream), encode(target["id"].as_str().unwrap_or_default()));
    let checked = matches!(health.as_str(), "HEALTHY" | "UNHEALTHY");
    let tell = (checked && gateway().may(Action::Update, &path)).then(|| {
        let (word, text) =
            if health == "HEALTHY" { ("unhealthy", t!("Mark unhealthy")) } else { ("healthy", t!("Mark healthy")) };
        button("", text, Some(format!("{text}: {name}")), mark(format!("{path}/{word}")))
    });
    let about = view! { <a href=link>{name}</a> }.into_any();
    let addresses: Vec<AnyView> = addresses.collect();
    row(about, vec![badge(sort, text), addresses.into_any(), tell.into_any()])
}

/// Tells the balancer.
fn mark(path: String) -> impl Fn() {
    let (gateway, toasts) = (gateway(), toasts());
    move || {
        let path = path.clone();
        spawn_local(async move {
            match gateway.send("PUT", &path, None).await {
                Ok(_) => toasts.say(t!("The balancer was told.")),
                Err(failure) => toasts.say(failure.sentence()),
            }
        });
    }
}
