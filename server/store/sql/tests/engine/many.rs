//! Many records.

use crate::postgres;
use crate::support::{batch, insert, open};
use std::collections::BTreeSet;
use store::{Batch, Filter, Operation, Query, Record, Store, TagFilter, conformance};
use store_sql::{Database, Sqlite};
use uuid::Uuid;

fn parents(count: u128) -> Vec<Record> {
    (1..=count)
        .map(|number| {
            // Spread over the key space.
            let mut record = conformance::parent(
                number.wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C834),
                &format!("p{number}"),
            );
            record.value.insert("tags".into(), serde_json::json!(["all", format!("t{}", number % 100)]));
            record
        })
        .collect()
}

#[tokio::test]
async fn ten_thousand_records_load_page_and_go() {
    for database in [Database::Sqlite(Sqlite::memory()), postgres::empty()] {
        let store = open(database, conformance::catalog());
        let records = parents(10_000);
        store.apply(Batch::replace_all(records.clone())).await.expect("loads");
        let mut query =
            Query { entity: "parents", ws: records[0].ws, after: None, size: 999, filter: Filter::default() };
        let mut seen: Vec<Uuid> = Vec::new();
        loop {
            let page = store.page(&query).await.expect("reads");
            seen.extend(page.records.iter().filter_map(|record| record.id.uuid()));
            query.after = page.next;
            if query.after.is_none() {
                break;
            }
        }
        let all: BTreeSet<Uuid> = records.iter().filter_map(|record| record.id.uuid()).collect();
        assert_eq!(seen, all.into_iter().collect::<Vec<_>>());
        query.filter.tags = Some(TagFilter::All(vec!["t7".into(), "all".into()]));
        assert_eq!(store.page(&query).await.expect("reads").records.len(), 100);
        query.filter.tags = Some(TagFilter::Any(vec!["t7".into(), "t8".into()]));
        assert_eq!(store.page(&query).await.expect("reads").records.len(), 200);
        // One by one in one batch, and away again.
        store.apply(Batch::replace_all(vec![])).await.expect("empties");
        store.apply(insert(records[..2000].to_vec())).await.expect("inserts");
        assert_eq!(store.view().await.expect("reads").len(), 2000);
        let gone = records[..2000].iter().map(|record| Operation::Delete { entity: "parents", id: record.id.clone() });
        store.apply(batch(gone.collect())).await.expect("deletes");
        assert_eq!(store.view().await.expect("reads").len(), 0);
    }
}
