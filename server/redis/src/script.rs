//! What is said to a server: scripts that run as one, and how their answers are read.

use exchange::counters::Taken;
use exchange::redis::{RedisError, RemoteCounter, Reply};
use redis::aio::MultiplexedConnection;
use redis::{Cmd, RedisError as Failure, Script, Value};
use std::sync::LazyLock;

/// KEYS: counters. ARGV: limit and lifetime of each. One unit of each, or of none; whether it was taken, and the
/// counts before.
static TAKE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local answer = {1}
for i, key in ipairs(KEYS) do
  local count = redis.call('GET', key) or '0'
  local number = tonumber(count)
  if not number then return redis.error_reply('ERR ' .. key .. ' is not a counter') end
  answer[i + 1] = number
  if number >= tonumber(ARGV[2 * i - 1]) then answer[1] = 0 end
end
if answer[1] == 1 then
  for i, key in ipairs(KEYS) do
    if redis.call('INCRBY', key, 1) == 1 then redis.call('EXPIRE', key, ARGV[2 * i]) end
  end
end
return answer",
    )
});

/// KEYS: a mark, then counters. ARGV: the mark's value and its lifetime, then amount and lifetime of each counter.
/// Adds, unless the mark has that value already: then these amounts were added before and only the answer was lost. An
/// empty mark is none. The counts after; nothing for a key that is no counter.
static ADD: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local add = true
if ARGV[1] ~= '' then
  add = redis.call('GET', KEYS[1]) ~= ARGV[1]
  if add then redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2]) end
end
local counts = {}
for i = 2, #KEYS do
  local key, amount = KEYS[i], ARGV[2 * i - 1]
  local count
  if add and amount ~= '0' then
    count = redis.pcall('INCRBY', key, amount)
    if count == tonumber(amount) then redis.call('EXPIRE', key, ARGV[2 * i]) end
  else
    count = redis.pcall('GET', key) or 0
  end
  counts[i - 1] = tonumber(type(count) ~= 'table' and count or nil) or false
end
return counts",
    )
});

/// KEYS: a counter. ARGV: an amount. Adds it, where the counter is there. Sent whole each time: asking by its digest first
/// would, on a server that does not know it, let what is asked afterwards go before.
const ADD_IF_THERE: &str =
    "if redis.call('EXISTS', KEYS[1]) == 1 then return redis.call('INCRBY', KEYS[1], ARGV[1]) end";

/// Something to say.
pub(crate) enum Command {
    /// A command in words.
    Words(Vec<Vec<u8>>),
    /// Take one unit of each.
    Take(Vec<RemoteCounter>),
    /// Add to a counter that is there: what is no longer counted is over.
    AddIfThere(RemoteCounter, i64),
    /// Add to each; once only, where there is a mark.
    Add(Option<Mark>, Vec<(RemoteCounter, i64)>),
}

/// Tells the server which amounts it has already added.
#[derive(Clone, Debug)]
pub(crate) struct Mark {
    /// Its key.
    pub name: String,
    /// Its value: differs between any two additions that follow each other.
    pub value: u64,
}

/// Seconds a mark is remembered: longer than a node that cannot reach the server goes on trying with sense.
const REMEMBERED: u64 = 86_400;

impl Command {
    /// Says it and waits for the answer.
    pub(crate) async fn run(&self, connection: &mut MultiplexedConnection) -> Result<Value, Failure> {
        match self {
            Self::Words(words) => {
                let mut command = Cmd::new();
                for word in words {
                    command.arg(word.as_slice());
                }
                command.query_async(connection).await
            }
            Self::Take(counters) => {
                let mut call = TAKE.prepare_invoke();
                for counter in counters {
                    call.key(counter.name.as_slice()).arg(counter.limit).arg(counter.lifetime);
                }
                call.invoke_async(connection).await
            }
            Self::AddIfThere(counter, amount) => {
                let mut command = Cmd::new();
                command.arg("EVAL").arg(ADD_IF_THERE).arg(1).arg(counter.name.as_slice()).arg(*amount);
                command.query_async(connection).await
            }
            Self::Add(mark, amounts) => {
                let mut call = ADD.prepare_invoke();
                match mark {
                    Some(mark) => call.key(mark.name.as_str()).arg(mark.value).arg(REMEMBERED),
                    None => call.key("").arg("").arg(0),
                };
                for (counter, amount) in amounts {
                    call.key(counter.name.as_slice()).arg(*amount).arg(counter.lifetime);
                }
                call.invoke_async(connection).await
            }
        }
    }
}

