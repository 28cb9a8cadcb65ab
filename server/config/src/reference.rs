//! The reference page of all properties, from the table.

use std::fmt::Write;

use crate::directive::ACTING;
use crate::property::{Edition, Effect, Kind, Property};
use crate::table::CHAPTERS;

/// The page as Markdown: a chapter per subject, a row per property.
pub fn reference_markdown() -> String {
    let mut page = String::from(
        "# Configuration\n\n\
         A property is set in `kong.conf` as `name = value`, or by a variable: `SILVERBACK_NAME` wins over `KONG_NAME`, \
         which wins over the file. `KONG_NAME_FILE` names a file that holds the value. A value \
         `{vault://env/my-secret}` is taken from the variable `MY_SECRET`. An empty value unsets.\n\n\
         Effect: **acts**; **none**: accepted, since it only tunes what is not here; **later**: accepted, not available \
         yet. Values marked *secret* are shown as `******`.\n",
    );
    for chapter in CHAPTERS {
        let _ = write!(page, "\n## {}\n\n| property | type | default | effect | meaning |\n", chapter.title);
        page.push_str("| --- | --- | --- | --- | --- |\n");
        for property in chapter.properties {
            page.push_str(&row(property, chapter.edition));
        }
    }
    page.push_str(
        "\n## Directives of nginx\n\n`nginx_<block>_<directive>` injects a directive into a block of nginx's configuration \
         in Kong. These act, beside those in the tables; others are accepted and do nothing. The manager's and the status \
         listeners have the bounds of `admin`; what a listener's own block does not say is taken from `http`.\n\n\
         | directive | acts in the blocks |\n| --- | --- |\n",
    );
    for (directive, blocks) in ACTING {
        let _ = writeln!(page, "| `{directive}` | `{}` |", blocks.join("`, `"));
    }
    page
}

fn row(property: &Property, edition: Edition) -> String {
    let kind = match property.kind {
        Kind::Boolean | Kind::OnOff => "on, off".to_owned(),
        Kind::Number => "number".to_owned(),
        Kind::Text => "text".to_owned(),
        Kind::List => "list".to_owned(),
        Kind::Choice => property.values.join(", "),
    };
    let effect = match property.effect {
        Effect::Acts => "acts",
        Effect::Without => "none",
        Effect::Later => "later",
    };
    let mut meaning = cell(property.meaning);
    if property.sensitive {
        meaning.push_str("; *secret*");
    }
    if let Some(target) = property.alias_of {
        let _ = write!(meaning, "; sets `{target}`");
    }
    if let Some(instead) = property.deprecated {
        let _ = write!(meaning, "; deprecated: {instead}");
    }
    let name = if edition == Edition::Variable { property.variable() } else { property.name.to_owned() };
    let default = property.default.map(|d| format!("`{}`", cell(d))).unwrap_or_default();
    format!("| `{name}` | {kind} | {default} | {effect} | {meaning} |\n")
}

/// Text in a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
