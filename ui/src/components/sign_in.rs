//! Saying who one is: before the first page, and again where a session ends while a page is open.

use leptos::html;
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::toaster::Toaster;
use super::{Line, button, typed};
use crate::api::{Failure, setting};
use crate::state::{NO_COOKIE, gateway, location};

/// Wrong attempts after which one is told that the gateway slows them down.
const PATIENT: u32 = 3;

/// What a refusal means. The gateway does not say more to strangers.
fn refusal(failure: &Failure, attempts: u32) -> String {
    if failure.status != 401 {
        return failure.sentence();
    }
    if failure.body["message"] == NO_COOKIE.get() {
        return NO_COOKIE.get().to_owned();
    }
    let mut text = t!("This is not known here.").to_owned();
    if attempts >= PATIENT {
        text.push(' ');
        text.push_str(t!("After several failures the gateway makes each attempt wait, and may lock the account for a while: ask another admin for help."));
    }
    text
}

/// Name and password, or a token. `fixed`: the open page belongs to whom the name names.
fn form(known: Option<String>, fixed: bool) -> AnyView {
    let gateway = gateway();
    let (name, secret) = (NodeRef::<html::Input>::new(), NodeRef::<html::Input>::new());
    // Without sign-in by password there are tokens only.
    let passwords = setting("ADMIN_GUI_AUTH").is_none_or(|auth| auth != "off");
    let by_token = RwSignal::new(!passwords);
    let busy = RwSignal::new(false);
    let attempts = RwSignal::new(0_u32);
    let refused = RwSignal::new(None::<String>);
    let go = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        let what = secret.get_untracked().map(|input| input.value()).unwrap_or_default();
        let who = typed(name);
        if busy.get_untracked() {
            return;
        }
        busy.set(true);
        refused.set(None);
        spawn_local(async move {
            let answer = if by_token.get_untracked() {
                gateway.session.show_token(gateway, what.trim()).await
            } else {
                gateway.session.sign_in(gateway, &who, &what).await
            };
            busy.try_set(false);
            if let Err(failure) = answer {
                attempts.try_update(|attempts| *attempts += 1);
                refused.try_set(Some(refusal(&failure, attempts.try_get_untracked().unwrap_or(0))));
                if let Some(input) = secret.try_get_untracked().flatten() {
                    input.select();
                    let _ = input.focus();
                }
            }
        });
    };
    let label = move || if by_token.get() { t!("RBAC token") } else { t!("Password") };
    let other = passwords.then(|| {
        let text = move || if by_token.get() { t!("Use a password") } else { t!("Use a token") };
        let swap = move |_| {
            refused.set(None);
            by_token.update(|by_token| *by_token = !*by_token);
        };
        view! { <button type="button" class="quiet" on:click=swap>{text}</button> }
    });
    let waiting = move || {
        let text =
            if attempts.get() >= PATIENT { t!("The gateway makes this attempt wait…") } else { t!("Signing in…") };
        busy.get().then_some(text)
    };
    let user = Line {
        id: "sign-in-name".to_owned(),
        label: t!("User name"),
        autocomplete: "username",
        fixed: fixed && known.is_some(),
        start: known.unwrap_or_default(),
        ..Line::default()
    };
    view! {
        <form class="sign-in" novalidate on:submit=go aria-busy=move || busy.get().to_string()>
            <div role="alert">{move || refused.get().map(|why| view! { <p class="panel bad">{why}</p> })}</div>
            <div hidden=move || by_token.get()>{user.view(name)}</div>
            <div class="field">
                <label for="sign-in-secret">{label}</label>
                <input id="sign-in-secret" type="password" node_ref=secret autocomplete="current-password"/>
            </div>
            <div class="actions">
                <button type="submit" class="main" disabled=move || busy.get()>{t!("Sign in")}</button>
                {other}
            </div>
            <p class="about" role="status">{waiting}</p>
        </form>
    }
    .into_any()
}

/// The only page for whoever is not known.
pub fn sign_in_page() -> AnyView {
    document().set_title(t!("Sign in · Silverback"));
    let title = NodeRef::<html::H1>::new();
    Effect::new(move |_| {
        if let Some(title) = title.get() {
            let _ = title.focus();
        }
    });
    // Not drawn anew while somebody tries.
    let name = untrack(|| gateway().session.name());
    let note = location().value("registered");
    let note = (!note.is_empty())
        .then(|| view! { <p class="panel good" role="status">{t!("Your password is set. Sign in with it.")}</p> });
    view! {
        <main class="door">
            <p class="brand">"Silverback"</p>
            <h1 tabindex="-1" node_ref=title>{t!("Sign in")}</h1>
            {note}
            {form(name, false)}
        </main>
        <Toaster/>
    }
    .into_any()
}

/// Over a page whose session ended: what was typed stays where it is.
#[component]
pub fn SignInAgain() -> impl IntoView {
    let session = gateway().session;
    let dialog = NodeRef::<html::Dialog>::new();
    Effect::new(move |_| {
        let Some(dialog) = dialog.get() else { return };
        match (session.over.get(), dialog.open()) {
            (true, false) => drop(dialog.show_modal()),
            (false, true) => dialog.close(),
            _ => {}
        }
    });
    let content = move || {
        session.over.get().then(|| {
            let leave = move || {
                spawn_local(async move {
                    let _ = session.sign_out(false).await;
                });
            };
            view! {
                <h2 id="sign-in-again">{t!("Your session is over")}</h2>
                <p>{t!("Sign in again to go on. What you typed is still there.")}</p>
                {form(untrack(|| session.name()), true)}
                {button("quiet", t!("Leave this page and sign in as somebody else"), None, leave)}
            }
        })
    };
    // Escape would leave a page that cannot do anything.
    let stay = |event: leptos::ev::Event| event.prevent_default();
    // Browsers close it all the same when it is pressed again.
    let back = move |_| {
        if let Some(dialog) = dialog.get_untracked().filter(|dialog| session.over.get_untracked() && !dialog.open()) {
            let _ = dialog.show_modal();
        }
    };
    view! {
        <dialog node_ref=dialog aria-labelledby="sign-in-again" on:cancel=stay on:close=back>
            {content}
        </dialog>
    }
}
