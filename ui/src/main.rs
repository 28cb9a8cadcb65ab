//! The manager: Silverback in the browser. It knows only the Admin API and what that says of itself.

mod api;
mod app;
mod components;
mod difference;
mod entities;
mod fields;
mod form;
mod formats;
mod listing;
mod page;
mod pages;
mod permissions;
mod search;
mod state;

fn main() {
    app::start();
}
