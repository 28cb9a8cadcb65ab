//! Rows of answers.

use rusqlite::types::{FromSql, Value, ValueRef};
use sea_orm::{DbErr, QueryResult, TryGetable};

/// A row.
pub(crate) enum Row {
    /// SeaORM's.
    Postgres(QueryResult),
    /// The values of SQLite's columns.
    Sqlite(Vec<Value>),
}

impl Row {
    /// What a column holds, by its place from 0.
    ///
    /// # Errors
    /// Where there is no such column, or its value is not of this type.
    pub(crate) fn get<T: FromSql + TryGetable>(&self, index: usize) -> Result<T, DbErr> {
        match self {
            Self::Postgres(row) => row.try_get_by_index(index),
            Self::Sqlite(values) => {
                let value = values.get(index).ok_or_else(|| DbErr::Type(format!("a row has no column {index}")))?;
                T::column_result(ValueRef::from(value)).map_err(|error| DbErr::Type(format!("column {index}: {error}")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn columns_are_read_as_what_they_are() {
        let id = Uuid::from_u128(7);
        let blob = Value::Blob(id.as_bytes().to_vec());
        let row = Row::Sqlite(vec![Value::Integer(1), Value::Text("a".into()), Value::Null, Value::Real(0.5), blob]);
        assert_eq!(row.get::<i64>(0), Ok(1));
        assert_eq!(row.get::<bool>(0), Ok(true));
        // A number without a fraction is kept as an integer.
        assert_eq!(row.get::<f64>(0), Ok(1.0));
        assert_eq!(row.get::<f64>(3), Ok(0.5));
        assert_eq!(row.get::<Option<String>>(1), Ok(Some("a".into())));
        assert_eq!(row.get::<Option<String>>(2), Ok(None));
        assert_eq!(row.get::<Option<Uuid>>(4), Ok(Some(id)));
        assert!(row.get::<i64>(2).is_err() && row.get::<i64>(1).is_err() && row.get::<i64>(5).is_err());
    }
}
