//! The migration of one kind's table: makes it, or adds what it lacks.

use crate::table::{Column, EXPIRES, Foreign, Kind, REST, Table, WORKSPACE};
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use sea_orm_migration::prelude::{ColumnDef, DbErr, Index, MigrationName, MigrationTrait, SchemaManager, Table as Sql};

/// Brings one table into its shape.
pub(crate) struct Shape {
    pub(crate) table: Table,
    pub(crate) version: String,
}

impl MigrationName for Shape {
    fn name(&self) -> &str {
        &self.version
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Shape {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if manager.has_table(&self.table.name).await? {
            self.complete(manager).await?;
        } else {
            self.create(manager).await?;
        }
        self.indexes(manager).await
    }
}

impl Shape {
    async fn create(&self, manager: &SchemaManager<'_>) -> Result<(), DbErr> {
        let backend = manager.get_database_backend();
        let table = &self.table;
        let mut sql = Sql::create();
        // Ordered by bytes everywhere: pages must not depend on a database's locale.
        let key = match table.key.kind {
            Kind::Text if backend == DbBackend::Postgres => "text COLLATE \"C\"",
            kind => kind.sql(backend),
        };
        let name = table.key.name.clone();
        sql.table(table.name.clone()).col(ColumnDef::new(name).custom(key).not_null().primary_key());
        sql.col(ColumnDef::new(WORKSPACE).custom(Kind::Uuid.sql(backend)).not_null());
        for column in &table.columns {
            sql.col(ColumnDef::new(column.name.clone()).custom(column.kind.sql(backend)));
        }
        sql.col(ColumnDef::new(EXPIRES).custom(Kind::Integer.sql(backend)));
        sql.col(ColumnDef::new(REST).custom(Kind::Json.sql(backend)));
        if backend == DbBackend::Postgres {
            return manager.create_table(sql).await;
        }
        // SQLite has constraints only in the definition of a table; the other table may follow later. The statement is
        // completed by hand, since the builder cannot say `DEFERRABLE`.
        let mut text = backend.build(&sql).sql;
        let closing = text.rfind(')').ok_or_else(|| DbErr::Migration(format!("unexpected statement {text}")))?;
        let constraints: String =
            table.foreign.iter().map(|foreign| format!(", {}", self.constraint(foreign))).collect();
        text.insert_str(closing, &constraints);
        manager.get_connection().execute_unprepared(&text).await.map(drop)
    }

    /// Adds the columns that an earlier shape did not have. None is ever taken away: older nodes may still use it.
    async fn complete(&self, manager: &SchemaManager<'_>) -> Result<(), DbErr> {
        let backend = manager.get_database_backend();
        let there = columns(manager, &self.table.name).await?;
        for column in &self.table.columns {
            let wanted = column.kind.sql(backend);
            match there.iter().find(|(name, _)| *name == column.name) {
                Some((_, kind)) if kind.eq_ignore_ascii_case(wanted) => {}
                Some((_, kind)) => {
                    return Err(DbErr::Migration(format!(
                        "the column '{}' of '{}' is {kind} and should be {wanted}: a migration of its own has to convert it",
                        column.name, self.table.name
                    )));
                }
                None => self.add(manager, column).await?,
            }
        }
        Ok(())
    }

    async fn add(&self, manager: &SchemaManager<'_>, column: &Column) -> Result<(), DbErr> {
        let backend = manager.get_database_backend();
        let (table, name) = (&self.table.name, &column.name);
        let mut text = format!("ALTER TABLE {} ADD COLUMN {} {}", quote(table), quote(name), column.kind.sql(backend));
        let foreign = self.table.foreign.iter().find(|foreign| foreign.column == *name);
        if let Some(foreign) = foreign
            && backend == DbBackend::Sqlite
        {
            text.push_str(&format!(
                " REFERENCES {} ({}) DEFERRABLE INITIALLY DEFERRED",
                quote(&foreign.table),
                quote(&foreign.key)
            ));
        }
        manager.get_connection().execute_unprepared(&text).await.map(drop)
    }

