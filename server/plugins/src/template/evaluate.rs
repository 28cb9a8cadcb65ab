//! Lua expressions, evaluated over a request.

use super::environment::{Environment, Table};
use super::strings;
use super::syntax::{Binary, Expression, Unary};
use crate::number;
use std::borrow::Cow;

/// The longest text an expression may make, in bytes.
pub(super) const TEXT_LIMIT: usize = 64 << 10;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value<'e> {
    Nil,
    Boolean(bool),
    Number(f64),
    Text(Cow<'e, [u8]>),
    /// Several values of one name.
    List(Vec<Value<'e>>),
    Table(Table),
    /// `type`
    TypeOf,
}

impl Value<'_> {
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Nil => "nil",
            Self::Boolean(_) => "boolean",
            Self::Number(_) => "number",
            Self::Text(_) => "string",
            Self::List(_) | Self::Table(_) => "table",
            Self::TypeOf => "function",
        }
    }

    fn is_true(&self) -> bool {
        !matches!(self, Self::Nil | Self::Boolean(false))
    }

    /// As `tostring` writes it; of what has no text of its own the type.
    pub(super) fn text(&self) -> Cow<'_, [u8]> {
        match self {
            Self::Text(text) => Cow::Borrowed(text),
            Self::Number(number) => Cow::Owned(number::text(*number).into_bytes()),
            Self::Boolean(yes) => Cow::Borrowed(if *yes { b"true" } else { b"false" }),
            other => Cow::Borrowed(other.type_name().as_bytes()),
        }
    }

    pub(super) fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(text) => std::str::from_utf8(text).ok().and_then(number::parse),
            _ => None,
        }
    }
}

/// The value of an expression; the parser has bounded its depth.
pub(super) fn evaluate<'e>(expression: &'e Expression, environment: &Environment<'e>) -> Result<Value<'e>, String> {
    let value = |inner: &'e Expression| evaluate(inner, environment);
    Ok(match expression {
        Expression::Nil => Value::Nil,
        Expression::Boolean(yes) => Value::Boolean(*yes),
        Expression::Number(number) => Value::Number(*number),
        Expression::Text(text) => Value::Text(Cow::Borrowed(text)),
        Expression::Name(name) if name == "type" => Value::TypeOf,
        Expression::Name(name) => Environment::table(name).map_or(Value::Nil, Value::Table),
        Expression::Index(table, key) => index(value(table)?, &value(key)?, environment)?,
        Expression::Call(function, arguments) => match value(function)? {
            Value::TypeOf => {
                let argument = arguments.first().ok_or("bad argument #1 to 'type' (value expected)")?;
                Value::Text(Cow::Borrowed(value(argument)?.type_name().as_bytes()))
            }
            other => return Err(format!("attempt to call a {} value", other.type_name())),
        },
        Expression::Method(object, name, arguments) => {
            let object = value(object)?;
            let arguments = arguments.iter().map(value).collect::<Result<Vec<_>, _>>()?;
            match &object {
                Value::Text(text) => strings::call(text, name, &arguments)?,
                Value::Number(number) => strings::call(number::text(*number).as_bytes(), name, &arguments)?,
                other => return Err(format!("attempt to index a {} value", other.type_name())),
            }
        }
        Expression::Unary(operator, operand) => unary(*operator, &value(operand)?)?,
        Expression::Binary(Binary::Or, left, right) => match value(left)? {
            left if left.is_true() => left,
            _ => value(right)?,
        },
        Expression::Binary(Binary::And, left, right) => match value(left)? {
            left if left.is_true() => value(right)?,
            left => left,
        },
        Expression::Binary(operator, left, right) => binary(*operator, &value(left)?, &value(right)?)?,
    })
}

fn index<'e>(table: Value<'e>, key: &Value<'_>, environment: &Environment<'e>) -> Result<Value<'e>, String> {
    match table {
        Value::Table(table) => Ok(environment.get(table, key)),
        Value::List(mut values) => match key {
            Value::Number(at) if *at >= 1.0 && at.fract() == 0.0 && *at <= values.len() as f64 => {
                Ok(values.swap_remove(*at as usize - 1))
            }
            _ => Ok(Value::Nil),
        },
        Value::Text(_) => Ok(Value::Nil),
        other => Err(format!("attempt to index a {} value", other.type_name())),
    }
}

fn unary(operator: Unary, operand: &Value<'_>) -> Result<Value<'static>, String> {
    Ok(match (operator, operand) {
        (Unary::Not, operand) => Value::Boolean(!operand.is_true()),
        (Unary::Length, Value::Text(text)) => Value::Number(text.len() as f64),
        (Unary::Length, Value::List(values)) => Value::Number(values.len() as f64),
        (Unary::Length, Value::Table(_)) => Value::Number(0.0),
        (Unary::Length, other) => return Err(format!("attempt to get length of a {} value", other.type_name())),
        (Unary::Minus, operand) => Value::Number(-arithmetic_operand(operand)?),
    })
}

fn arithmetic_operand(value: &Value<'_>) -> Result<f64, String> {
    value.number().ok_or_else(|| format!("attempt to perform arithmetic on a {} value", value.type_name()))
}

fn binary(operator: Binary, left: &Value<'_>, right: &Value<'_>) -> Result<Value<'static>, String> {
    let arithmetic = |of: fn(f64, f64) -> f64| -> Result<Value<'static>, String> {
        Ok(Value::Number(of(arithmetic_operand(left)?, arithmetic_operand(right)?)))
    };
    match operator {
        Binary::Or | Binary::And => Ok(Value::Nil),
        Binary::Equal => Ok(Value::Boolean(left == right)),
        Binary::NotEqual => Ok(Value::Boolean(left != right)),
        Binary::Less => less(left, right),
        Binary::Greater => less(right, left),
        Binary::LessOrEqual => negated(less(right, left)),
        Binary::GreaterOrEqual => negated(less(left, right)),
        Binary::Concatenate => {
            for side in [left, right] {
                if !matches!(side, Value::Text(_) | Value::Number(_)) {
                    return Err(format!("attempt to concatenate a {} value", side.type_name()));
                }
            }
            let text = [left.text(), right.text()].concat();
            if text.len() > TEXT_LIMIT {
                return Err("resulting string too large".to_owned());
            }
            Ok(Value::Text(Cow::Owned(text)))
        }
        Binary::Add => arithmetic(|a, b| a + b),
        Binary::Subtract => arithmetic(|a, b| a - b),
        Binary::Multiply => arithmetic(|a, b| a * b),
        Binary::Divide => arithmetic(|a, b| a / b),
        Binary::Modulo => arithmetic(|a, b| a - (a / b).floor() * b),
        Binary::Power => arithmetic(f64::powf),
    }
}

fn negated(value: Result<Value<'static>, String>) -> Result<Value<'static>, String> {
    value.map(|value| Value::Boolean(!value.is_true()))
}

fn less(left: &Value<'_>, right: &Value<'_>) -> Result<Value<'static>, String> {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => Ok(Value::Boolean(left < right)),
        (Value::Text(left), Value::Text(right)) => Ok(Value::Boolean(left < right)),
        _ if left.type_name() == right.type_name() => {
            Err(format!("attempt to compare two {} values", left.type_name()))
        }
        _ => Err(format!("attempt to compare {} with {}", left.type_name(), right.type_name())),
    }
}
