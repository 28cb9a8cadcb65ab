//! Lua expressions, read (Lua 5.1 reference manual §2.5).

/// An expression.
#[derive(Debug, PartialEq)]
pub(super) enum Expression {
    Nil,
    Boolean(bool),
    Number(f64),
    Text(Vec<u8>),
    Name(String),
    Index(Box<Expression>, Box<Expression>),
    Call(Box<Expression>, Vec<Expression>),
    Method(Box<Expression>, String, Vec<Expression>),
    Unary(Unary, Box<Expression>),
    Binary(Binary, Box<Expression>, Box<Expression>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unary {
    Not,
    Length,
    Minus,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Binary {
    Or,
    And,
    Less,
    Greater,
    LessOrEqual,
    GreaterOrEqual,
    NotEqual,
    Equal,
    Concatenate,
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Power,
}

impl Binary {
    /// How strongly it binds to its left and to its right.
    fn strength(self) -> (u8, u8) {
        match self {
            Self::Or => (1, 1),
            Self::And => (2, 2),
            Self::Less | Self::Greater | Self::LessOrEqual | Self::GreaterOrEqual | Self::NotEqual | Self::Equal => {
                (3, 3)
            }
            Self::Concatenate => (5, 4),
            Self::Add | Self::Subtract => (6, 6),
            Self::Multiply | Self::Divide | Self::Modulo => (7, 7),
            Self::Power => (10, 9),
        }
    }
}

/// How strongly `not`, `#` and `-` bind.
const UNARY: u8 = 8;
/// Expressions in expressions.
const DEPTH: u32 = 64;

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Name(String),
    Number(f64),
    Text(Vec<u8>),
    Symbol(&'static str),
}

impl std::fmt::Display for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Name(name) => write!(f, "'{name}'"),
            Self::Number(number) => write!(f, "'{}'", crate::number::text(*number)),
            Self::Text(_) => f.write_str("a string"),
            Self::Symbol(symbol) => write!(f, "'{symbol}'"),
        }
    }
}

/// Reads an expression; the error says what is wrong with it.
pub(super) fn parse(text: &str) -> Result<Expression, String> {
    let tokens = tokens(text.as_bytes())?;
    let mut parser = Parser { tokens: tokens.into_iter().peekable() };
    let expression = parser.expression(0, 0)?;
    match parser.tokens.next() {
        None => Ok(expression),
        Some(token) => Err(format!("unexpected {token}")),
    }
}

struct Parser {
    tokens: std::iter::Peekable<std::vec::IntoIter<Token>>,
}

impl Parser {
    fn expression(&mut self, least: u8, depth: u32) -> Result<Expression, String> {
        if depth > DEPTH {
            return Err("the expression is nested too deeply".to_owned());
        }
        let mut left = match self.unary() {
            Some(operator) => Expression::Unary(operator, Box::new(self.expression(UNARY, depth + 1)?)),
            None => self.simple(depth)?,
        };
        // A chain of operators nests to the left as well.
        let mut chain = 0;
        while let Some(operator) = self.binary(least) {
            chain += 1;
            if depth + chain > DEPTH {
                return Err("the expression is nested too deeply".to_owned());
            }
            let right = self.expression(operator.strength().1, depth + 1)?;
            left = Expression::Binary(operator, Box::new(left), Box::new(right));
        }
        Ok(left)
    }

    fn unary(&mut self) -> Option<Unary> {
        let operator = match self.tokens.peek()? {
            Token::Name(name) if name == "not" => Unary::Not,
            Token::Symbol("#") => Unary::Length,
            Token::Symbol("-") => Unary::Minus,
            _ => return None,
        };
        self.tokens.next();
        Some(operator)
    }

    /// The operator that comes next, where it binds more strongly than `least`.
    fn binary(&mut self, least: u8) -> Option<Binary> {
        let operator = match self.tokens.peek()? {
            Token::Name(name) if name == "or" => Binary::Or,
            Token::Name(name) if name == "and" => Binary::And,
            Token::Symbol(symbol) => match *symbol {
                "<" => Binary::Less,
                ">" => Binary::Greater,
                "<=" => Binary::LessOrEqual,
                ">=" => Binary::GreaterOrEqual,
                "~=" => Binary::NotEqual,
                "==" => Binary::Equal,
                ".." => Binary::Concatenate,
                "+" => Binary::Add,
                "-" => Binary::Subtract,
                "*" => Binary::Multiply,
                "/" => Binary::Divide,
                "%" => Binary::Modulo,
                "^" => Binary::Power,
                _ => return None,
            },
            _ => return None,
        };
        if operator.strength().0 <= least {
            return None;
        }
        self.tokens.next();
        Some(operator)
    }

