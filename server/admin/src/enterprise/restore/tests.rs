use super::*;
use entities::{DEFAULT_WORKSPACE, Definitions, Flavor, PluginSchemas, VaultSchemas};
use proptest::prelude::*;
use serde_json::Map;
use std::collections::BTreeMap;
use store::{Batch, Memory};
use uuid::Uuid;

fn kinds() -> Kinds {
    let definitions =
        Definitions::new(PluginSchemas::default(), VaultSchemas::default(), Flavor::TraditionalCompatible, true);
    Kinds::new(Arc::new(definitions))
}

fn id(entity: &str, number: usize) -> Id {
    Id::Uuid(Uuid::new_v5(&Uuid::nil(), format!("{entity}{number}").as_bytes()))
}

fn record(entity: &'static str, number: usize, fields: Value) -> Record {
    let id = id(entity, number);
    let mut value = Map::from_iter([("id".to_owned(), Value::from(id.to_string()))]);
    value.extend(fields.as_object().cloned().unwrap_or_default());
    Record { entity, id, ws: Some(DEFAULT_WORKSPACE), value, expires: None }
}

/// For each of four Services its place among the names, if it is there; the same for four Routes, with their Service.
type Shape = (Vec<Option<usize>>, Vec<Option<(usize, usize)>>);

fn shape() -> impl Strategy<Value = Shape> {
    let names = Just(vec![0usize, 1, 2, 3]).prop_shuffle();
    let there = || proptest::collection::vec(any::<bool>(), 4);
    (names.clone(), there(), names, there(), proptest::collection::vec(0usize..4, 4)).prop_map(
        |(services, is_service, routes, is_route, parents)| {
            let services: Vec<Option<usize>> =
                services.into_iter().zip(is_service).map(|(name, there)| there.then_some(name)).collect();
            let routes = routes.into_iter().zip(is_route).zip(parents);
            let routes =
                routes.map(|((name, there), parent)| (there && services[parent].is_some()).then_some((name, parent)));
            let routes = routes.collect();
            (services, routes)
        },
    )
}

fn records((services, routes): &Shape) -> Vec<Record> {
    let services = services.iter().enumerate().filter_map(|(number, name)| {
        name.map(|name| record("services", number, json!({"name": format!("s{name}"), "host": "h"})))
    });
    let routes = routes.iter().enumerate().filter_map(|(number, route)| {
        route.map(|(name, parent)| {
            let service = json!({"id": id("services", parent).to_string()});
            record("routes", number, json!({"name": format!("r{name}"), "service": service}))
        })
    });
    services.chain(routes).collect()
}

fn by_id(records: impl IntoIterator<Item = Arc<Record>>) -> BTreeMap<(&'static str, Id), Arc<Record>> {
    records.into_iter().map(|record| ((record.entity, record.id.clone()), record)).collect()
}

fn all(view: &View) -> BTreeMap<(&'static str, Id), Arc<Record>> {
    by_id(["services", "routes"].into_iter().flat_map(|entity| view.all(entity).cloned().collect::<Vec<_>>()))
}

proptest! {
    #[test]
    fn any_state_is_reached_from_any_other_in_one_batch(now in shape(), past in shape()) {
        let kinds = kinds();
        let store = Memory::new(kinds.catalog().clone());
        store.commit(Batch::replace_all(records(&now))).expect("a consistent state");
        let view = store.current();
        let wanted = by_id(records(&past).into_iter().map(Arc::new));
        let present = all(&view);
        let keys: std::collections::BTreeSet<_> = wanted.keys().chain(present.keys()).cloned().collect();
        let deltas: Vec<Delta> = keys
            .into_iter()
            .map(|key| {
                let (before, after) = (present.get(&key).cloned(), wanted.get(&key).cloned());
                Delta { entity: key.0, id: key.1, before, after }
            })
            .filter(|delta| delta.before != delta.after)
            .collect();
        let operations = ordered(&kinds, &view, &deltas);
        let done = store.commit(Batch { operations, ..Batch::default() });
        prop_assert!(done.is_ok(), "{done:?}");
        prop_assert_eq!(all(&store.current()), wanted);
    }
}

#[test]
fn a_trusted_certificate_stays() {
    let kinds = kinds();
    let certificate = Record { ws: None, ..record("ca_certificates", 1, json!({})) };
    let service = record("services", 1, json!({"name": "s", "ca_certificates": [certificate.id.to_string()]}));
    let store = Memory::new(kinds.catalog().clone());
    store.commit(Batch::replace_all(vec![certificate.clone(), service.clone()])).expect("a consistent state");
    let gone = |record: &Record| Delta {
        entity: record.entity,
        id: record.id.clone(),
        before: Some(Arc::new(record.clone())),
        after: None,
    };
    let view = store.current();
    assert!(check_trust(&view, &[gone(&certificate)]).is_err());
    assert_eq!(check_trust(&view, &[gone(&certificate), gone(&service)]), Ok(()));
}
