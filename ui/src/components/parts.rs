//! Small parts that many pages have. Each takes finished views, so that it is compiled once.

use leptos::html;
use leptos::prelude::*;

/// A table that scrolls to the side where it is too wide. Its head is a row of cells, each row a whole `<tr>`.
pub fn grid(region: String, caption: String, head: Vec<AnyView>, rows: Vec<AnyView>) -> AnyView {
    view! {
        <div class="scroll" tabindex="0" role="region" aria-label=region>
            <table>
                <caption class="unseen">{caption}</caption>
                <thead><tr>{head}</tr></thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
    .into_any()
}

/// The head of a column.
pub fn column(title: impl Into<String>) -> AnyView {
    let title: String = title.into();
    view! { <th scope="col">{title}</th> }.into_any()
}

/// A row: what it is about, and the other cells.
pub fn row(about: AnyView, cells: Vec<AnyView>) -> AnyView {
    let cells: Vec<AnyView> = cells.into_iter().map(cell_of).collect();
    view! { <tr><th scope="row">{about}</th>{cells}</tr> }.into_any()
}

fn cell_of(content: AnyView) -> AnyView {
    view! { <td>{content}</td> }.into_any()
}

/// A word on a coloured ground; `sort` is `good`, `bad`, `off`, or nothing.
pub fn badge(sort: &str, text: impl Into<String>) -> AnyView {
    let (class, text): (String, String) = (format!("badge {sort}"), text.into());
    view! { <span class=class>{text}</span> }.into_any()
}

/// What is wrong, said as soon as it is known.
pub fn objection(wrong: RwSignal<Option<String>>, id: &'static str) -> AnyView {
    view! { <div role="alert"><p class="error" id=id>{move || wrong.get()}</p></div> }.into_any()
}

/// A button; `label` says more to screen readers than `text` does.
pub fn button(
    class: &'static str,
    text: impl Into<String>,
    label: Option<String>,
    press: impl Fn() + 'static,
) -> AnyView {
    pressed(class, text.into(), label, Box::new(press))
}

fn pressed(class: &'static str, text: String, label: Option<String>, press: Box<dyn Fn()>) -> AnyView {
    view! { <button type="button" class=class aria-label=label on:click=move |_| press()>{text}</button> }.into_any()
}

/// A link that looks like a button.
pub fn link_button(class: &'static str, to: String, text: impl Into<String>) -> AnyView {
    let (class, text): (String, String) = (format!("button {class}"), text.into());
    view! { <a class=class href=to>{text}</a> }.into_any()
}

/// A box to tick, with its words beside it.
pub fn check(text: impl Into<String>, on: Signal<bool>, change: impl Fn(bool) + 'static) -> AnyView {
    let text: String = text.into();
    view! { <label class="check">{tick(None, on, Box::new(change))} {text}</label> }.into_any()
}

/// A box to tick in a table.
pub fn choose(label: String, on: Signal<bool>, change: impl Fn(bool) + 'static) -> AnyView {
    tick(Some(label), on, Box::new(change))
}

fn tick(label: Option<String>, on: Signal<bool>, change: Box<dyn Fn(bool)>) -> AnyView {
    view! {
        <input
            type="checkbox"
            aria-label=label
            prop:checked=move || on.get()
            on:change=move |event| change(event_target_checked(&event))
        />
    }
    .into_any()
}

/// A line to type in.
#[derive(Default)]
pub struct Line {
    pub id: String,
    pub label: &'static str,
    /// `text`, `password`, `search`.
    pub kind: &'static str,
    pub autocomplete: &'static str,
    pub start: String,
    pub help: &'static str,
    /// Id of a list of proposals.
    pub list: Option<String>,
    /// Id of the objection to it.
    pub error: Option<&'static str>,
    pub fixed: bool,
}

/// What was typed, without spaces around it.
pub fn typed(node: NodeRef<html::Input>) -> String {
    node.get_untracked().map(|input| input.value().trim().to_owned()).unwrap_or_default()
}

impl Line {
    /// The control with its label.
    pub fn view(self, node: NodeRef<html::Input>) -> AnyView {
        let help = format!("{}-help", self.id);
        let described = self.error.map_or_else(|| help.clone(), |error| format!("{help} {error}"));
        let kind = if self.kind.is_empty() { "text" } else { self.kind };
        let autocomplete = if self.autocomplete.is_empty() { "off" } else { self.autocomplete };
        view! {
            <div class="field">
                <label for=self.id.clone()>{self.label}</label>
                <input
                    id=self.id
                    type=kind
                    node_ref=node
                    list=self.list
                    autocomplete=autocomplete
                    autocapitalize="none"
                    spellcheck="false"
                    readonly=self.fixed
                    aria-describedby=described
                    prop:value=self.start
                />
                <p class="help" id=help>{self.help}</p>
            </div>
        }
        .into_any()
    }
}
