//! Running a statement.

use crate::failure::Fault;
use crate::row::Row;
use rusqlite::types::{ToSqlOutput, Value as Held, ValueRef};
use rusqlite::{CachedStatement, Connection};
use sea_orm::{DbErr, Statement, Value};
use std::time::{Duration, Instant};

/// The pauses between attempts: the first, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(50));

/// Tries until the database is not locked by another process any more, or for so long.
pub(crate) async fn patiently<T>(
    patience: Duration,
    mut attempt: impl FnMut() -> Result<T, Fault>,
) -> Result<T, Fault> {
    let (mut begun, mut pause) = (None, PAUSES.0);
    loop {
        match attempt() {
            Err(fault) if fault.is_busy() && begun.get_or_insert_with(Instant::now).elapsed() < patience => {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(PAUSES.1);
            }
            done => return done,
        }
    }
}

/// The rows of a statement.
pub(crate) fn all(connection: &Connection, statement: &Statement) -> Result<Vec<Row>, Fault> {
    let mut prepared = bound(connection, statement)?;
    let width = prepared.column_count();
    let (mut rows, mut found) = (prepared.raw_query(), Vec::new());
    while let Some(row) = rows.next()? {
        let values = (0..width).map(|index| held(row.get_ref(index)?));
        found.push(Row::Sqlite(values.collect::<Result<_, Fault>>()?));
    }
    Ok(found)
}

fn bound<'c>(connection: &'c Connection, statement: &Statement) -> Result<CachedStatement<'c>, Fault> {
    let mut prepared = connection.prepare_cached(&statement.sql)?;
    for (index, value) in statement.values.iter().flat_map(|values| &values.0).enumerate() {
        // SQLite counts from 1.
        prepared.raw_bind_parameter(index + 1, output(value)?)?;
    }
    Ok(prepared)
}

/// As SQLite takes it.
fn output(value: &Value) -> Result<ToSqlOutput<'_>, DbErr> {
    let given = match value {
        Value::Bool(given) => given.map(|given| ValueRef::Integer(given.into())),
        Value::Int(given) => given.map(|given| ValueRef::Integer(given.into())),
        Value::BigInt(given) => given.map(ValueRef::Integer),
        Value::BigUnsigned(given) => {
            let fits = |given| i64::try_from(given).map_err(|_| DbErr::Type(format!("{given} is too large")));
            given.map(fits).transpose()?.map(ValueRef::Integer)
        }
        Value::Double(given) => given.map(ValueRef::Real),
        Value::String(given) => given.as_ref().map(|given| ValueRef::Text(given.as_bytes())),
        Value::Bytes(given) => given.as_deref().map(ValueRef::Blob),
        Value::Uuid(given) => given.as_ref().map(|given| ValueRef::Blob(given.as_bytes())),
        other => return Err(DbErr::Type(format!("SQLite is not given values like {other:?}"))),
    };
    Ok(ToSqlOutput::Borrowed(given.unwrap_or(ValueRef::Null)))
}

/// A copy that outlives the step.
fn held(value: ValueRef<'_>) -> Result<Held, Fault> {
    Held::try_from(value).map_err(|error| DbErr::Type(error.to_string()).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::ErrorCode;
    use rusqlite::ffi;
    use sea_orm::DbBackend;
    use uuid::Uuid;

    fn asked(values: Vec<Value>) -> Result<Vec<Row>, Fault> {
        let connection = Connection::open_in_memory().expect("opens");
        let marks = vec!["?"; values.len()].join(", ");
        all(&connection, &Statement::from_sql_and_values(DbBackend::Sqlite, format!("SELECT {marks}"), values))
    }

    #[test]
    fn what_goes_in_comes_out() {
        let id = Uuid::from_u128(9);
        let given: [Value; 7] =
            [true.into(), 7_i64.into(), 8_u64.into(), 0.5.into(), "a\u{e000}".into(), id.into(), vec![1_u8].into()];
        let rows = asked(given.to_vec()).expect("answers");
        let [row] = rows.as_slice() else { panic!("one row") };
        assert_eq!((row.get(0), row.get(1), row.get(2)), (Ok(true), Ok(7_i64), Ok(8_i64)));
        assert_eq!((row.get(3), row.get::<String>(4), row.get(5)), (Ok(0.5), Ok("a\u{e000}".into()), Ok(id)));
        assert_eq!(row.get::<Vec<u8>>(6), Ok(vec![1]));
        let nothing = [Value::Bool(None), Value::BigInt(None), Value::Double(None), Value::String(None)];
        let rows = asked(nothing.to_vec()).expect("answers");
        assert!((0..4).all(|index| rows[0].get::<Option<String>>(index) == Ok(None)));
    }

    #[test]
    fn what_sqlite_has_no_place_for_is_refused() {
        for (value, told) in [(Value::from(u64::MAX), "too large"), (Value::from('a'), "not given values like")] {
            let Err(Fault::Orm(DbErr::Type(text))) = asked(vec![value]).map(drop) else { panic!("refused") };
            assert!(text.contains(told), "{text}");
        }
    }

    fn busy() -> Fault {
        let cause = ffi::Error { code: ErrorCode::DatabaseBusy, extended_code: ffi::SQLITE_BUSY_RECOVERY };
        rusqlite::Error::SqliteFailure(cause, None).into()
    }

    #[tokio::test]
    async fn a_lock_is_tried_until_it_is_free_or_time_is_up() {
        let mut left = 3;
        let tried = patiently(Duration::from_secs(1), || {
            left -= 1;
            if left > 0 { Err(busy()) } else { Ok(left) }
        });
        assert!(matches!(tried.await, Ok(0)));
        let mut count = 0;
        let tried = patiently(Duration::ZERO, || {
            count += 1;
            Err::<(), _>(busy())
        });
        assert!(tried.await.is_err_and(|fault| fault.is_busy()));
        assert_eq!(count, 1);
        let other = patiently(Duration::from_secs(1), || Err::<(), _>(DbErr::Type("no".into()).into()));
        assert!(other.await.is_err_and(|fault| !fault.is_busy()));
    }
}
