//! Syntax errors in the form users of Kong know: where, the line, a pointer, what was expected.

/// What the grammar can expect, in the order in which reports name them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rule {
    End,
    Ident,
    Rhs,
    TransformFunc,
    Lhs,
    IntLiteral,
    HexDigits,
    OctDigits,
    DecDigits,
    StrLiteral,
    StrChar,
    StrEsc,
    RawstrLiteral,
    RawstrChar,
    Ipv4Literal,
    Ipv6Literal,
    Ipv4CidrLiteral,
    Ipv6CidrLiteral,
    BinaryOperator,
    AndOp,
    OrOp,
    NotOp,
    Predicate,
    ParenthesisedExpression,
    Term,
    Expression,
}

impl Rule {
    fn name(self) -> &'static str {
        match self {
            Self::End => "EOI",
            Self::Ident => "ident",
            Self::Rhs => "rhs",
            Self::TransformFunc => "transform_func",
            Self::Lhs => "lhs",
            Self::IntLiteral => "int_literal",
            Self::HexDigits => "hex_digits",
            Self::OctDigits => "oct_digits",
            Self::DecDigits => "dec_digits",
            Self::StrLiteral => "str_literal",
            Self::StrChar => "str_char",
            Self::StrEsc => "str_esc",
            Self::RawstrLiteral => "rawstr_literal",
            Self::RawstrChar => "rawstr_char",
            Self::Ipv4Literal => "ipv4_literal",
            Self::Ipv6Literal => "ipv6_literal",
            Self::Ipv4CidrLiteral => "ipv4_cidr_literal",
            Self::Ipv6CidrLiteral => "ipv6_cidr_literal",
            Self::BinaryOperator => "binary_operator",
            Self::AndOp => "and_op",
            Self::OrOp => "or_op",
            Self::NotOp => "not_op",
            Self::Predicate => "predicate",
            Self::ParenthesisedExpression => "parenthesised_expression",
            Self::Term => "term",
            Self::Expression => "expression",
        }
    }
}

/// Names the expected rules: `a`, `a or b`, `a, b, or c`.
pub(super) fn expected(rules: &[Rule]) -> String {
    let mut rules = rules.to_vec();
    rules.sort_unstable();
    rules.dedup();
    let names: Vec<&str> = rules.into_iter().map(Rule::name).collect();
    match names.as_slice() {
        [] => "unknown parsing error".to_owned(),
        [one] => format!("expected {one}"),
        [one, two] => format!("expected {one} or {two}"),
        [many @ .., last] => format!("expected {}, or {last}", many.join(", ")),
    }
}

/// A report on one position of `text`.
pub(super) fn at(text: &str, position: usize, message: &str) -> String {
    let (line, column) = line_column(text, position);
    let shown = show(line_around(text, position), text[position..].starts_with(['\n', '\r']));
    let pad = " ".repeat(line.to_string().len());
    let pointer = format!("{}^---", indent(&shown, column - 1));
    format!("{pad}--> {line}:{column}\n{pad} |\n{line} | {shown}\n{pad} | {pointer}\n{pad} |\n{pad} = {message}")
}

/// A report on a stretch of `text`.
pub(super) fn over(text: &str, start: usize, end: usize, message: &str) -> String {
    let (line, column) = line_column(text, start);
    let (end_line, end_column) = line_column(text, end);
    let shown = show(line_around(text, start), text[start..end].ends_with(['\n', '\r']));
    let pad = " ".repeat(line.to_string().len().max(end_line.to_string().len()));
    let width = pad.len();
    // A stretch over several lines may end left of where it began: the pointer then spans both ends.
    let (from, to) = if column > end_column { (end_column - 1, column + 1) } else { (column, end_column) };
    let length = to.saturating_sub(from);
    let pointer = match length {
        0 | 1 => "^".to_owned(),
        _ => format!("^{}^", "-".repeat(length - 2)),
    };
    let pointer = format!("{}{pointer}", indent(&shown, from.saturating_sub(1)));
    let mut lines = format!("{line:width$} | {shown}");
    if end_line > line {
        if end_line - line > 1 {
            lines.push_str(&format!("\n{pad} | ..."));
        }
        lines.push_str(&format!("\n{end_line:width$} | {}", show(line_around(text, end), false)));
    }
    format!("{pad}--> {line}:{column}\n{pad} |\n{lines}\n{pad} | {pointer}\n{pad} |\n{pad} = {message}")
}

/// Both counted from 1, columns in characters; `\r\n` ends a line as `\n` does.
fn line_column(text: &str, position: usize) -> (usize, usize) {
    let before = &text[..position];
    let line = before.matches('\n').count() + 1;
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (line, before[start..].chars().count() + 1)
}

fn line_around(text: &str, position: usize) -> &str {
    let start = text[..position].rfind('\n').map_or(0, |newline| newline + 1);
    let end = text[position..].find('\n').map_or(text.len(), |newline| position + newline + 1);
    &text[start..end]
}

/// Line breaks are left out, or drawn where the report points at one.
fn show(line: &str, breaks: bool) -> String {
    if breaks { line.replace('\n', "␊").replace('\r', "␍") } else { line.replace(['\r', '\n'], "") }
}

fn indent(line: &str, columns: usize) -> String {
    line.chars().take(columns).map(|c| if c == '\t' { '\t' } else { ' ' }).collect()
}
