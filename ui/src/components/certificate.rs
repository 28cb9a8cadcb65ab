//! What a certificate says of itself, and whether its time is over.

use leptos::prelude::*;
use serde_json::Value;

use super::time::{relative, time, until};
use super::{badge, facts};
use crate::entities::EntityKind;
use crate::form::{label, rows};

/// Seconds before its end from which on one is warned.
const SOON: f64 = 30.0 * 86_400.0;

/// The members by which the Admin API tells it when it is asked to, and what each is about.
const MEMBERS: [(&str, &str); 2] = [("metadata", "cert"), ("metadata_alt", "cert_alt")];

/// Takes what is told of certificates out of an entity, so that this is as the Admin API takes it: a card for each.
pub fn certificates(kind: &EntityKind, entity: &mut Value) -> Option<AnyView> {
    let members = entity.as_object_mut().filter(|_| kind.has_certificate())?;
    let cards: Vec<AnyView> = MEMBERS
        .into_iter()
        .filter_map(|(name, of)| {
            let told = members.shift_remove(name)?;
            let title = if of == "cert" { kind.one().to_owned() } else { label(of) };
            Some(card(of, title, &told))
        })
        .collect();
    Some(cards.into_any())
}

fn card(of: &'static str, title: String, told: &Value) -> AnyView {
    let id = format!("certificate-{of}");
    let content = match told.is_object() {
        true => {
            let standing = standing(told).map(|(sort, text)| view! { <p>{badge(sort, text)}</p> });
            view! { {standing} {facts(rows(told, &[]))} }.into_any()
        }
        false => {
            view! { <p class="about">{t!("It cannot be read here, as where it stands in a vault.")}</p> }.into_any()
        }
    };
    view! {
        <section class="card" aria-labelledby=id.clone()>
            <h2 id=id.clone()>{title}</h2>
            {content}
        </section>
    }
    .into_any()
}

/// A badge's sort and words; none where there is nothing to say.
fn standing(told: &Value) -> Option<(&'static str, String)> {
    let (begin, end) = (told["not_before"].as_f64()?, told["expiry"].as_f64()?);
    if until(end) < 0.0 {
        Some(("bad", t!("Expired {when}", when = relative(end))))
    } else if until(begin) > 0.0 {
        Some(("bad", t!("Valid {when}", when = relative(begin))))
    } else if until(end) < SOON {
        Some(("off", t!("Expires {when}", when = relative(end))))
    } else {
        Some(("good", t!("Valid").to_owned()))
    }
}

/// The end of its validity in a list, with a warning where it is near.
pub fn expiry(seconds: &Value) -> AnyView {
    let Some(end) = seconds.as_f64() else { return ().into_any() };
    let warning = match until(end) {
        left if left < 0.0 => badge("bad", t!("Expired")),
        left if left < SOON => badge("off", t!("Expires soon")),
        _ => ().into_any(),
    };
    view! { {time(&seconds.to_string())} " " {warning} }.into_any()
}
