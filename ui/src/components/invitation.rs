//! Where an admin stands, and the link of an invitation.

use leptos::prelude::*;
use leptos::task::spawn_local;
use serde_json::Value;

use super::{badge, button, copy, objection};
use crate::page::encode;
use crate::permissions::Action;
use crate::state::gateway;
use crate::texts::Text;

/// What the numbers of `status` mean; sort of the badge beside it.
const STANDINGS: [(Text, &str); 6] = [
    (text!("Approved"), "good"),
    (text!("Pending"), "off"),
    (text!("Rejected"), "bad"),
    (text!("Revoked"), "bad"),
    (text!("Invited"), "off"),
    (text!("Unverified"), "off"),
];

/// The number of invited admins.
const INVITED: i64 = 4;

/// A badge for the status of an admin.
pub fn standing(status: &Value) -> AnyView {
    let known = status.as_u64().and_then(|status| STANDINGS.get(usize::try_from(status).ok()?));
    let (text, sort) = known.copied().unwrap_or((text!("Unknown"), "off"));
    badge(sort, text.get())
}

/// A section: the status, and, while the invitation is open, a link to hand over.
pub fn invitation(admin: &Value) -> AnyView {
    let gateway = gateway();
    let invited = admin["status"].as_i64() == Some(INVITED);
    let path = format!("admins/{}?generate_register_url=true", encode(admin["id"].as_str().unwrap_or_default()));
    let link = RwSignal::new(None::<String>);
    let wrong = RwSignal::new(None::<String>);
    let make = move || {
        wrong.set(None);
        let path = path.clone();
        spawn_local(async move {
            match gateway.get(&path).await {
                Ok(answer) => {
                    link.try_set(answer["register_url"].as_str().map(str::to_owned));
                }
                Err(failure) => {
                    wrong.try_set(Some(failure.sentence()));
                }
            }
        });
    };
    let made = move || {
        link.get().map(|link| {
            let text = link.clone();
            view! {
                <div class="panel good" role="status">
                    <p>{t!("Hand this link over: whoever opens it chooses the password. A new link ends the one before.")}</p>
                    <p><code>{link}</code> {copy(t!("link"), move || text.clone())}</p>
                </div>
            }
        })
    };
    let open = (invited && gateway.may(Action::Read, "admins")).then(|| {
        view! {
            <p class="about">{t!("No mail is sent: make a link and hand it over.")}</p>
            {made}
            {objection(wrong, "")}
            {button("", t!("Make a link"), None, make)}
        }
    });
    view! {
        <section class="card" aria-labelledby="invitation">
            <h2 id="invitation">{t!("Invitation")}</h2>
            <p>{standing(&admin["status"])}</p>
            {open}
        </section>
    }
    .into_any()
}
