//! Statements that nobody waits for the answer of.

use crate::connection::Executor;
use crate::failure::Fault;
use crate::transaction::Transaction;
use sea_orm::Statement;

/// Statements to run before anything is read, or with the end of the transaction.
#[derive(Default)]
pub(crate) struct Later(Vec<Statement>);

impl Later {
    /// Has a statement run with the others, in the order they came.
    pub(crate) fn push(&mut self, statement: Statement) {
        self.0.push(statement);
    }

    /// Runs them.
    pub(crate) async fn run(&mut self, db: &Transaction) -> Result<(), Fault> {
        for statement in std::mem::take(&mut self.0) {
            db.run(statement).await?;
        }
        Ok(())
    }

    /// What is to be run.
    pub(crate) fn statements(self) -> Vec<Statement> {
        self.0
    }
}
