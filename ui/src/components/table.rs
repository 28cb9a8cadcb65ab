//! Entities as rows.

use leptos::prelude::*;
use serde_json::Value;

use super::cell;
use crate::entities::EntityKind;
use crate::form::label;
use crate::page::Page;

/// One row each; the first cell is the link to it. `without`: a column that says the same in every row.
pub fn table(kind: &'static EntityKind, rows: &[Value], caption: String, without: &str) -> AnyView {
    let columns: Vec<&'static str> = kind.columns.iter().copied().filter(|column| *column != without).collect();
    let head = columns.iter().map(|column| view! { <th scope="col">{label(column)}</th> }).collect_view();
    let row = |entity: &Value| {
        let address = kind.address_of(entity);
        let cells = columns.iter().map(|column| view! { <td>{cell(column, &entity[*column])}</td> }).collect_view();
        view! {
            <tr>
                <th scope="row"><a href=Page::Detail(kind, address).href()>{kind.name_of(entity)}</a></th>
                {cells}
            </tr>
        }
    };
    view! {
        <div class="scroll" tabindex="0" role="region" aria-label=caption.clone()>
            <table>
                <caption class="unseen">{caption.clone()}</caption>
                <thead><tr><th scope="col">{if kind.names.is_empty() { "ID" } else { "Name" }}</th>{head}</tr></thead>
                <tbody>{rows.iter().map(row).collect_view()}</tbody>
            </table>
        </div>
    }
    .into_any()
}
