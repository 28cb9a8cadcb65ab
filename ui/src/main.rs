//! The manager: Silverback in the browser. It knows only the Admin API and what that says of itself.

#[macro_use]
mod texts;

mod api;
mod app;
mod chart;
mod components;
mod difference;
mod entities;
mod fields;
mod form;
mod formats;
mod listing;
mod openapi;
mod order;
mod page;
mod pages;
mod permissions;
mod search;
mod state;

fn main() {
    app::start();
}