    fn simple(&mut self, depth: u32) -> Result<Expression, String> {
        let mut expression = match self.tokens.next() {
            Some(Token::Number(number)) => return Ok(Expression::Number(number)),
            Some(Token::Text(text)) => return Ok(Expression::Text(text)),
            Some(Token::Name(name)) => match name.as_str() {
                "nil" => return Ok(Expression::Nil),
                "true" => return Ok(Expression::Boolean(true)),
                "false" => return Ok(Expression::Boolean(false)),
                "function" => return Err("functions are not supported in templates".to_owned()),
                name if is_reserved(name) => return Err(format!("unexpected '{name}'")),
                _ => Expression::Name(name),
            },
            Some(Token::Symbol("(")) => {
                let inner = self.expression(0, depth + 1)?;
                self.expect(")")?;
                inner
            }
            Some(token) => return Err(format!("an expression is expected near {token}")),
            None => return Err("an expression is expected near the end".to_owned()),
        };
        let mut chain = 0;
        loop {
            chain += 1;
            if depth + chain > DEPTH {
                return Err("the expression is nested too deeply".to_owned());
            }
            expression = match self.tokens.peek() {
                Some(Token::Symbol(".")) => {
                    self.tokens.next();
                    let name = Expression::Text(self.name()?.into_bytes());
                    Expression::Index(Box::new(expression), Box::new(name))
                }
                Some(Token::Symbol("[")) => {
                    self.tokens.next();
                    let key = self.expression(0, depth + 1)?;
                    self.expect("]")?;
                    Expression::Index(Box::new(expression), Box::new(key))
                }
                Some(Token::Symbol(":")) => {
                    self.tokens.next();
                    let name = self.name()?;
                    let arguments = self.arguments(depth)?;
                    Expression::Method(Box::new(expression), name, arguments)
                }
                Some(Token::Symbol("(") | Token::Text(_)) => {
                    let arguments = self.arguments(depth)?;
                    Expression::Call(Box::new(expression), arguments)
                }
                _ => return Ok(expression),
            };
        }
    }

    fn name(&mut self) -> Result<String, String> {
        match self.tokens.next() {
            Some(Token::Name(name)) if !is_reserved(&name) => Ok(name),
            Some(token) => Err(format!("a name is expected near {token}")),
            // What follows the expression is the end of its parentheses.
            None => Err("a name is expected near ')'".to_owned()),
        }
    }

    fn arguments(&mut self, depth: u32) -> Result<Vec<Expression>, String> {
        if let Some(Token::Text(_)) = self.tokens.peek() {
            let Some(Token::Text(text)) = self.tokens.next() else { return Ok(Vec::new()) };
            return Ok(vec![Expression::Text(text)]);
        }
        self.expect("(")?;
        let mut arguments = Vec::new();
        if self.tokens.next_if_eq(&Token::Symbol(")")).is_some() {
            return Ok(arguments);
        }
        loop {
            arguments.push(self.expression(0, depth + 1)?);
            if self.tokens.next_if_eq(&Token::Symbol(",")).is_none() {
                self.expect(")")?;
                return Ok(arguments);
            }
        }
    }

    fn expect(&mut self, symbol: &'static str) -> Result<(), String> {
        match self.tokens.next() {
            Some(Token::Symbol(found)) if found == symbol => Ok(()),
            Some(token) => Err(format!("'{symbol}' is expected near {token}")),
            None => Err(format!("'{symbol}' is expected near the end")),
        }
    }
}

fn is_reserved(name: &str) -> bool {
    const RESERVED: [&str; 21] = [
        "and", "break", "do", "else", "elseif", "end", "false", "for", "function", "if", "in", "local", "nil", "not",
        "or", "repeat", "return", "then", "true", "until", "while",
    ];
    RESERVED.contains(&name)
}

/// Longer ones first.
const SYMBOLS: [&str; 21] =
    ["..", "==", "~=", "<=", ">=", "<", ">", "+", "-", "*", "/", "%", "^", "#", "(", ")", "[", "]", ".", ":", ","];

