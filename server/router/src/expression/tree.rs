//! The parsed form, which is also the one that is evaluated.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::expression::{Field, Trace, evaluate};
use crate::pattern::Pattern;
use crate::request::Request;

/// A valid expression.
#[derive(Clone, Debug)]
pub struct Expression {
    pub(crate) root: Node,
}

impl Expression {
    /// Whether a request satisfies it.
    pub fn holds<R: Request + ?Sized>(&self, request: &R) -> bool {
        evaluate(&self.root, request, &mut Trace::default())
    }
}

/// An expression over fields `F`: by name as parsed, resolved once validated.
#[derive(Clone, Debug)]
pub(crate) enum Node<F = Field> {
    All(Vec<Node<F>>),
    Any(Vec<Node<F>>),
    Not(Box<Node<F>>),
    Test(Predicate<F>),
}

#[derive(Clone, Debug)]
pub(crate) struct Predicate<F = Field> {
    pub(crate) field: F,
    /// `lower()`: the value is compared in lower case.
    pub(crate) lower: bool,
    /// `any()`: one of several values is enough.
    pub(crate) any: bool,
    pub(crate) operator: Operator,
    pub(crate) value: Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Equals,
    Differs,
    Matches,
    Prefix,
    Suffix,
    Contains,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    In,
    NotIn,
}

#[derive(Clone, Debug)]
pub(crate) enum Value {
    Text(String),
    Number(i64),
    Address(IpAddr),
    Network(IpNet),
    Pattern(Pattern),
}
