//! Statements that nobody waits for the answer of.

use crate::transaction::Transaction;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement, Values};

/// The longest text that statements are joined to, in bytes; SQLite takes a million.
const TEXT: usize = 32 * 1024;

/// Statements to run before anything is read. SQLite's driver hands each statement to a thread and its answer back, which
/// costs more than most statements: there, they go in one.
#[derive(Default)]
pub(crate) struct Later(Vec<Statement>);

impl Later {
    /// Has a statement run with the others, in the order they came.
    pub(crate) fn push(&mut self, statement: Statement) {
        self.0.push(statement);
    }

    /// Runs them.
    pub(crate) async fn run(&mut self, db: &Transaction) -> Result<(), DbErr> {
        for statement in std::mem::take(self).statements(db.get_database_backend()) {
            db.execute_raw(statement).await?;
        }
        Ok(())
    }

    /// What is to be run, as few statements as the database takes it in.
    pub(crate) fn statements(self, backend: DbBackend) -> Vec<Statement> {
        joined(backend, self.0)
    }
}

fn joined(backend: DbBackend, statements: Vec<Statement>) -> Vec<Statement> {
    if backend != DbBackend::Sqlite {
        return statements;
    }
    let mut out: Vec<Statement> = Vec::new();
    for statement in statements {
        match out.last_mut() {
            Some(last) if last.sql.len() + statement.sql.len() < TEXT => {
                last.sql.push_str("; ");
                last.sql.push_str(&statement.sql);
                let values = last.values.get_or_insert_with(|| Values(Vec::new()));
                values.0.extend(statement.values.into_iter().flat_map(|values| values.0));
            }
            _ => out.push(statement),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statement(sql: &str, values: &[i64]) -> Statement {
        Statement::from_sql_and_values(DbBackend::Sqlite, sql, values.iter().map(|value| (*value).into()))
    }

    #[test]
    fn what_is_joined_keeps_its_order_and_values() {
        let all =
            joined(DbBackend::Sqlite, vec![statement("a ?, ?", &[1, 2]), statement("b", &[]), statement("c ?", &[3])]);
        let [one] = all.as_slice() else { panic!("{all:?}") };
        assert_eq!(one.sql, "a ?, ?; b; c ?");
        assert_eq!(one.values.as_ref().map(|values| values.0.len()), Some(3));
    }

    #[test]
    fn what_is_long_goes_by_itself() {
        let long = "x".repeat(TEXT);
        let all = joined(DbBackend::Sqlite, vec![statement("a", &[]), statement(&long, &[]), statement("b", &[])]);
        assert_eq!(all.len(), 3);
        let all = joined(DbBackend::Postgres, vec![statement("a", &[]), statement("b", &[])]);
        assert_eq!(all.len(), 2);
    }
}
