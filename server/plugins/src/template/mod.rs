//! Templates in values of transformations: text with `$(…)` in it, whose content is a Lua expression over the request.
//!
//! Understood: the tables of [`Environment`] with `.name` and `["name"]`, literals, `or`, `and`, `not`, comparison,
//! arithmetic, `..`, `#`, `type(…)` and the methods of strings. A `function` is refused where the template is compiled.
//! [`Template`] is all that plugins know of this; another engine for the expressions would take the place of
//! [`syntax`] and [`evaluate`].

mod environment;
mod evaluate;
mod strings;
mod syntax;

pub use environment::Environment;

use evaluate::Value;
use std::borrow::Cow;

/// A compiled template.
#[derive(Debug)]
pub struct Template(Vec<Part>);

#[derive(Debug)]
enum Part {
    Text(Vec<u8>),
    Expression(syntax::Expression),
}

impl Template {
    /// Compiles a text. An opening `$(` without its end is plain text.
    pub fn compile(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        let mut plain = Vec::new();
        while let Some(at) = rest.find("$(") {
            let Some(length) = balanced(&rest[at + 1..]) else { break };
            plain.extend_from_slice(&rest.as_bytes()[..at]);
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain)));
            }
            parts.push(Part::Expression(syntax::parse(&rest[at + 2..at + length])?));
            rest = &rest[at + 1 + length..];
        }
        plain.extend_from_slice(rest.as_bytes());
        if !plain.is_empty() || parts.is_empty() {
            parts.push(Part::Text(plain));
        }
        Ok(Self(parts))
    }

    /// The text for a request. Errors are those of Lua: a method of nothing, a table in a text.
    pub fn render<'t>(&'t self, environment: &Environment<'_>) -> Result<Cow<'t, [u8]>, String> {
        if let [Part::Text(text)] = self.0.as_slice() {
            return Ok(Cow::Borrowed(text));
        }
        let mut out = Vec::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => out.extend_from_slice(text),
                Part::Expression(expression) => match evaluate::evaluate(expression, environment)? {
                    Value::Nil | Value::Boolean(false) => {}
                    value => out.extend_from_slice(&value.text()),
                },
            }
        }
        Ok(Cow::Owned(out))
    }
}

