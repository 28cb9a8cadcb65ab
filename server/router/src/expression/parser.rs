//! The grammar, by recursive descent. It notes what it tried at the farthest position it reached, so that errors
//! name the same expectations as Kong's.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::report::{self, Rule};
use super::tree::{Node, Operator, Predicate, Value};
use crate::pattern::{Dialect, Pattern};

/// Parentheses and functions may be nested this deep; Kong has no such bound but its stack.
const MAX_DEPTH: usize = 128;

/// Parses `text`; fields stay names. `compile` makes patterns of the texts behind `~`.
pub(super) fn parse(text: &str, compile: Compile) -> Result<Node<&str>, String> {
    let mut parser =
        Parser { text, compile, position: 0, farthest: 0, tried: Vec::new(), depth: 0, broken: None, invalid: None };
    parser.skip();
    let root = parser.expression().filter(|_| {
        parser.skip();
        parser.rule(Rule::End, |p| (p.position == p.text.len()).then_some(())).is_some()
    });
    match (root, parser.broken, parser.invalid) {
        (_, Some(report), _) => Err(report),
        (None, _, _) => Err(report::at(text, parser.farthest, &report::expected(&parser.tried))),
        // Values are looked at only once the whole text is known to follow the grammar.
        (Some(_), _, Some((_, report))) => Err(report),
        (Some(root), _, None) => Ok(root),
    }
}

/// Makes a pattern of a text, now or later.
pub(super) type Compile = fn(&str, Dialect) -> Result<Pattern, String>;

struct Parser<'t> {
    text: &'t str,
    compile: Compile,
    position: usize,
    /// The farthest position at which a rule failed, and which rules were tried there.
    farthest: usize,
    tried: Vec<Rule>,
    depth: usize,
    /// Set when the text is given up for a reason that is not the grammar's.
    broken: Option<String>,
    /// The first value, in order of evaluation, that follows the grammar but means nothing.
    invalid: Option<(usize, String)>,
}

