//! Navigation, top bar, and room for the page.

use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen::JsCast;
use web_sys::HtmlElement;

use super::banner::Banner;
use super::palette::Palette;
use super::switcher::Switcher;
use super::toaster::Toaster;
use crate::entities::{EntityKind, Group, KINDS};
use crate::page::{Log, Page};
use crate::permissions::Action;
use crate::state::{Gateway, LANGUAGES, Theme, ThemeState, gateway, language, location, speak, toasts};

#[component]
pub fn Shell(children: Children) -> impl IntoView {
    let open = RwSignal::new(false);
    let place = location();
    // Going somewhere closes the menu of narrow screens.
    Effect::new(move |_| {
        place.page.track();
        open.set(false);
    });
    let skip = move |event: leptos::ev::MouseEvent| {
        event.prevent_default();
        let main = document().get_element_by_id("main").and_then(|main| main.dyn_into::<HtmlElement>().ok());
        if let Some(main) = main {
            let _ = main.focus();
        }
    };
    let gateway = gateway();
    let operations = move || {
        let list = [
            (Page::Audit(Log::Requests), t!("Requests"), "audit/requests", gateway.has_database()),
            (Page::Audit(Log::Objects), t!("Changes"), "audit/objects", gateway.has_database()),
            (Page::Configuration, t!("Configuration"), "config", true),
            (Page::Tags, t!("Tags"), "tags", true),
            (Page::Revisions, t!("Revisions"), "revisions", gateway.has_database()),
        ];
        let seen = list.into_iter().filter(|(_, _, path, there)| *there && gateway.may(Action::Read, path));
        seen.map(|(page, text, ..)| {
            let own = page.clone();
            let here = move |page: &Page| *page == own || matches!((&own, page), (Page::Revisions, Page::Revision(_)));
            view! { <li>{link(page, text, here)}</li> }
        })
        .collect_view()
    };
    let traffic = move || {
        let list = [
            (Page::Traffic, t!("Live traffic"), "telemetry/series"),
            (Page::Topology, t!("Topology"), "telemetry/series"),
            (Page::Traces, t!("Traces"), "telemetry/traces"),
            (Page::Tester, t!("Route tester"), "debug/route-match"),
        ];
        let seen = list.into_iter().filter(|(.., path)| gateway.may(Action::Read, path));
        seen.map(|(page, text, _)| {
            let own = page.clone();
            let here = move |page: &Page| *page == own || matches!((&own, page), (Page::Traces, Page::Trace(_)));
            view! { <li>{link(page, text, here)}</li> }
        })
        .collect_view()
    };
    view! {
        <button type="button" class="skip" on:click=skip>{t!("Skip to the page")}</button>
        <div class="frame" class:open=move || open.get()>
            <header class="side">
                <div class="brand">
                    <a href="./">"Silverback"</a>
                    <button
                        type="button"
                        class="menu"
                        aria-expanded=move || open.get().to_string()
                        aria-controls="navigation"
                        on:click=move |_| open.update(|open| *open = !*open)
                    >
                        {t!("Menu")}
                    </button>
                </div>
                <Palette/>
                <nav id="navigation" aria-label=t!("Pages")>
                    <Switcher/>
                    <ul>
                        <li>{link(Page::Overview, t!("Overview"), |page| *page == Page::Overview)}</li>
                    </ul>
                    <div>
                        <p id="navigation-traffic">{t!("Traffic")}</p>
                        <ul aria-labelledby="navigation-traffic">{traffic}</ul>
                    </div>
                    {part(gateway, Group::Gateway, "navigation-gateway", t!("Gateway"))}
                    {part(gateway, Group::Security, "navigation-security", t!("Security"))}
                    {part(gateway, Group::Access, "navigation-access", t!("Access"))}
                    <div>
                        <p id="navigation-operations">{t!("Operations")}</p>
                        <ul aria-labelledby="navigation-operations">{operations}</ul>
                    </div>
                    <Person/>
                    <ThemeSwitch/>
                    {language_switch()}
                </nav>
            </header>
            <div class="page">
                <Banner/>
                <main id="main" tabindex="-1">{children()}</main>
            </div>
        </div>
        <Toaster/>
    }
}

