//! The application: what every page shares, and the page itself.

use leptos::prelude::*;
use wasm_bindgen::UnwrapThrowExt;

use crate::api::Load;
use crate::components::{Shell, SignInAgain, sign_in_page};
use crate::page::Page;
use crate::pages;
use crate::state::{Gateway, Location, Standing, ThemeState, Toasts, load_texts};

/// Puts the manager into the document.
pub fn start() {
    wasm_bindgen_futures::spawn_local(async {
        match load_texts().await {
            Ok(()) => leptos::mount::mount_to_body(App),
            // There is no word in any language then but this.
            Err(_) => document().body().unwrap_throw().set_text_content(Some("Not loaded. Reload the page.")),
        }
    });
}

#[component]
fn App() -> impl IntoView {
    ThemeState::provide();
    Toasts::provide();
    let place = Location::provide();
    let gateway = Gateway::provide(place);
    let nowhere = Memo::new(move |_| {
        let unknown = |node: &Load<_>| matches!(node, Load::Failed(failure) if failure.status == 404);
        !place.workspace.with(String::is_empty) && gateway.node.with(unknown)
    });
    let page = move || {
        // A page shows the entities of one Workspace.
        place.workspace.track();
        if nowhere.get() {
            return pages::not_found();
        }
        match place.page.get() {
            Page::Overview => pages::overview(),
            Page::List(kind) if kind.key == "workspaces" => pages::workspaces(kind),
            Page::List(kind) => pages::list(kind),
            Page::Create(kind) => pages::create(kind),
            Page::Detail(kind, id) => pages::detail(kind, id),
            Page::Edit(kind, id) => pages::edit(kind, id),
            Page::Catalogue => pages::catalogue(),
            Page::CreatePlugin(name) => pages::create_plugin(name),
            Page::Profile => pages::profile(),
            Page::Audit(log) => pages::audit(log),
            Page::Configuration => pages::configuration(),
            Page::Wizard => pages::wizard(),
            Page::Tags => pages::tags(),
            Page::Revisions => pages::revisions(),
            Page::Revision(number) => pages::revision(number),
            Page::Traffic => pages::live(),
            Page::Topology => pages::topology(),
            Page::Traces => pages::traces(),
            Page::Trace(id) => pages::trace(id),
            Page::Tester => pages::tester(),
            Page::Register | Page::NotFound => pages::not_found(),
        }
    };
    let registers = Memo::new(move |_| place.page.with(|page| *page == Page::Register));
    move || match gateway.session.standing.get() {
        _ if registers.get() => pages::register(),
        Standing::Asking => view! { <main class="door"><p role="status">{t!("Loading…")}</p></main> }.into_any(),
        Standing::Wanted => sign_in_page(),
        Standing::In => view! { <Shell>{page}</Shell> <SignInAgain/> }.into_any(),
    }
}
