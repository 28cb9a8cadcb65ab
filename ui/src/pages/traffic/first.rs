//! The first request of a Route, as soon as it comes.

use std::time::Duration;

use leptos::prelude::*;
use serde_json::Value;

use super::history;
use super::trace::waterfall;
use super::traces::status;
use crate::api::load;
use crate::components::{link_button, loaded};
use crate::page::{Page, encode};
use crate::state::gateway;

/// How often one looks.
const PACE: Duration = Duration::from_secs(2);

/// Waits for a request of a Route and shows where its time went.
pub fn first_trace(route: &str) -> AnyView {
    let gateway = gateway();
    let tick = RwSignal::new(0_u32);
    let path = format!("telemetry/traces?size=1&route={}", encode(route));
    let state = load(move || {
        tick.track();
        let path = path.clone();
        async move {
            let page = history(gateway, &path).await?;
            match page["data"][0]["id"].as_str() {
                Some(id) => history(gateway, &format!("telemetry/traces/{}", encode(id))).await.map(Some),
                // None came yet, or none will be told.
                None => Ok(page.is_null().then_some(Value::Null)),
            }
        }
    });
    let beat = set_interval_with_handle(
        move || {
            let known = state.try_with_untracked(|state| state.ready().is_some_and(Option::is_some));
            if known == Some(false) && !document().hidden() {
                tick.try_update(|tick| *tick += 1);
            }
        },
        PACE,
    );
    on_cleanup(move || {
        if let Ok(beat) = beat {
            beat.clear();
        }
    });
    let show = |found: Option<Value>| {
        match found {
        None => view! { <p class="waiting" role="status">{t!("Waiting for the first request: its trace appears here…")}</p> }.into_any(),
        Some(Value::Null) => {
            view! { <p class="about">{t!("With telemetry_history = on the trace of the request would appear here.")}</p> }
                .into_any()
        }
        Some(trace) => {
            let to = Page::Trace(trace["id"].as_str().unwrap_or_default().to_owned()).href();
            view! {
                <p role="status">{t!("The first request came:")} " " {status(&trace["status"])}</p>
                {waterfall(&trace)}
                <p class="pager">{link_button("", to, t!("All about this request"))}</p>
            }
            .into_any()
        }
    }
    };
    view! { <section class="card" aria-label=t!("First request")>{loaded(state, show)}</section> }.into_any()
}