    fn constraint(&self, foreign: &Foreign) -> String {
        format!(
            "CONSTRAINT {} FOREIGN KEY ({}) REFERENCES {} ({}) DEFERRABLE INITIALLY DEFERRED",
            quote(&self.table.foreign_name(foreign)),
            quote(&foreign.column),
            quote(&foreign.table),
            quote(&foreign.key)
        )
    }

    async fn indexes(&self, manager: &SchemaManager<'_>) -> Result<(), DbErr> {
        let table = &self.table;
        let plain = |name: &str, columns: &[&str]| {
            let mut index = Index::create();
            index.name(table.index_name(name)).table(table.name.clone()).if_not_exists();
            for column in columns {
                index.col((*column).to_owned());
            }
            index
        };
        manager.create_index(plain("page", &[WORKSPACE, &table.key.name])).await?;
        for foreign in &table.foreign {
            manager.create_index(plain(&foreign.column, &[&foreign.column, &table.key.name])).await?;
        }
        let connection = manager.get_connection();
        let expiring = format!(
            "CREATE INDEX IF NOT EXISTS {} ON {} ({EXPIRES}) WHERE {EXPIRES} IS NOT NULL",
            quote(&table.index_name("ttl")),
            quote(&table.name)
        );
        connection.execute_unprepared(&expiring).await?;
        let postgres = manager.get_database_backend() == DbBackend::Postgres;
        for unique in &table.unique {
            let column = |column: &String| match unique.nulls && !postgres {
                // SQLite takes nulls for different; no value of ours is an empty blob.
                true => format!("ifnull({}, x'')", quote(column)),
                false => quote(column),
            };
            let scope = (!unique.across_workspaces).then(|| quote(WORKSPACE));
            let columns: Vec<String> = scope.into_iter().chain(unique.columns.iter().map(column)).collect();
            let text = format!(
                "CREATE UNIQUE INDEX IF NOT EXISTS {} ON {} ({}){}",
                quote(&table.unique_name(unique)),
                quote(&table.name),
                columns.join(", "),
                if unique.nulls && postgres { " NULLS NOT DISTINCT" } else { "" }
            );
            connection.execute_unprepared(&text).await?;
        }
        Ok(())
    }

    /// Adds the constraints that PostgreSQL wants both tables for.
    pub(crate) async fn references(&self, manager: &SchemaManager<'_>) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        if connection.get_database_backend() != DbBackend::Postgres {
            return Ok(());
        }
        for foreign in &self.table.foreign {
            let known = Statement::from_sql_and_values(
                DbBackend::Postgres,
                "SELECT 1 AS found FROM pg_constraint c JOIN pg_namespace n ON n.oid = c.connamespace \
                 WHERE n.nspname = current_schema() AND c.conname = $1",
                [self.table.foreign_name(foreign).into()],
            );
            if connection.query_one_raw(known).await?.is_some() || !manager.has_table(&foreign.table).await? {
                continue;
            }
            let text = format!("ALTER TABLE {} ADD {}", quote(&self.table.name), self.constraint(foreign));
            connection.execute_unprepared(&text).await?;
        }
        Ok(())
    }
}

/// The columns of a table as the database has them: name and type.
async fn columns(manager: &SchemaManager<'_>, table: &str) -> Result<Vec<(String, String)>, DbErr> {
    let backend = manager.get_database_backend();
    let text = match backend {
        DbBackend::Postgres => {
            "SELECT column_name::text AS name, data_type::text AS kind FROM information_schema.columns \
             WHERE table_schema = current_schema() AND table_name = $1"
        }
        _ => "SELECT name, type AS kind FROM pragma_table_info($1)",
    };
    let rows =
        manager.get_connection().query_all_raw(Statement::from_sql_and_values(backend, text, [table.into()])).await?;
    rows.iter().map(|row| Ok((row.try_get_by_index(0)?, row.try_get_by_index(1)?))).collect()
}

/// An identifier in SQL.
pub(crate) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
