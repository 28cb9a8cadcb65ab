//! Where in the manager one is, and how one goes elsewhere without loading it anew.

use leptos::ev;
use leptos::prelude::*;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Element, HtmlAnchorElement, MouseEvent, Url};

use crate::page::{Page, Place, encode, read_query};

thread_local! {
    // Where the manager is served. The document's base is the Workspace one is in, so that every reference stays there.
    static ROOT: String = {
        let document = web_sys::window().and_then(|window| window.document());
        document.and_then(|document| document.base_uri().ok().flatten()).unwrap_or_else(|| "/".to_owned())
    };
}

/// The address of the manager's front page, with a slash at the end.
pub fn root() -> String {
    ROOT.with(Clone::clone)
}

/// The address of a Workspace's front page; empty: the default one.
pub fn front(workspace: &str) -> String {
    if workspace.is_empty() { root() } else { format!("{}{}/", root(), encode(workspace)) }
}

/// The address below the base path.
#[derive(Clone, Copy)]
pub struct Location {
    /// The Workspace one is in; empty: the default one.
    pub workspace: Memo<String>,
    pub page: Memo<Page>,
    /// Pairs of the query.
    pub query: Memo<Vec<(String, String)>>,
    /// Leaving now loses what was typed.
    pub unsaved: RwSignal<bool>,
    /// One has gone somewhere since the manager was loaded.
    pub moved: RwSignal<bool>,
    address: RwSignal<(String, String)>,
}

/// The one of this page.
pub fn location() -> Location {
    expect_context()
}

impl Location {
    /// For the whole application: listens to links and to the browser's own buttons.
    pub fn provide() -> Self {
        let address = RwSignal::new(here());
        let place = Memo::new(move |_| address.with(|(path, _)| Place::parse(path)));
        orient(&place.get_untracked().workspace);
        let location = Self {
            workspace: Memo::new(move |_| place.with(|place| place.workspace.clone())),
            page: Memo::new(move |_| place.with(|place| place.page.clone())),
            query: Memo::new(move |_| address.with(|(_, query)| read_query(query))),
            unsaved: RwSignal::new(false),
            moved: RwSignal::new(false),
            address,
        };
        provide_context(location);
        window_event_listener(ev::popstate, move |_| {
            location.moved.set(true);
            location.arrive();
        });
        window_event_listener(ev::click, move |event| location.follow(&event));
        window_event_listener(ev::beforeunload, move |event| {
            if location.unsaved.get_untracked() {
                event.prevent_default();
            }
        });
        location
    }

    /// One value of the query; empty when it is not there.
    pub fn value(self, name: &str) -> String {
        self.query.with(|query| query.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone()).unwrap_or_default())
    }

    /// Goes to a path below the base, with its query.
    pub fn go(self, target: &str) {
        let Some(window) = web_sys::window() else { return };
        let base = front(&self.workspace.get_untracked());
        let Ok(url) = Url::new_with_base(target, &base) else { return };
        let pushed =
            window.history().and_then(|history| history.push_state_with_url(&JsValue::NULL, "", Some(&url.href())));
        if pushed.is_err() {
            return;
        }
        self.moved.set(true);
        let page = self.page.get_untracked();
        self.arrive();
        if page != self.page.get_untracked() {
            window.scroll_to_with_x_and_y(0.0, 0.0);
        }
    }

    /// Takes the address the browser has now. References are those of the new place before anything is drawn.
    fn arrive(self) {
        let address = here();
        orient(&Place::parse(&address.0).workspace);
        self.address.set(address);
    }

    fn follow(self, event: &MouseEvent) {
        let modified = event.ctrl_key() || event.meta_key() || event.shift_key() || event.alt_key();
        if event.default_prevented() || event.button() != 0 || modified {
            return;
        }
        let target = event.target().and_then(|target| target.dyn_into::<Element>().ok());
        let link = target.and_then(|element| element.closest("a[href]").ok().flatten());
        let Some(link) = link.and_then(|link| link.dyn_into::<HtmlAnchorElement>().ok()) else { return };
        if !link.target().is_empty() || link.has_attribute("download") || !link.href().starts_with(&root()) {
            return;
        }
        event.prevent_default();
        if self.may_leave() {
            self.go(&link.href());
        }
    }

    /// Whether nothing that was typed would be lost, or it may be.
    pub fn may_leave(self) -> bool {
        let stay =
            || web_sys::window().and_then(|w| w.confirm_with_message(t!("Leave without saving?")).ok()) == Some(false);
        let leaves = !self.unsaved.get_untracked() || !stay();
        if leaves {
            // Asked once.
            self.unsaved.set(false);
        }
        leaves
    }
}

/// Makes references those of a Workspace.
fn orient(workspace: &str) {
    if let Ok(Some(base)) = document().query_selector("base") {
        // The policy allows this origin, and no other is set.
        let _ = base.set_attribute("href", &front(workspace));
    }
}

/// Path below the base, and query.
fn here() -> (String, String) {
    let base = Url::new(&root()).map(|url| url.pathname()).unwrap_or_else(|_| "/".to_owned());
    let Some(location) = web_sys::window().map(|window| window.location()) else { return Default::default() };
    let path = location.pathname().unwrap_or_default();
    let path = path.strip_prefix(&base).map_or_else(String::new, str::to_owned);
    (path, location.search().unwrap_or_default())
}
