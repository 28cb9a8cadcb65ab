//! Short messages about what was done.

use std::time::Duration;

use leptos::prelude::*;

/// How long one is shown.
const SHOWN: Duration = Duration::from_secs(6);

#[derive(Clone, Debug, PartialEq)]
pub struct Toast {
    pub number: u32,
    pub text: String,
}

/// Those that are shown now.
#[derive(Clone, Copy)]
pub struct Toasts {
    pub shown: RwSignal<Vec<Toast>>,
    next: StoredValue<u32>,
}

/// The ones of this page.
pub fn toasts() -> Toasts {
    expect_context()
}

impl Toasts {
    /// For the whole application.
    pub fn provide() {
        provide_context(Self { shown: RwSignal::new(Vec::new()), next: StoredValue::new(0) });
    }

    /// Shows one.
    pub fn say(self, text: impl Into<String>) {
        let number = self.next.get_value();
        self.next.set_value(number + 1);
        let text = text.into();
        self.shown.update(|shown| shown.push(Toast { number, text }));
        set_timeout(move || self.drop(number), SHOWN);
    }

    /// Takes it away.
    pub fn drop(self, number: u32) {
        self.shown.update(|shown| shown.retain(|toast| toast.number != number));
    }
}
