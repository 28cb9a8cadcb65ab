//! Navigation, top bar, and room for the page.

use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::HtmlElement;

use super::banner::Banner;
use super::toaster::Toaster;
use crate::entities::{EntityKind, Group, KINDS};
use crate::page::Page;
use crate::state::{Theme, ThemeState, location};

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
    let part = |group: Group| KINDS.into_iter().filter(move |kind| kind.group == group).map(entry).collect_view();
    view! {
        <button type="button" class="skip" on:click=skip>"Skip to the page"</button>
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
                        "Menu"
                    </button>
                </div>
                <nav id="navigation" aria-label="Pages">
                    <ul>
                        <li>{link(Page::Overview, "Overview", |page| *page == Page::Overview)}</li>
                    </ul>
                    <div>
                        <p id="navigation-gateway">"Gateway"</p>
                        <ul aria-labelledby="navigation-gateway">{part(Group::Gateway)}</ul>
                    </div>
                    <div>
                        <p id="navigation-security">"Security"</p>
                        <ul aria-labelledby="navigation-security">{part(Group::Security)}</ul>
                    </div>
                    <ThemeSwitch/>
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

fn entry(kind: &'static EntityKind) -> AnyView {
    let here = move |page: &Page| match page {
        Page::List(of) | Page::Create(of) | Page::Detail(of, _) | Page::Edit(of, _) => *of == kind,
        Page::Catalogue | Page::CreatePlugin(_) => kind.key == "plugins",
        Page::Overview | Page::NotFound => false,
    };
    view! { <li>{link(Page::List(kind), kind.many, here)}</li> }.into_any()
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
            Theme::System => "As the system",
            Theme::Light => "Light",
            Theme::Dark => "Dark",
        };
        view! { <option value=one.word() selected=move || theme.get() == one>{text}</option> }
    });
    view! {
        <div class="theme">
            <label for="theme">"Colours"</label>
            <select id="theme" on:change=move |event| theme.set(Theme::named(&event_target_value(&event)))>
                {options.into_iter().collect_view()}
            </select>
        </div>
    }
}
