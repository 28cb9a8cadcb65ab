//! What a property is: name, type, default, and whether it does anything.

/// How the text of a value is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `on`, `off`, `true`, `false`; a boolean in `GET /`.
    Boolean,
    /// `on`, `off` (also `true`, `false`); that text in `GET /`, because nginx gets it.
    OnOff,
    /// A finite number.
    Number,
    /// Any text.
    Text,
    /// Comma-separated, trimmed.
    List,
    /// One of [`Property::values`].
    Choice,
}

impl Kind {
    /// Kong's word for it, as in `is not a <type>` (enumerations are strings there).
    pub fn name(self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::OnOff => "ngx_boolean",
            Self::Number => "number",
            Self::Text | Self::Choice => "string",
            Self::List => "array",
        }
    }
}

/// What setting a property does here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It acts.
    Acts,
    /// It tunes nginx, OpenResty or something else that is not here; accepted and named once in a notice.
    Without,
    /// It belongs to a part that does not exist yet; accepted and named once in a notice.
    Later,
}

/// Whose property it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edition {
    /// Kong's.
    Kong,
    /// Of Kong's Enterprise edition.
    Enterprise,
    /// Silverback's own.
    Silverback,
    /// An other spelling of a property, which acts.
    Former,
    /// An environment variable that is not a property in a file.
    Variable,
}

/// One property of kong.conf.
#[derive(Debug, Clone, Copy)]
pub struct Property {
    /// Name in kong.conf; the variable is `KONG_` and the name in upper case.
    pub name: &'static str,
    /// How its value is read.
    pub kind: Kind,
    /// The text that stands for an unset value; `None` where unset is a state of its own.
    pub default: Option<&'static str>,
    /// What a [`Kind::Choice`] may be.
    pub values: &'static [&'static str],
    /// Shown as `******`.
    pub sensitive: bool,
    /// What setting it does.
    pub effect: Effect,
    /// What to use instead.
    pub deprecated: Option<&'static str>,
    /// The property that this one sets unless that is set itself.
    pub alias_of: Option<&'static str>,
    /// Directives of nginx that get its value unless set themselves.
    pub sets: &'static [&'static str],
    /// What it is, in one line.
    pub meaning: &'static str,
}

const fn property(name: &'static str, kind: Kind, default: &'static str, meaning: &'static str) -> Property {
    Property {
        name,
        kind,
        default: if default.is_empty() { None } else { Some(default) },
        values: &[],
        sensitive: false,
        effect: Effect::Acts,
        deprecated: None,
        alias_of: None,
        sets: &[],
        meaning,
    }
}

/// A [`Kind::Boolean`]; an empty default means none, here and below.
pub(crate) const fn boolean(name: &'static str, default: &'static str, meaning: &'static str) -> Property {
    property(name, Kind::Boolean, default, meaning)
}

/// A [`Kind::OnOff`].
pub(crate) const fn on_off(name: &'static str, default: &'static str, meaning: &'static str) -> Property {
    property(name, Kind::OnOff, default, meaning)
}

/// A [`Kind::Number`].
pub(crate) const fn number(name: &'static str, default: &'static str, meaning: &'static str) -> Property {
    property(name, Kind::Number, default, meaning)
}

/// A [`Kind::Text`].
pub(crate) const fn text(name: &'static str, default: &'static str, meaning: &'static str) -> Property {
    property(name, Kind::Text, default, meaning)
}

/// A [`Kind::List`].
pub(crate) const fn list(name: &'static str, default: &'static str, meaning: &'static str) -> Property {
    property(name, Kind::List, default, meaning)
}

/// A [`Kind::Choice`].
pub(crate) const fn choice(
    name: &'static str,
    default: &'static str,
    values: &'static [&'static str],
    meaning: &'static str,
) -> Property {
    Property { values, ..property(name, Kind::Choice, default, meaning) }
}

impl Property {
    pub(crate) const fn secret(self) -> Self {
        Self { sensitive: true, ..self }
    }

    pub(crate) const fn without_effect(self) -> Self {
        Self { effect: Effect::Without, ..self }
    }

    pub(crate) const fn later(self) -> Self {
        Self { effect: Effect::Later, ..self }
    }

    pub(crate) const fn alias_of(self, target: &'static str) -> Self {
        Self { alias_of: Some(target), ..self }
    }

    pub(crate) const fn sets(self, directives: &'static [&'static str]) -> Self {
        Self { sets: directives, ..self }
    }

    pub(crate) const fn deprecated(self, instead: &'static str) -> Self {
        Self { deprecated: Some(instead), ..self }
    }

    /// The variable that sets it: `KONG_PROXY_LISTEN`.
    pub fn variable(&self) -> String {
        format!("KONG_{}", self.name.to_ascii_uppercase())
    }
}
