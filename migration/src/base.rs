//! The tables that belong to no kind: the revision, the change log, and tags.

use crate::table::{Kind, WORKSPACE};
use sea_orm_migration::prelude::*;

/// One row: the newest revision, and the newest one whose entries have left the change log.
pub const REVISION: &str = "silverback_revision";
/// The change log.
pub const CHANGES: &str = "silverback_changes";
/// Which record carries which tag.
pub const TAGS: &str = "silverback_tags";

/// Makes the tables of this module.
pub(crate) struct Base;

impl MigrationName for Base {
    fn name(&self) -> &str {
        "core/000_base"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Base {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let backend = manager.get_database_backend();
        let column = |name: &'static str, kind: Kind| ColumnDef::new(name).custom(kind.sql(backend)).take();
        let needed = |name: &'static str, kind: Kind| column(name, kind).not_null().take();

        let revision = Table::create()
            .table(REVISION)
            .col(needed("id", Kind::Integer).primary_key())
            .col(needed("revision", Kind::Integer))
            .col(needed("forgotten", Kind::Integer))
            .take();
        manager.create_table(revision).await?;
        let row = Query::insert()
            .into_table(REVISION)
            .columns(["id", "revision", "forgotten"])
            .values_panic([1_i64.into(), 0_i64.into(), 0_i64.into()])
            .take();
        manager.execute(row).await?;

        let changes = Table::create()
            .table(CHANGES)
            .col(needed("revision", Kind::Integer))
            .col(needed("position", Kind::Integer))
            .col(needed("at", Kind::Integer))
            .col(needed("author", Kind::Text))
            .col(needed("request_id", Kind::Text))
            // Null in an entry that says that everything was replaced.
            .col(column("entity", Kind::Text))
            .col(column("record_id", Kind::Text))
            .col(needed(WORKSPACE, Kind::Uuid))
            .col(column("before", Kind::Json))
            .col(column("after", Kind::Json))
            .primary_key(Index::create().col("revision").col("position"))
            .take();
        manager.create_table(changes).await?;

        let tags = Table::create()
            .table(TAGS)
            .col(needed("entity", Kind::Text))
            .col(needed("tag", Kind::Text))
            .col(needed(WORKSPACE, Kind::Uuid))
            .col(needed("record_id", Kind::Uuid))
            .primary_key(Index::create().col("entity").col("tag").col(WORKSPACE).col("record_id"))
            .take();
        manager.create_table(tags).await?;
        let by_record =
            Index::create().name("silverback_tags_record_idx").table(TAGS).col("record_id").col("entity").take();
        manager.create_index(by_record).await
    }
}