/// Kinds of a group that one may look at.
fn part(gateway: Gateway, group: Group, id: &'static str, title: &'static str) -> AnyView {
    let there = move |kind: &EntityKind| {
        kind.group == group
            && (group != Group::Access || gateway.has_database())
            && gateway.may(Action::Read, kind.path)
    };
    // Drawn anew only when one may look at something else than before.
    let kinds = Memo::new(move |_| KINDS.into_iter().filter(|kind| there(kind)).collect::<Vec<_>>());
    (move || {
        let kinds = kinds.get();
        (!kinds.is_empty()).then(|| {
            view! {
                <div>
                    <p id=id>{title}</p>
                    <ul aria-labelledby=id>{kinds.into_iter().map(entry).collect_view()}</ul>
                </div>
            }
        })
    })
    .into_any()
}

/// Who is signed in, and the way out.
#[component]
fn Person() -> impl IntoView {
    let (session, place, toasts) = (gateway().session, location(), toasts());
    let leave = move |_| {
        if place.may_leave() {
            spawn_local(async move {
                if let Err(failure) = session.sign_out(false).await {
                    toasts.say(failure.sentence());
                }
            });
        }
    };
    move || {
        session.called().map(|name| {
            let profile = session.info.with(Option::is_some).then(|| {
                view! { <ul><li>{link(Page::Profile, t!("Profile"), |page| *page == Page::Profile)}</li></ul> }
            });
            view! {
                <div class="person">
                    <p>{name}</p>
                    {profile}
                    <button type="button" on:click=leave>{t!("Sign out")}</button>
                </div>
            }
        })
    }
}

fn entry(kind: &'static EntityKind) -> AnyView {
    let here = move |page: &Page| match page {
        Page::List(of) | Page::Create(of) | Page::Detail(of, _) | Page::Edit(of, _) => *of == kind,
        Page::Catalogue | Page::CreatePlugin(_) => kind.key == "plugins",
        _ => false,
    };
    view! { <li>{link(Page::List(kind), kind.many(), here)}</li> }.into_any()
}

fn link(to: Page, text: &'static str, here: impl Fn(&Page) -> bool + Send + Sync + 'static) -> AnyView {
    let place = location();
    let current = move || place.page.with(|page| here(page).then_some("page"));
    view! { <a href=to.href() aria-current=current>{text}</a> }.into_any()
}

#[component]
fn ThemeSwitch() -> impl IntoView {
    let theme: ThemeState = expect_context();
    let options = Theme::ALL.map(|one| {
        let text = match one {
            Theme::System => t!("As the system"),
            Theme::Light => t!("Light"),
            Theme::Dark => t!("Dark"),
        };
        view! { <option value=one.word() selected=move || theme.get() == one>{text}</option> }
    });
    view! {
        <div class="choice">
            <label for="theme">{t!("Colours")}</label>
            <select id="theme" on:change=move |event| theme.set(Theme::named(&event_target_value(&event)))>
                {options.into_iter().collect_view()}
            </select>
        </div>
    }
}

/// The choice of languages, each by its own name.
fn language_switch() -> AnyView {
    let place = location();
    let here = language();
    let options = LANGUAGES
        .map(|(tag, name)| view! { <option value=tag lang=tag selected=tag == here>{name}</option> }.into_any());
    let options: Vec<AnyView> = options.into();
    let choose = move |event: leptos::ev::Event| {
        if place.may_leave() {
            speak(&event_target_value(&event));
        }
    };
    view! {
        <div class="choice">
            <label for="language">{t!("Language")}</label>
            <select id="language" on:change=choose>{options}</select>
        </div>
    }
    .into_any()
}