fn strange(value: &Value) -> RedisError {
    RedisError::new(format_args!("the Redis server gave an answer that makes no sense: {value:?}"))
}

/// The answer to [`Command::Take`].
pub(crate) fn taken(value: Value, counters: usize) -> Result<Taken, RedisError> {
    let Value::Array(items) = &value else { return Err(strange(&value)) };
    let numbers: Option<Vec<i64>> = items.iter().map(integer).collect();
    match numbers.as_deref() {
        Some([granted, used @ ..]) if used.len() == counters => {
            Ok(Taken { granted: *granted == 1, used: used.iter().map(|count| unsigned(*count)).collect() })
        }
        _ => Err(strange(&value)),
    }
}

/// The answer to [`Command::Add`]: the counts, with nothing for a key that is no counter.
pub(crate) fn counts(value: Value, counters: usize) -> Result<Vec<Option<i64>>, RedisError> {
    match &value {
        Value::Array(items) if items.len() == counters => Ok(items.iter().map(integer).collect()),
        _ => Err(strange(&value)),
    }
}

/// A count as others read it; the server's may have gone below zero by hand.
pub(crate) fn unsigned(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0)
}

fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Int(number) => Some(*number),
        _ => None,
    }
}

/// Any answer.
pub(crate) fn reply(value: Value) -> Reply {
    match value {
        Value::Nil => Reply::Nil,
        Value::Int(number) => Reply::Integer(number),
        Value::Boolean(yes) => Reply::Integer(yes.into()),
        Value::BulkString(bytes) => Reply::Bytes(bytes),
        Value::Okay => Reply::Bytes(b"OK".to_vec()),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => Reply::Bytes(text.into_bytes()),
        Value::Array(items) | Value::Set(items) => Reply::Array(items.into_iter().map(reply).collect()),
        Value::Map(pairs) => {
            Reply::Array(pairs.into_iter().flat_map(|(key, value)| [reply(key), reply(value)]).collect())
        }
        // Answers of newer protocols, which this connection does not speak.
        other => Reply::Bytes(format!("{other:?}").into_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_or_refused() {
        let array = |numbers: &[i64]| Value::Array(numbers.iter().copied().map(Value::Int).collect());
        let yes = taken(array(&[1, 4, 0]), 2).expect("an answer");
        assert!(yes.granted && yes.used.as_slice() == [4, 0]);
        let no = taken(array(&[0, -3]), 1).expect("an answer");
        assert!(!no.granted && no.used.as_slice() == [0]);
        for wrong in [Value::Nil, array(&[]), array(&[1]), Value::Array(vec![Value::Int(1), Value::Nil])] {
            assert!(taken(wrong, 1).is_err());
        }
        assert_eq!(counts(Value::Array(vec![Value::Int(3), Value::Nil]), 2), Ok(vec![Some(3), None]));
        assert!(counts(array(&[1]), 2).is_err() && counts(Value::Okay, 0).is_err());
        let nested = Value::Array(vec![Value::Nil, Value::Okay, Value::BulkString(vec![7])]);
        assert_eq!(reply(nested), Reply::Array(vec![Reply::Nil, Reply::Bytes(b"OK".to_vec()), Reply::Bytes(vec![7])]));
    }
}
