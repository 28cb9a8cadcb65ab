//! Light, dark, or as the system has it.

use leptos::prelude::*;

const STORED: &str = "silverback-theme";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Theme {
    System,
    Light,
    Dark,
}

impl Theme {
    /// All, in the order of the switch.
    pub const ALL: [Self; 3] = [Self::System, Self::Light, Self::Dark];

    /// Its word, also in the document.
    pub fn word(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    /// Whatever it is, it is one of them.
    pub fn named(word: &str) -> Self {
        Self::ALL.into_iter().find(|theme| theme.word() == word).unwrap_or(Self::System)
    }
}

/// The one in use.
#[derive(Clone, Copy)]
pub struct ThemeState(RwSignal<Theme>);

impl ThemeState {
    /// For the whole application: as last chosen in this browser.
    pub fn provide() {
        let storage = || web_sys::window().and_then(|window| window.local_storage().ok().flatten());
        let word = storage().and_then(|storage| storage.get_item(STORED).ok().flatten()).unwrap_or_default();
        let theme = RwSignal::new(Theme::named(&word));
        Effect::new(move |_| {
            let word = theme.get().word();
            if let Some(root) = document().document_element() {
                // A refusal only means that the system's choice stays.
                let _ = root.set_attribute("data-theme", word);
            }
            if let Some(storage) = storage() {
                let _ = storage.set_item(STORED, word);
            }
        });
        provide_context(Self(theme));
    }

    pub fn get(self) -> Theme {
        self.0.get()
    }

    pub fn set(self, theme: Theme) {
        self.0.set(theme);
    }
}