/// The length of the text in parentheses at the beginning, both included.
fn balanced(text: &str) -> Option<usize> {
    let mut open = 0_usize;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'(' => open += 1,
            b')' => {
                open -= 1;
                if open == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Manner, People, request};
    use exchange::{Captures, Exchange};
    use proptest::prelude::*;

    fn exchange() -> Exchange {
        let headers =
            [("X-Src", "abc"), ("User-Agent", "curl"), ("X-Two", "1"), ("x-two", "2"), ("X-Key", "Bearer t0k")];
        let mut exchange = request("GET", "/u/zoe/42?q=hello&b&l=1&l=2", &headers, People::new(Manner::Knows));
        exchange.captures = Some(Box::new(Captures {
            numbered: vec![Some(b"/u/zoe/42".into()), Some(b"zoe".into()), None],
            named: vec![("user".into(), b"zoe".into()), ("user-id".into(), b"42".into())],
        }));
        exchange
    }

    fn rendered(text: &str) -> String {
        let exchange = exchange();
        match Template::compile(text) {
            Ok(template) => match template.render(&Environment::of(&exchange)) {
                Ok(text) => String::from_utf8_lossy(&text).into_owned(),
                Err(error) => format!("fails: {error}"),
            },
            Err(error) => format!("refused: {error}"),
        }
    }

    #[test]
    fn templates_render() {
        for (text, expected) in [
            ("plain", "plain"),
            ("", ""),
            ("5$ or $5", "5$ or $5"),
            ("$(unclosed", "$(unclosed"),
            ("$('$(uri_captures.user)')", "$(uri_captures.user)"),
            ("$(headers.host)", ""),
            ("$(headers['x-src'])-$(headers[\"X-SRC\"])", "abc-abc"),
            ("$(headers.x_src)", "abc"),
            ("$(headers.user_agent_x or headers['x-src'])", "abc"),
            ("$(headers['x-two'][2])", "2"),
            ("$(#headers['x-two'])", "2"),
            ("$(type(headers['x-two']))", "table"),
            ("$(type(headers['x-two']) == 'table' and headers['x-two'][1] or headers['x-two'])", "1"),
            ("$(query_params.q)", "hello"),
            ("$(query_params.b)", "true"),
            ("$(query_params['l'][1])", "1"),
            ("$(query_params.nope or 'fallback')", "fallback"),
            ("/items/$(uri_captures['user-id'])/of/$(uri_captures.user)", "/items/42/of/zoe"),
            ("$(uri_captures[1])", "zoe"),
            ("$(shared.nothing)", ""),
            ("$(nil)$(false)$(true)$(1.50)$(0x10)", "true1.516"),
            ("$(headers['x-src']:upper())", "ABC"),
            ("$(headers['x-key']:sub(1, 7):lower() == 'bearer ' and headers['x-key']:sub(8))", "t0k"),
            ("$(('ab' .. 1 .. \"c\"):rep(2))", "ab1cab1c"),
            ("$(#'four' + 2 * 3 ^ 2 - 10 % 4 / 2)", "21"),
            ("$(-'2' + 3)", "1"),
            ("$(not nil and 'yes')", "yes"),
            ("$('b' > 'a' and 1 <= 2 and 2 ~= '2')", "true"),
            ("$([[long]]..[==[ ]] ]==])", "long ]] "),
            (r"$('\65\x42\n\'')", "AB\n'"),
            ("$(('k=v'):match('(%w+)=(%w+)'))", "k"),
            ("$(('k=v'):gsub('=', ': '))", "k: v"),
            ("$(('hello'):gsub('(h)(e)', '%2%1%%'))", "eh%llo"),
            ("$(('abc'):find('c', 1, true))", "3"),
            ("$(('abc'):reverse():len())", "3"),
            ("$(('abc'):byte(-1))", "99"),
            ("$(('%s is %d'):format('x', 3))", "x is 3"),
        ] {
            assert_eq!(rendered(text), expected, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_rendered_is_an_error() {
        for (text, error) in [
            ("$(headers.nope:upper())", "fails: attempt to index a nil value"),
            ("$(nope.nope)", "fails: attempt to index a nil value"),
            ("$(headers.a .. 'b')", "fails: attempt to concatenate a nil value"),
            ("$(headers.x_src + 1)", "fails: attempt to perform arithmetic on a string value"),
            ("$(nope())", "fails: attempt to call a nil value"),
            ("$(('a'):nope())", "fails: attempt to call method 'nope' (a nil value)"),
            ("$(1 < 'a')", "fails: attempt to compare number with string"),
            ("$(('a'):rep(1e9))", "fails: resulting string too large"),
            ("$(headers.)", "refused: a name is expected near ')'"),
            ("$(a b)", "refused: unexpected 'b'"),
            ("$()", "refused: an expression is expected near the end"),
            ("$('a)", "refused: unfinished string"),
            ("$((function() return 1 end)())", "refused: functions are not supported in templates"),
            ("$({1})", "refused: unexpected character '{'"),
        ] {
            assert_eq!(rendered(text), error, "{text}");
        }
        let deep = format!("$({}1{})", "(".repeat(5000), ")".repeat(5000));
        assert_eq!(rendered(&deep), "refused: the expression is nested too deeply");
    }

    proptest! {
        #[test]
        fn no_template_panics(text in "[$()a.'\\[\\]0-9 :,#-]{0,30}") {
            rendered(&text);
        }

        #[test]
        fn no_expression_panics(text in "(headers|x|nil|1|'s'|\\(|\\)|\\.\\.|or|and|not|:sub\\(1\\)|==|<|-| ){0,12}") {
            rendered(&format!("$({text})"));
        }
    }
}
