//! Entities as rows.

use leptos::prelude::*;
use serde_json::Value;

use super::{cell, column, copy_id, grid, row};
use crate::entities::EntityKind;
use crate::listing::{member, title};
use crate::page::Page;

/// One row each; the first cell is the link to it. `without`: a column that says the same in every row.
pub fn table(kind: &'static EntityKind, rows: &[Value], caption: String, without: &str) -> AnyView {
    let columns: Vec<&'static str> = kind.columns.iter().copied().filter(|column| *column != without).collect();
    let first = column(if kind.names.is_empty() { "ID" } else { t!("Name") });
    let titles = columns.iter().map(|name| column(title(name)));
    let head = std::iter::once(first).chain(titles).chain([view! { <td></td> }.into_any()]).collect();
    let row_of = |entity: &Value| {
        let to = Page::Detail(kind, kind.address_of(entity)).href();
        let name = kind.name_of(entity);
        let copy = copy_id(entity, t!("Copy ID of {name}", name));
        let cells = columns.iter().map(|column| cell(column, member(entity, column))).chain([copy]).collect();
        row(view! { <a href=to>{name}</a> }.into_any(), cells)
    };
    grid(caption.clone(), caption, head, rows.iter().map(row_of).collect())
}