impl<'t> Parser<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.position..]
    }

    fn skip(&mut self) {
        let rest = self.rest();
        self.position += rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
    }

    fn literal(&mut self, literal: &str) -> Option<()> {
        self.rest().starts_with(literal).then(|| self.position += literal.len())
    }

    fn digits(&mut self, accept: impl Fn(u8) -> bool, most: usize) -> Option<&'t str> {
        let rest = self.rest();
        let len = rest.bytes().take(most).take_while(|byte| accept(*byte)).count();
        self.position += len;
        (len > 0).then(|| &rest[..len])
    }

    fn tried_at(&self, position: usize) -> usize {
        if position == self.farthest { self.tried.len() } else { 0 }
    }

    /// Runs one named rule. When it fails, it replaces the rules inside it that got no farther, unless that was
    /// a single one, which says more.
    fn rule<T>(&mut self, rule: Rule, body: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        let start = self.position;
        let before = self.tried_at(start);
        let found = body(self);
        if found.is_none() {
            self.position = start;
            let now = self.tried_at(start);
            if now == before + 1 {
                return None;
            }
            if start > self.farthest {
                self.tried.clear();
                self.farthest = start;
            }
            if start == self.farthest {
                self.tried.truncate(before);
                self.tried.push(rule);
            }
        }
        found
    }

    fn attempt<T>(&mut self, body: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        let start = self.position;
        let found = body(self);
        if found.is_none() {
            self.position = start;
        }
        found
    }

    fn deeper<T>(&mut self, body: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        if self.broken.is_some() {
            return None;
        }
        if self.depth == MAX_DEPTH {
            let message = format!("nested more than {MAX_DEPTH} levels deep");
            self.broken = Some(report::at(self.text, self.position, &message));
            return None;
        }
        self.depth += 1;
        let found = body(self);
        self.depth -= 1;
        found
    }

    fn reject(&mut self, start: usize, end: usize, message: &str) {
        if self.invalid.is_none() {
            self.invalid = Some((start, report::over(self.text, start, end, message)));
        }
    }

    fn expression(&mut self) -> Option<Node<&'t str>> {
        self.rule(Rule::Expression, |p| {
            let mut all = Vec::new();
            let mut any = vec![p.term()?];
            while let Some((or, term)) = p.attempt(|p| {
                p.skip();
                let or = match p.rule(Rule::AndOp, |p| p.literal("&&")) {
                    Some(()) => false,
                    None => p.rule(Rule::OrOp, |p| p.literal("||")).map(|()| true)?,
                };
                p.skip();
                Some((or, p.term()?))
            }) {
                // `||` binds tighter than `&&`.
                if !or {
                    all.push(one_or(Node::Any, std::mem::take(&mut any)));
                }
                any.push(term);
            }
            all.push(one_or(Node::Any, any));
            Some(one_or(Node::All, all))
        })
    }

    fn term(&mut self) -> Option<Node<&'t str>> {
        self.rule(Rule::Term, |p| {
            if let Some(predicate) = p.predicate() {
                return Some(Node::Test(predicate));
            }
            p.rule(Rule::ParenthesisedExpression, |p| {
                let not = p.rule(Rule::NotOp, |p| p.literal("!")).is_some();
                p.skip();
                p.literal("(")?;
                p.skip();
                let inner = p.deeper(Self::expression)?;
                p.skip();
                p.literal(")")?;
                Some(if not { Node::Not(Box::new(inner)) } else { inner })
            })
        })
    }

    fn predicate(&mut self) -> Option<Predicate<&'t str>> {
        self.rule(Rule::Predicate, |p| {
            let (field, lower, any) = p.lhs()?;
            p.skip();
            let operator = p.operator()?;
            p.skip();
            let start = p.position;
            let value = p.rhs()?;
            let value = if operator == Operator::Matches { p.pattern(start, value) } else { value };
            Some(Predicate { field, lower, any, operator, value })
        })
    }

    /// Compiles the pattern of a `~`.
    fn pattern(&mut self, start: usize, value: Value) -> Value {
        let end = self.position;
        match &value {
            Value::Text(text) => match (self.compile)(text, Dialect::Linear) {
                Ok(pattern) => return Value::Pattern(pattern),
                Err(error) => self.reject(start, end, &error),
            },
            _ => self.reject(start, end, "regex operator can only be used with String operands"),
        }
        value
    }

    fn lhs(&mut self) -> Option<(&'t str, bool, bool)> {
        self.rule(Rule::Lhs, |p| {
            let start = p.position;
            let function = p.rule(Rule::TransformFunc, |p| {
                let function = p.ident()?;
                p.skip();
                p.literal("(")?;
                p.skip();
                let (field, lower, any) = p.deeper(Self::lhs)?;
                p.skip();
                p.literal(")")?;
                Some((function, field, lower, any))
            });
            match function {
                Some(("lower", field, _, any)) => Some((field, true, any)),
                Some(("any", field, lower, _)) => Some((field, lower, true)),
                Some((unknown, field, lower, any)) => {
                    let message = format!("unknown transformation function: {unknown}");
                    p.reject(start, p.position, &message);
                    Some((field, lower, any))
                }
                None => p.ident().map(|field| (field, false, false)),
            }
        })
    }

    fn ident(&mut self) -> Option<&'t str> {
        self.rule(Rule::Ident, |p| {
            let rest = p.rest();
            rest.bytes().next().filter(u8::is_ascii_alphabetic)?;
            p.digits(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.', usize::MAX)
        })
    }

    fn operator(&mut self) -> Option<Operator> {
        // In this order: a longer spelling stands before its own beginning.
        const SPELLINGS: [(&str, Operator); 10] = [
            ("==", Operator::Equals),
            ("!=", Operator::Differs),
            ("~", Operator::Matches),
            ("^=", Operator::Prefix),
            ("=^", Operator::Suffix),
            (">=", Operator::GreaterOrEqual),
            (">", Operator::Greater),
            ("<=", Operator::LessOrEqual),
            ("<", Operator::Less),
            ("in", Operator::In),
        ];
        self.rule(Rule::BinaryOperator, |p| {
            let spelled = SPELLINGS.iter().find(|(spelling, _)| p.rest().starts_with(spelling));
            if let Some((spelling, operator)) = spelled {
                p.position += spelling.len();
                return Some(*operator);
            }
            let not_in = p.attempt(|p| {
                p.literal("not")?;
                p.skip();
                p.literal("in")
            });
            match not_in {
                Some(()) => Some(Operator::NotIn),
                None => p.literal("contains").map(|()| Operator::Contains),
            }
        })
    }

    fn rhs(&mut self) -> Option<Value> {
        self.rule(Rule::Rhs, |p| {
            if let Some(text) = p.rule(Rule::StrLiteral, Self::string) {
                return Some(Value::Text(text));
            }
            if let Some(text) = p.rule(Rule::RawstrLiteral, Self::raw_string) {
                return Some(Value::Text(text));
            }
            p.address().or_else(|| p.number())
        })
    }

    fn string(&mut self) -> Option<String> {
        self.literal("\"")?;
        let mut text = String::new();
        loop {
            let escape = self.rule(Rule::StrEsc, |p| {
                p.literal("\\")?;
                let escape = match p.rest().bytes().next()? {
                    b'"' => '"',
                    b'\\' => '\\',
                    b'n' => '\n',
                    b'r' => '\r',
                    b't' => '\t',
                    _ => return None,
                };
                p.position += 1;
                Some(escape)
            });
            let next = match escape {
                Some(escape) => Some(escape),
                None => self.rule(Rule::StrChar, |p| p.char(|rest| !rest.starts_with(['"', '\\']))),
            };
            match next {
                Some(next) => text.push(next),
                None => break,
            }
        }
        self.literal("\"").map(|()| text)
    }

    fn raw_string(&mut self) -> Option<String> {
        self.literal("r#\"")?;
        let mut text = String::new();
        while let Some(next) = self.rule(Rule::RawstrChar, |p| p.char(|rest| !rest.starts_with("\"#"))) {
            text.push(next);
        }
        self.literal("\"#").map(|()| text)
    }

    fn char(&mut self, accept: impl Fn(&str) -> bool) -> Option<char> {
        let rest = self.rest();
        let next = rest.chars().next().filter(|_| accept(rest))?;
        self.position += next.len_utf8();
        Some(next)
    }

    fn address(&mut self) -> Option<Value> {
        let start = self.position;
        let kind = [
            (Rule::Ipv4CidrLiteral, true, true),
            (Rule::Ipv6CidrLiteral, false, true),
            (Rule::Ipv4Literal, true, false),
            (Rule::Ipv6Literal, false, false),
        ]
        .into_iter()
        .find(|(rule, v4, network)| {
            self.rule(*rule, |p| {
                if *v4 {
                    p.ipv4()?
                } else {
                    p.ipv6()?
                }
                if *network {
                    p.literal("/")?;
                    p.digits(|byte| byte.is_ascii_digit(), if *v4 { 2 } else { 3 })?;
                }
                Some(())
            })
            .is_some()
        })?;
        let text = &self.text[start..self.position];
        let value = match kind {
            (_, _, true) => network(text).map(Value::Network),
            (_, true, false) => text
                .parse::<Ipv4Addr>()
                .map(|address| Value::Address(IpAddr::V4(address)))
                .map_err(|_| "invalid IPv4 address syntax".to_owned()),
            (_, false, false) => text
                .parse::<Ipv6Addr>()
                .map(|address| Value::Address(IpAddr::V6(address)))
                .map_err(|_| "invalid IPv6 address syntax".to_owned()),
        };
        Some(value.unwrap_or_else(|message| {
            self.reject(start, self.position, &message);
            Value::Number(0)
        }))
    }

    fn ipv4(&mut self) -> Option<()> {
        self.digits(|byte| byte.is_ascii_digit(), 3)?;
        for _ in 0..3 {
            self.literal(".")?;
            self.digits(|byte| byte.is_ascii_digit(), 3)?;
        }
        Some(())
    }

    fn ipv6(&mut self) -> Option<()> {
        if self.literal(":").is_none() {
            self.digits(|byte| byte.is_ascii_hexdigit(), 4)?;
        }
        self.literal(":")?;
        self.digits(|byte| byte.is_ascii_hexdigit() || byte == b':', usize::MAX);
        Some(())
    }

    fn number(&mut self) -> Option<Value> {
        self.rule(Rule::IntLiteral, |p| {
            let negative = p.literal("-").is_some();
            let start = p.position;
            let octal = p.rule(Rule::OctDigits, |p| {
                p.literal("0")?;
                p.digits(|byte| (b'0'..=b'7').contains(&byte), usize::MAX)
            });
            let hexadecimal = |p: &mut Self| {
                p.attempt(|p| {
                    p.literal("0x")?;
                    let start = p.position;
                    let digits = p.rule(Rule::HexDigits, |p| p.digits(|byte| byte.is_ascii_hexdigit(), usize::MAX))?;
                    Some((digits, 16, start))
                })
            };
            let (digits, radix, start) = match octal {
                Some(digits) => (digits, 8, start),
                None => match hexadecimal(p) {
                    Some(found) => found,
                    None => {
                        let digits = p.rule(Rule::DecDigits, |p| p.digits(|byte| byte.is_ascii_digit(), usize::MAX));
                        (digits?, 10, start)
                    }
                },
            };
            let number = i64::from_str_radix(digits, radix).unwrap_or_else(|error| {
                p.reject(start, p.position, &error.to_string());
                0
            });
            Some(Value::Number(if negative { -number } else { number }))
        })
    }
}

/// A single node stands for itself.
fn one_or<F>(many: impl FnOnce(Vec<Node<F>>) -> Node<F>, mut nodes: Vec<Node<F>>) -> Node<F> {
    match (nodes.len(), nodes.pop()) {
        (1, Some(only)) => only,
        (_, last) => {
            nodes.extend(last);
            many(nodes)
        }
    }
}

/// A network, whose host bits must be zero.
fn network(text: &str) -> Result<IpNet, String> {
    let (address, length) = text.split_once('/').unwrap_or((text, ""));
    let address: IpAddr =
        address.parse().map_err(|_| "couldn't parse address in network: invalid IP address syntax".to_owned())?;
    let length: u8 = length.parse().map_err(|error| format!("couldn't parse length in network: {error}"))?;
    let (name, most) = if address.is_ipv4() { ("Ipv4", 32) } else { ("Ipv6", 128) };
    let network = IpNet::new(address, length).map_err(|_| {
        format!("invalid length for network: Network length {length} is too long for {name} (maximum: {most})")
    })?;
    if network.network() != address {
        return Err("host part of address was not zero".to_owned());
    }
    Ok(network)
}
