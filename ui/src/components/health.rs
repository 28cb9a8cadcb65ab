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

/// A section: what the balancer thinks of each Target, and a way to tell it better. `limits`: the Upstream's circuit breaker,
/// or null.
pub fn health(upstream: &str, limits: &Value) -> AnyView {
    let gateway = gateway();
    let again = RwSignal::new(0_u32);
    let id = upstream.to_owned();
    let state = load(move || {
        gateway.track_writes();
        again.track();
        let path = format!("upstreams/{}/health?size=1000", encode(&id));
        async move { gateway.get(&path).await }
    });
    let (id, limits) = (upstream.to_owned(), limits.clone());
    let show = move |page: Value| {
        let rows = page["data"].as_array().cloned().unwrap_or_default();
        if rows.is_empty() {
            return empty(t!("Without Targets the Upstream's name is looked up in DNS.").to_owned(), ().into_any());
        }
        let rows = rows.iter().map(|target| line(&id, target, &limits)).collect();
        let circuits = limits.is_object().then(|| t!("Circuit breaker"));
        let head =
            [Some(t!("Target")), Some(t!("Health")), Some(t!("Addresses")), circuits, Some(t!("Tell the balancer"))];
        let head = head.into_iter().flatten().map(column).collect();
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

/// The circuits of a Target's addresses, with what is under way beside its limit.
fn circuits(addresses: &[Value], limits: &Value) -> AnyView {
    let one = |address: &Value| {
        let told = &address["circuit_breaker"];
        let (sort, state) = match told["state"].as_str() {
            Some("closed") => ("good", t!("Closed")),
            Some("open") => ("bad", t!("Open")),
            Some("half_open") => ("off", t!("Half open")),
            _ => return ().into_any(),
        };
        // Without a limit there is nothing to be beside.
        let beside = |count: &Value, limit: &Value| match limit.as_u64() {
            Some(0) | None => plain(count),
            Some(limit) => format!("{count} / {limit}"),
        };
        let mut words = vec![
            t!("Requests: {count}", count = beside(&told["requests"], &limits["max_requests"])),
            t!("Pending: {count}", count = beside(&told["pending"], &limits["max_pending"])),
        ];
        words.extend(told["retry_after"].as_u64().map(|seconds| t!("tried again in {seconds} s", seconds)));
        let place = (addresses.len() > 1).then(|| format!("{}:{} ", plain(&address["ip"]), plain(&address["port"])));
        view! { <p class="value">{place}{badge(sort, state)} " " {words.join(" · ")}</p> }.into_any()
    };
    addresses.iter().map(one).collect::<Vec<AnyView>>().into_any()
}

fn line(upstream: &str, target: &Value, limits: &Value) -> AnyView {
    let name = plain(&target["target"]);
    let health = target["health"].as_str().unwrap_or_default().to_owned();
    let (sort, text) = words(&health);
    let addresses = target["data"]["addresses"].as_array().cloned().unwrap_or_default();
    let circuit = limits.is_object().then(|| circuits(&addresses, limits));
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
    let mut cells = vec![badge(sort, text), addresses.into_any()];
    cells.extend(circuit);
    cells.push(tell.into_any());
    row(about, cells)
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