fn tokens(text: &[u8]) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        let rest = &text[at..];
        if byte.is_ascii_whitespace() {
            at += 1;
        } else if byte.is_ascii_alphabetic() || byte == b'_' {
            let length = length_while(rest, |byte| byte.is_ascii_alphanumeric() || byte == b'_');
            tokens.push(Token::Name(String::from_utf8_lossy(&rest[..length]).into_owned()));
            at += length;
        } else if byte.is_ascii_digit() || (byte == b'.' && rest.get(1).is_some_and(u8::is_ascii_digit)) {
            let (number, length) = number(rest)?;
            tokens.push(Token::Number(number));
            at += length;
        } else if matches!(byte, b'\'' | b'"') {
            let (text, length) = quoted(rest)?;
            tokens.push(Token::Text(text));
            at += length;
        } else if let Some(level) = long_bracket(rest) {
            let (text, length) = long(rest, level)?;
            tokens.push(Token::Text(text));
            at += length;
        } else if let Some(symbol) = SYMBOLS.into_iter().find(|symbol| rest.starts_with(symbol.as_bytes())) {
            tokens.push(Token::Symbol(symbol));
            at += symbol.len();
        } else {
            let character = String::from_utf8_lossy(rest).chars().next().unwrap_or_default();
            return Err(format!("unexpected character '{character}'"));
        }
    }
    Ok(tokens)
}

fn length_while(text: &[u8], is: impl Fn(u8) -> bool) -> usize {
    text.iter().take_while(|byte| is(**byte)).count()
}

fn number(text: &[u8]) -> Result<(f64, usize), String> {
    let mut length = length_while(text, |byte| byte.is_ascii_alphanumeric() || byte == b'.');
    let hexadecimal = text.len() > 1 && matches!(text[1], b'x' | b'X');
    let exponent = !hexadecimal && matches!(text[length - 1], b'e' | b'E');
    if exponent && matches!(text.get(length), Some(b'+' | b'-')) {
        length += 1 + length_while(&text[length + 1..], |byte| byte.is_ascii_digit());
    }
    // `1..2` is a malformed number in Lua, too.
    let written = String::from_utf8_lossy(&text[..length]);
    let number = crate::number::parse(&written).ok_or_else(|| format!("malformed number near '{written}'"))?;
    Ok((number, length))
}

fn quoted(text: &[u8]) -> Result<(Vec<u8>, usize), String> {
    let unfinished = || "unfinished string".to_owned();
    let mut out = Vec::new();
    let mut at = 1;
    loop {
        let byte = *text.get(at).ok_or_else(unfinished)?;
        at += 1;
        match byte {
            b'\n' => return Err(unfinished()),
            b'\\' => {
                let escaped = *text.get(at).ok_or_else(unfinished)?;
                at += 1;
                match escaped {
                    b'a' => out.push(7),
                    b'b' => out.push(8),
                    b'f' => out.push(12),
                    b'n' => out.push(b'\n'),
                    b'r' => out.push(b'\r'),
                    b't' => out.push(b'\t'),
                    b'v' => out.push(11),
                    b'x' => {
                        let digits = text.get(at..at + 2).and_then(|digits| std::str::from_utf8(digits).ok());
                        let code = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
                        out.push(code.ok_or("invalid escape sequence")?);
                        at += 2;
                    }
                    b'0'..=b'9' => {
                        let length = length_while(&text[at - 1..], |byte| byte.is_ascii_digit()).min(3);
                        let code = text[at - 1..at - 1 + length].iter();
                        let code = code.fold(0_u32, |code, digit| code * 10 + u32::from(digit - b'0'));
                        out.push(u8::try_from(code).map_err(|_| "escape sequence too large")?);
                        at += length - 1;
                    }
                    other => out.push(other),
                }
            }
            byte if byte == text[0] => return Ok((out, at)),
            other => out.push(other),
        }
    }
}

/// The number of `=` in an opening long bracket.
fn long_bracket(text: &[u8]) -> Option<usize> {
    let level = length_while(text.strip_prefix(b"[")?, |byte| byte == b'=');
    (text.get(level + 1) == Some(&b'[')).then_some(level)
}

fn long(text: &[u8], level: usize) -> Result<(Vec<u8>, usize), String> {
    let end = [b"]".as_slice(), &b"=".repeat(level), b"]"].concat();
    let inner = &text[level + 2..];
    let length = inner.windows(end.len()).position(|window| window == end).ok_or("unfinished long string")?;
    let content = &inner[..length];
    Ok((content.strip_prefix(b"\n").unwrap_or(content).to_vec(), level + 2 + length + end.len()))
}
