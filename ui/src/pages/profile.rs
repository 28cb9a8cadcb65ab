//! Who is signed in: its own password, token and sessions.

use leptos::html;
use leptos::prelude::*;
use leptos::task::spawn_local;
use serde_json::{Value, json};

use crate::api::request;
use crate::components::{Line, button, copy, empty, facts_list, heading, objection};
use crate::form::{plain, when};
use crate::state::{gateway, location, toasts};

pub fn profile() -> AnyView {
    let gateway = gateway();
    let info = gateway.session.info;
    let about = t!("What the gateway knows of you, and what you may change yourself.");
    let content = move || match info.get() {
        Some(info) => view! { {facts(&info)} {password()} {token(&info)} {sessions()} }.into_any(),
        None => empty(t!("Nobody is signed in here: this gateway does not ask who one is.").to_owned(), ().into_any()),
    };
    view! { {heading(t!("Profile").to_owned(), Vec::new(), about, ().into_any())} {content} }.into_any()
}

fn facts(info: &Value) -> AnyView {
    let names = |list: &Value| {
        let names: Vec<String> = list.as_array().into_iter().flatten().map(|one| plain(&one["name"])).collect();
        if names.is_empty() { t!("none").to_owned() } else { names.join(", ") }
    };
    let mut lines = vec![
        (t!("User name"), plain(&info["admin"]["username"])),
        (t!("E-mail"), plain(&info["admin"]["email"])),
        (t!("Workspaces"), names(&info["workspaces"])),
        (t!("Groups"), names(&info["groups"])),
    ];
    if let Some(ends) = info["session"]["expires"].as_i64().and_then(|ends| when(&ends.to_string())) {
        lines.push((t!("Session until"), ends));
    }
    view! {
        <section class="card" aria-labelledby="profile-facts">
            <h2 id="profile-facts">{t!("You")}</h2>
            {facts_list(lines)}
        </section>
    }
    .into_any()
}

/// What was said about a field, or why it failed altogether.
fn said(body: &Value, otherwise: String) -> String {
    let fields = body["fields"].as_object();
    let said: Vec<String> = fields.into_iter().flatten().map(|(_, text)| plain(text)).collect();
    if said.is_empty() { otherwise } else { said.join("; ") }
}

fn password() -> AnyView {
    let (gateway, toasts) = (gateway(), toasts());
    let (old, new, again) =
        (NodeRef::<html::Input>::new(), NodeRef::<html::Input>::new(), NodeRef::<html::Input>::new());
    let wrong = RwSignal::new(None::<String>);
    let busy = RwSignal::new(false);
    let save = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        let text = |node: NodeRef<html::Input>| node.get_untracked().map(|input| input.value()).unwrap_or_default();
        let (before, after) = (text(old), text(new));
        if before.is_empty() || after.is_empty() {
            return wrong.set(Some(t!("Both the old and the new password are needed.").to_owned()));
        }
        if after != text(again) {
            return wrong.set(Some(t!("The two new ones differ.").to_owned()));
        }
        wrong.set(None);
        busy.set(true);
        spawn_local(async move {
            let body = json!({ "old_password": before, "password": after });
            // A wrong old password is answered like a session that is over, so this answer is read here.
            let answer = request("PATCH", "admins/self/password", Some(&body), &gateway.session.headers()).await;
            let mut done = None;
            match answer {
                Ok(_) => {
                    // Every session began with the old one.
                    if let Some(name) = gateway.session.name() {
                        let _ = gateway.session.sign_in(gateway, &name, &after).await;
                    }
                    for node in [old, new, again] {
                        if let Some(input) = node.try_get_untracked().flatten() {
                            input.set_value("");
                        }
                    }
                    toasts.say(t!("Password changed. Other sessions of yours are over."));
                }
                Err(failure) if failure.status == 401 => {
                    done = Some(t!("The old password is wrong, or was given wrongly too often.").to_owned());
                    // Where it was the session after all, the page asks.
                    let _ = gateway.get("userinfo").await;
                }
                Err(failure) => done = Some(said(&failure.body, failure.sentence())),
            }
            busy.try_set(false);
            wrong.try_set(done);
        });
    };
    let field = |id: &str, label, node, autocomplete| {
        Line {
            id: id.to_owned(),
            label,
            kind: "password",
            autocomplete,
            error: Some("password-error"),
            ..Line::default()
        }
        .view(node)
    };
    view! {
        <section class="card" aria-labelledby="profile-password">
            <h2 id="profile-password">{t!("Password")}</h2>
            <form novalidate on:submit=save aria-busy=move || busy.get().to_string()>
                {field("password-old", t!("Old password"), old, "current-password")}
                {field("password-new", t!("New password"), new, "new-password")}
                {field("password-again", t!("New password again"), again, "new-password")}
                {objection(wrong, "password-error")}
                <button type="submit" disabled=move || busy.get()>{t!("Change the password")}</button>
            </form>
        </section>
    }
    .into_any()
}

fn token(info: &Value) -> AnyView {
    if info["admin"]["rbac_token_enabled"] == false {
        return ().into_any();
    }
    let gateway = gateway();
    let made = RwSignal::new(None::<String>);
    let wrong = RwSignal::new(None::<String>);
    let renew = move || {
        wrong.set(None);
        spawn_local(async move {
            match gateway.send("PATCH", "admins/self/token", Some(&json!({}))).await {
                Ok(answer) => {
                    made.try_set(answer["token"].as_str().map(str::to_owned));
                }
                Err(failure) => {
                    wrong.try_set(Some(failure.sentence()));
                }
            }
        });
    };
    let shown = move || {
        made.get().map(|token| {
            let text = token.clone();
            view! {
                <div class="panel good" role="status">
                    <p>{t!("Your new token. It is shown once: keep it now.")}</p>
                    <p><code>{token}</code> {copy(t!("token"), move || text.clone())}</p>
                </div>
            }
        })
    };
    view! {
        <section class="card" aria-labelledby="profile-token">
            <h2 id="profile-token">{t!("RBAC token")}</h2>
            <p class="about">{t!("For programs that use the Admin API in your name. A new one ends the one before.")}</p>
            {shown}
            {objection(wrong, "")}
            {button("", t!("Make a new token"), None, renew)}
        </section>
    }
    .into_any()
}

fn sessions() -> AnyView {
    let (session, place, toasts) = (gateway().session, location(), toasts());
    let leave = move || {
        if place.may_leave() {
            spawn_local(async move {
                if let Err(failure) = session.sign_out(true).await {
                    toasts.say(failure.sentence());
                }
            });
        }
    };
    view! {
        <section class="card" aria-labelledby="profile-sessions">
            <h2 id="profile-sessions">{t!("Sessions")}</h2>
            <p class="about">{t!("Ends your sessions in every browser, this one too.")}</p>
            {button("", t!("Sign out everywhere"), None, leave)}
        </section>
    }
    .into_any()
}
