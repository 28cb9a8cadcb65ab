//! The manager in the browser.

use crate::property::{Property, list, text};

pub(super) const PROPERTIES: &[Property] = &[
    list("admin_gui_url", "", "public Manager URL(s); sets CORS origins of the Admin API"),
    text("admin_gui_path", "/", "Manager base path"),
    text("admin_gui_api_url", "", "Admin API URL used by Manager"),
];
