//! MessagePack-RPC as plugin servers speak it: `[0, id, method, [argument]]` and `[1, id, error, result]`.

use rmpv::Value;
use rmpv::decode::read_value_with_max_depth;
use std::io::ErrorKind;

/// The deepest message.
const DEPTH: usize = 64;
/// The largest message, in bytes.
pub const LARGEST: usize = 16 << 20;

/// Why a message cannot be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// No MessagePack, or nested too deeply.
    #[error("the message is no MessagePack of at most {DEPTH} levels")]
    Malformed,
    /// MessagePack, but no answer.
    #[error("the message is no answer of MessagePack-RPC")]
    NoReply,
    /// Bytes of no message of Protocol Buffers.
    #[error("the message is none of Protocol Buffers")]
    NoMessage,
    /// The same, where a function of the kit is given its arguments.
    #[error("the message holds no arguments of that function")]
    NoArguments,
    /// More than [`LARGEST`].
    #[error("the message has more than {LARGEST} bytes")]
    TooLarge,
}

/// An answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// That of the request.
    pub id: u64,
    /// The result, or what the server says went wrong.
    pub result: Result<Value, String>,
}

/// A request, encoded.
pub fn request(id: u64, method: &str, argument: Option<Value>) -> Vec<u8> {
    let arguments = argument.into_iter().collect();
    let message = Value::Array(vec![0.into(), id.into(), method.into(), Value::Array(arguments)]);
    let mut out = Vec::new();
    // Writing to memory does not fail.
    let _ = rmpv::encode::write_value(&mut out, &message);
    out
}

/// The first answer of what was received, and how many bytes it takes; none where it is not there whole.
///
/// # Errors
/// What else it is.
pub fn reply(received: &[u8]) -> Result<Option<(Reply, usize)>, WireError> {
    let mut rest = received;
    let message = match read_value_with_max_depth(&mut rest, DEPTH) {
        Ok(message) => message,
        Err(error) if error.kind() == ErrorKind::UnexpectedEof && received.len() < LARGEST => return Ok(None),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Err(WireError::TooLarge),
        Err(_) => return Err(WireError::Malformed),
    };
    let used = received.len() - rest.len();
    let Value::Array(parts) = message else { return Err(WireError::NoReply) };
    let Ok([kind, id, error, result]) = <[Value; 4]>::try_from(parts) else { return Err(WireError::NoReply) };
    match (kind.as_u64(), id.as_u64()) {
        (Some(1), Some(id)) => {
            let result = if error.is_nil() { Ok(result) } else { Err(text(&error)) };
            Ok(Some((Reply { id, result }, used)))
        }
        _ => Err(WireError::NoReply),
    }
}

/// A value as text for people.
pub fn text(value: &Value) -> String {
    match value {
        Value::String(text) => String::from_utf8_lossy(text.as_bytes()).into_owned(),
        Value::Binary(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        other => other.to_string(),
    }
}

/// A map of these members.
pub fn map<const N: usize>(members: [(&str, Value); N]) -> Value {
    Value::Map(members.into_iter().map(|(name, value)| (name.into(), value)).collect())
}

/// A member of a map; nil where there is none.
pub fn member<'v>(map: &'v Value, name: &str) -> &'v Value {
    let members = map.as_map().map_or(&[][..], Vec::as_slice);
    members.iter().find(|(key, _)| key.as_str() == Some(name)).map_or(&Value::Nil, |(_, value)| value)
}

/// The method by which the answer of a function of the kit goes to the plugin: servers of typed languages read each
/// shape otherwise.
pub fn step(function: &str) -> &'static str {
    match function {
        "kong.client.get_credential" => "plugin.StepCredential",
        "kong.client.get_consumer" | "kong.client.load_consumer" => "plugin.StepConsumer",
        "kong.node.get_memory_stats" => "plugin.StepMemoryStats",
        "kong.request.get_headers"
        | "kong.request.get_query"
        | "kong.response.get_headers"
        | "kong.service.response.get_headers" => "plugin.StepMultiMap",
        "kong.router.get_route" => "plugin.StepRoute",
        "kong.router.get_service" => "plugin.StepService",
        _ => "plugin.Step",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encoded(message: &Value) -> Vec<u8> {
        let mut out = Vec::new();
        rmpv::encode::write_value(&mut out, message).expect("memory");
        out
    }

    #[test]
    fn requests_are_messagepack() {
        assert_eq!(
            request(7, "plugin.CloseInstance", Some(3.into())),
            [&[0x94, 0, 7, 0xb4][..], b"plugin.CloseInstance", &[0x91, 3]].concat()
        );
        assert_eq!(request(0, "p", None), [0x94, 0, 0, 0xa1, b'p', 0x90]);
    }

    #[test]
    fn answers_are_read() {
        let told = |error: Value, result: Value| Value::Array(vec![1.into(), 5.into(), error, result]);
        let cases = [
            (told(Value::Nil, "ret".into()), Ok(Ok("ret".into()))),
            (told("no".into(), Value::Nil), Ok(Err("no".to_owned()))),
            (Value::Array(vec![2.into(), "method".into(), Value::Nil]), Err(WireError::NoReply)),
            (Value::Array(vec![0.into(), 5.into(), Value::Nil, Value::Nil]), Err(WireError::NoReply)),
            ("text".into(), Err(WireError::NoReply)),
        ];
        for (message, expected) in cases {
            let read = reply(&encoded(&message)).map(|found| found.expect("whole").0.result);
            assert_eq!(read, expected, "{message}");
        }
        assert_eq!(reply(&[0x91; 200]), Err(WireError::Malformed));
        assert_eq!(reply(&[0xc1]), Err(WireError::NoReply));
    }

    #[test]
    fn members_are_found() {
        let value = map([("EventId", 4.into()), ("Data", "ret".into())]);
        assert_eq!((member(&value, "EventId"), member(&value, "x")), (&4.into(), &Value::Nil));
        assert_eq!(member(&Value::Nil, "x"), &Value::Nil);
    }

    proptest! {
        #[test]
        fn nothing_received_is_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = reply(&bytes);
        }

        #[test]
        fn an_answer_in_pieces_is_the_same_answer(id in 0_u64..1 << 40, text in ".{0,40}", cut in 0_usize..60) {
            let message = encoded(&Value::Array(vec![1.into(), id.into(), Value::Nil, text.clone().into()]));
            let cut = cut.min(message.len() - 1);
            prop_assert_eq!(reply(&message[..cut]), Ok(None));
            let more = [&message[..], &message[..cut]].concat();
            let whole = Reply { id, result: Ok(text.into()) };
            prop_assert_eq!(reply(&more), Ok(Some((whole, message.len()))));
        }
    }
}
