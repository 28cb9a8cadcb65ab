//! What is left to do after a plugin asks who is calling.

use leptos::prelude::*;
use serde_json::Value;

use crate::entities::by_key;
use crate::page::Page;

/// Plugins that need a credential, its kind, and what to send it with.
const NEEDS: [(&str, &str, &str); 6] = [
    ("key-auth", "keyauth_credentials", "curl -H 'apikey: <key>' …"),
    ("basic-auth", "basicauth_credentials", "curl -u '<user name>:<password>' …"),
    ("jwt", "jwt_secrets", "curl -H 'Authorization: Bearer <token>' …"),
    ("hmac-auth", "hmacauth_credentials", "curl -H 'Authorization: hmac username=\"<user name>\", …' …"),
    ("oauth2", "oauth2_credentials", "curl -H 'Authorization: Bearer <access token>' …"),
    ("acl", "acls", ""),
];

/// A card, where the plugin is of that sort.
pub fn next_steps(plugin: &Value) -> AnyView {
    let needed = NEEDS.iter().find(|(name, ..)| plugin["name"] == *name);
    let (Some((_, kind, call)), Some(consumers)) = (needed, by_key("consumers")) else { return ().into_any() };
    let Some(kind) = by_key(kind) else { return ().into_any() };
    let call = (!call.is_empty()).then(|| view! { <li>{t!("Call with it:")}" "<code>{*call}</code></li> });
    let give = t!("On its page, give it a credential of the sort “{one}”", one = kind.one());
    view! {
        <section class="card" aria-labelledby="next-steps">
            <h2 id="next-steps">{t!("Next steps")}</h2>
            <ol>
                <li><a href=Page::Create(consumers).href()>{t!("Create a Consumer")}</a>" · "<a href=Page::List(consumers).href()>{t!("or choose one that is there")}</a></li>
                <li>{give}</li>
                {call}
            </ol>
        </section>
    }
    .into_any()
}
