//! Following an invitation: choosing the password.

use leptos::html;
use leptos::prelude::*;
use leptos::task::spawn_local;
use serde_json::json;

use crate::components::{Line, failure, link_button, objection};
use crate::form::{Errors, fields, place};
use crate::page::{Page, encode};
use crate::state::{front, gateway, location};

pub fn register() -> AnyView {
    document().set_title(t!("Welcome · Silverback"));
    let (gateway, here) = (gateway(), location());
    let value = move |name: &str| {
        here.query
            .with_untracked(|query| query.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone()))
            .unwrap_or_default()
    };
    let (name, email, token) = (value("username"), value("email"), value("token"));
    let (first, second) = (NodeRef::<html::Input>::new(), NodeRef::<html::Input>::new());
    let wrong = RwSignal::new(None::<String>);
    let failed = RwSignal::new(None);
    let busy = RwSignal::new(false);
    if token.is_empty() || name.is_empty() {
        return view! {
            <main class="door">
                <h1>{t!("Welcome")}</h1>
                <p class="panel bad">{t!("This link is not whole. Open the link of your invitation again, or ask for a new one.")}</p>
            </main>
        }
        .into_any();
    }
    let hello = t!("You were invited as {name}. Choose a password to sign in with.", name);
    let who = name.clone();
    let save = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        let text = |node: NodeRef<html::Input>| node.get_untracked().map(|input| input.value()).unwrap_or_default();
        let (password, again) = (text(first), text(second));
        failed.set(None);
        if password.is_empty() {
            return wrong.set(Some(t!("Choose a password.").to_owned()));
        }
        if password != again {
            return wrong.set(Some(t!("The two differ.").to_owned()));
        }
        wrong.set(None);
        busy.set(true);
        let body = json!({ "username": name, "email": email, "token": token, "password": password });
        let name = name.clone();
        spawn_local(async move {
            let answer = gateway.send("POST", "admins/register", Some(&body)).await;
            busy.try_set(false);
            match answer {
                Ok(_) => {
                    if gateway.session.sign_in(gateway, &name, &password).await.is_err() {
                        // Then by hand.
                        return here.go(&format!("{}?registered={}", front(""), encode("yes")));
                    }
                    here.go(&front(""));
                }
                Err(failure) if failure.status == 400 => {
                    let description = json!([{ "password": { "type": "string" } }]);
                    let found: Errors = place(&failure.body, &fields(&description));
                    let text: Vec<String> = found.all().into_iter().map(|(_, message)| message).collect();
                    wrong.try_set(Some(text.join(" ")));
                }
                Err(failure) if failure.status == 401 => {
                    let text = t!("This invitation is used up or over. Ask for a new link.");
                    wrong.try_set(Some(text.to_owned()));
                }
                Err(failure) => {
                    failed.try_set(Some(failure));
                }
            }
        });
    };
    let field = |id: &str, label, node| {
        let (kind, autocomplete) = ("password", "new-password");
        Line { id: id.to_owned(), label, kind, autocomplete, error: Some("register-error"), ..Line::default() }
            .view(node)
    };
    view! {
        <main class="door">
            <p class="brand">"Silverback"</p>
            <h1>{t!("Welcome")}</h1>
            <p>{hello}</p>
            <form novalidate on:submit=save aria-busy=move || busy.get().to_string()>
                {move || failed.get().map(|failed| failure(&failed))}
                <input type="hidden" autocomplete="username" value=who/>
                {field("register-first", t!("Password"), first)}
                {field("register-second", t!("The same again"), second)}
                {objection(wrong, "register-error")}
                <div class="actions">
                    <button type="submit" class="main" disabled=move || busy.get()>{t!("Set the password and sign in")}</button>
                    {link_button("quiet", Page::Overview.href(), t!("To the sign-in"))}
                </div>
            </form>
        </main>
    }
    .into_any()
}
