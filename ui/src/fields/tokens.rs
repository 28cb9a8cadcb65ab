//! A list of short things.

use std::sync::Arc;

use leptos::ev::KeyboardEvent;
use leptos::html;
use leptos::prelude::*;
use serde_json::Value;

use super::{Form, frame};
use crate::form::{Field, Path, Token, plain};

pub fn tokens(form: Form, token: Token, field: Arc<Field>, path: Path) -> AnyView {
    let node = NodeRef::<html::Input>::new();
    let (known, here) = (field.clone(), path.clone());
    let values = Memo::new(move |_| match form.effective(&here, &known) {
        Some(Value::Array(elements)) => elements,
        _ => Vec::new(),
    });

    let (known, here) = (field.clone(), path.clone());
    let take = move || {
        let Some(input) = node.get_untracked() else { return };
        let text = input.value();
        let lines: Vec<&str> = text.split('\n').map(str::trim).filter(|line| !line.is_empty()).collect();
        if !lines.is_empty() {
            form.change(&here, |draft| {
                for line in lines {
                    draft.push_token(&here, &known, token, line);
                }
            });
        }
        input.set_value("");
    };
    let on_key = take.clone();
    let key = move |event: KeyboardEvent| {
        let typed = node.get_untracked().is_some_and(|input| !input.value().trim().is_empty());
        if event.key() == "Enter" && typed {
            event.prevent_default();
            on_key();
        }
    };
    form.on_take(take.clone());

    let name = field.label();
    let (known, here) = (field.clone(), path.clone());
    let chips = move || {
        let chip = |(index, value): (usize, Value)| {
            let (known, here) = (known.clone(), here.clone());
            let text = plain(&value);
            let remove = move |_| {
                form.change(&here, |draft| draft.remove(&here, &known, index));
                if let Some(input) = node.get_untracked() {
                    let _ = input.focus();
                }
            };
            let title = t!("Remove {name}", name = text);
            view! {
                <li class="chip">
                    <span>{text}</span>
                    <button type="button" aria-label=title disabled=move || form.locked.get() on:click=remove>
                        <span aria-hidden="true">"×"</span>
                    </button>
                </li>
            }
        };
        let list = values.get();
        (!list.is_empty())
            .then(|| view! { <ul class="chips">{list.into_iter().enumerate().map(chip).collect_view()}</ul> })
    };
    let control = view! {
        {chips}
        <div class="line">
            <input
                node_ref=node
                id=path.id()
                type="text"
                autocomplete="off"
                spellcheck="false"
                inputmode=if token == Token::Text { "text" } else { "decimal" }
                aria-describedby=frame::described_by(&path)
                aria-invalid=frame::invalid(form, &path)
                disabled=move || form.locked.get()
                on:keydown=key
            />
            <button type="button" disabled=move || form.locked.get() on:click=move |_| take()>
                {t!("Add")}<span class="unseen">{t!(" to {name}", name)}</span>
            </button>
        </div>
    };
    frame::single(form, &field, &path, control.into_any())
}
