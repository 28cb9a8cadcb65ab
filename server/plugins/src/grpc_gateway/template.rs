//! Path templates of `google.api.http`: `/v1/{name=shelves/*}/books/**:archive`.

use regex::bytes::Regex;

/// A template, compiled.
#[derive(Debug)]
pub(super) struct Template {
    pattern: Regex,
    /// Field paths, in the order of the pattern's groups.
    variables: Vec<String>,
}

impl Template {
    /// `None` where the template is none.
    pub(super) fn new(template: &str) -> Option<Self> {
        let mut pattern = String::from("(?s-u)^");
        let mut variables = Vec::new();
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('{') {
            let (variable, tail) = after.split_once('}')?;
            let (name, segments) = variable.split_once('=').unwrap_or((variable, "*"));
            let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
            if name.is_empty() || !name.bytes().all(known) {
                return None;
            }
            pattern.push_str(&segments_of(before));
            pattern.push('(');
            pattern.push_str(&segments_of(segments));
            pattern.push(')');
            variables.push(name.to_owned());
            rest = tail;
        }
        pattern.push_str(&segments_of(rest));
        pattern.push('$');
        Some(Self { pattern: Regex::new(&pattern).ok()?, variables })
    }

    /// The variables of a path that matches, by field path.
    pub(super) fn variables<'t>(&'t self, path: &[u8]) -> Option<Vec<(&'t str, String)>> {
        let groups = self.pattern.captures(path)?;
        let values = groups.iter().skip(1).map(|group| group.map(|group| group.as_bytes()).unwrap_or_default());
        let named = self.variables.iter().map(String::as_str).zip(values);
        Some(named.map(|(name, value)| (name, String::from_utf8_lossy(value).into_owned())).collect())
    }
}

/// `*` is one segment, `**` one or more.
fn segments_of(text: &str) -> String {
    let many = text.split("**").map(|text| {
        let one: Vec<_> = text.split('*').map(regex::escape).collect();
        one.join("[^/]+")
    });
    many.collect::<Vec<_>>().join(".+")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn templates_match() {
        for (template, path, variables) in [
            ("/v1/messages/{name}", "/v1/messages/ann", Some("name=ann")),
            ("/v1/messages/{name}", "/v1/messages/ann/x", None),
            ("/v1/messages/{name}", "/v1/messages/", None),
            ("/v1/{name=**}", "/v1/a/b/c", Some("name=a/b/c")),
            ("/v1/{name=shelves/*}/books", "/v1/shelves/7/books", Some("name=shelves/7")),
            ("/v1/{name=shelves/*}/books", "/v1/racks/7/books", None),
            ("/v1/{a}/{b.c=x/**}", "/v1/1/x/2/3", Some("a=1 b.c=x/2/3")),
            ("/v1/*/x", "/v1/any/x", Some("")),
            ("/v1/*/x", "/v1/any/other/x", None),
            ("/v1/a.b:run", "/v1/a.b:run", Some("")),
            ("/v1/a.b:run", "/v1/aXb:run", None),
            ("/v1/{name}:run", "/v1/7:run", Some("name=7")),
            ("/v1/{name", "/v1/{name", None),
            ("/v1/{}", "/v1/x", None),
        ] {
            let found = Template::new(template).and_then(|template| {
                let pairs = template.variables(path.as_bytes())?;
                Some(pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" "))
            });
            assert_eq!(found.as_deref(), variables, "{template} {path}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_template_or_none(template in "[/a{}*=.:\\[(]{0,16}", path in "[/a.:]{0,12}") {
            if let Some(template) = Template::new(&template) {
                template.variables(path.as_bytes());
            }
        }
    }
}
