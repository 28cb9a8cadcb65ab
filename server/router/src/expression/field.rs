//! Fields: their names, types and subsystems, and the checks of predicates against them (`router.md` §7).

use super::tree::{Node, Operator, Predicate, Value};
use crate::route::Subsystem;

/// What a predicate looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    Protocol,
    Sni,
    Method,
    Host,
    Path,
    /// The segments from the first to the second, both from 0, joined by `/`.
    Segments(usize, usize),
    SegmentCount,
    Header(String),
    Query(String),
    SourceAddress,
    SourcePort,
    DestinationAddress,
    DestinationPort,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Type {
    Text,
    Number,
    Address,
    Network,
}

/// Gives every predicate its field, or says with Kong's sentence why it cannot have one.
pub(super) fn resolve(node: Node<&str>, subsystem: Subsystem) -> Result<Node, String> {
    let mut malformed = false;
    let resolved = resolve_node(node, subsystem, &mut malformed)?;
    // Segment names are looked into only after everything else is in order.
    if malformed { Err("illformed http.path.segments.* field".to_owned()) } else { Ok(resolved) }
}

fn resolve_node(node: Node<&str>, subsystem: Subsystem, malformed: &mut bool) -> Result<Node, String> {
    let mut each = |nodes: Vec<Node<&str>>| {
        nodes.into_iter().map(|node| resolve_node(node, subsystem, malformed)).collect::<Result<Vec<_>, _>>()
    };
    Ok(match node {
        Node::All(nodes) => Node::All(each(nodes)?),
        Node::Any(nodes) => Node::Any(each(nodes)?),
        Node::Not(inner) => Node::Not(Box::new(resolve_node(*inner, subsystem, malformed)?)),
        Node::Test(Predicate { field: name, lower, any, operator, value }) => {
            let kind = type_of(name, subsystem).ok_or("Unknown LHS field")?;
            check(kind, lower, operator, &value)?;
            let field = field(name).unwrap_or_else(|| {
                *malformed = true;
                Field::Path
            });
            Node::Test(Predicate { field, lower, any, operator, value })
        }
    })
}

fn check(field: Type, lower: bool, operator: Operator, value: &Value) -> Result<(), String> {
    let value = match value {
        Value::Text(_) | Value::Pattern(_) => Type::Text,
        Value::Number(_) => Type::Number,
        Value::Address(_) => Type::Address,
        Value::Network(_) => Type::Network,
    };
    let untyped = matches!(operator, Operator::Matches | Operator::In | Operator::NotIn);
    let wrong = if !untyped && field != value {
        Some("Type mismatch between the LHS and RHS values of predicate")
    } else if lower && field != Type::Text {
        Some("lower-case transformation function only supported with String type fields")
    } else {
        match operator {
            Operator::Equals | Operator::Differs => None,
            Operator::Matches => (field != Type::Text).then_some("Regex operators only supports string operands"),
            Operator::Prefix | Operator::Suffix => {
                (value != Type::Text).then_some("Regex/Prefix/Postfix operators only supports string operands")
            }
            Operator::Contains => (value != Type::Text).then_some("Contains operator only supports string operands"),
            Operator::Greater | Operator::GreaterOrEqual | Operator::Less | Operator::LessOrEqual => (value
                != Type::Number)
                .then_some("Greater/GreaterOrEqual/Lesser/LesserOrEqual operators only supports integer operands"),
            Operator::In | Operator::NotIn => ((field, value) != (Type::Address, Type::Network))
                .then_some("In/NotIn operators only supports IP in CIDR"),
        }
    };
    wrong.map_or(Ok(()), |message| Err(message.to_owned()))
}

fn type_of(name: &str, subsystem: Subsystem) -> Option<Type> {
    match name {
        "net.protocol" | "tls.sni" => return Some(Type::Text),
        "net.src.ip" | "net.dst.ip" => return Some(Type::Address),
        "net.src.port" | "net.dst.port" | "net.port" => return Some(Type::Number),
        _ if subsystem == Subsystem::Stream => return None,
        "http.method" | "http.host" | "http.path" => return Some(Type::Text),
        "http.path.segments.len" => return Some(Type::Number),
        _ => {}
    }
    let (group, _) = name.rsplit_once('.')?;
    matches!(group, "http.path.segments" | "http.headers" | "http.queries").then_some(Type::Text)
}

/// None for a malformed `http.path.segments.*`.
fn field(name: &str) -> Option<Field> {
    Some(match name {
        "net.protocol" => Field::Protocol,
        "tls.sni" => Field::Sni,
        "net.src.ip" => Field::SourceAddress,
        "net.src.port" => Field::SourcePort,
        "net.dst.ip" => Field::DestinationAddress,
        "net.dst.port" | "net.port" => Field::DestinationPort,
        "http.method" => Field::Method,
        "http.host" => Field::Host,
        "http.path" => Field::Path,
        "http.path.segments.len" => Field::SegmentCount,
        _ => {
            if let Some(header) = name.strip_prefix("http.headers.") {
                return Some(Field::Header(header.to_owned()));
            }
            if let Some(query) = name.strip_prefix("http.queries.") {
                return Some(Field::Query(query.to_owned()));
            }
            let segments = name.strip_prefix("http.path.segments.")?;
            match segments.split_once('_') {
                Some((first, last)) => {
                    let (first, last) = (index(first)?, index(last)?);
                    if first >= last {
                        return None;
                    }
                    Field::Segments(first, last)
                }
                None => {
                    let at = index(segments)?;
                    Field::Segments(at, at)
                }
            }
        }
    })
}

/// A number without leading zeros.
fn index(text: &str) -> Option<usize> {
    let canonical =
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if canonical { text.parse().ok() } else { None }
}
