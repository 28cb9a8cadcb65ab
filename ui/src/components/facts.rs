//! An entity's members to read.

use leptos::prelude::*;

use super::{entity_link, time};
use crate::form::Row;

/// As a list of terms; secrets are covered until one asks.
pub fn facts(rows: Vec<Row>) -> AnyView {
    let secrets = rows.iter().any(|row| row.secret);
    let covered = RwSignal::new(true);
    let line = |row: Row| {
        let class = format!("depth-{}", row.depth.min(4));
        let Some(text) = row.text else {
            return view! { <div class=class><dt class="group">{row.label}</dt><dd></dd></div> }.into_any();
        };
        let value = match row.target {
            Some((kind, id)) => entity_link(&kind, &id),
            None if row.secret => {
                (move || if covered.get() { "••••••••".to_owned() } else { text.clone() }).into_any()
            }
            None if row.time => time(&text),
            None => text.into_any(),
        };
        view! { <div class=class><dt>{row.label}</dt><dd>{value}</dd></div> }.into_any()
    };
    let reveal = secrets.then(|| {
        view! {
            <button type="button" class="quiet" on:click=move |_| covered.update(|covered| *covered = !*covered)>
                {move || if covered.get() { t!("Show secrets") } else { t!("Hide secrets") }}
            </button>
        }
    });
    view! {
        {reveal}
        <dl class="facts">{rows.into_iter().map(line).collect_view()}</dl>
    }
    .into_any()
}

/// Names with their texts; those without a text are left out.
pub fn facts_list(list: Vec<(&'static str, String)>) -> AnyView {
    let line = |(name, text): (&'static str, String)| view! { <div><dt>{name}</dt><dd>{text}</dd></div> }.into_any();
    let lines: Vec<AnyView> = list.into_iter().filter(|(_, text)| !text.is_empty()).map(line).collect();
    view! { <dl class="facts">{lines}</dl> }.into_any()
}
