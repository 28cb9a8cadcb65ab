use super::*;
use entities::{Definitions, Flavor, PluginSchemas, VaultSchemas};
use store::{Batch, Memory};

fn kinds() -> Kinds {
    let definitions =
        Definitions::new(PluginSchemas::default(), VaultSchemas::default(), Flavor::TraditionalCompatible, true);
    Kinds::new(Arc::new(definitions))
}

/// The entities of a file, with random ids where it gives none: as clients of the Admin API make them.
fn stored(kinds: &Kinds, document: &Value) -> Arc<View> {
    let mut records = declarative::load(document, kinds, now()).expect("a valid file").records;
    let mut ids: HashMap<(usize, Id), Id> = HashMap::new();
    for record in &mut records {
        let position = kinds.position(record.entity).expect("a kind");
        point(kinds, position, record, &ids);
        if kinds.get(position).has_id && record.entity != "workspaces" {
            let new = Id::Uuid(Uuid::new_v4());
            ids.insert((position, record.id.clone()), new.clone());
            record.value.insert("id".to_owned(), new.to_string().into());
            record.id = new;
        }
        transform(kinds, record);
    }
    let store = Memory::new(kinds.catalog().clone());
    store.commit(Batch::replace_all(records)).expect("a consistent file");
    store.current()
}

fn plan(kinds: &Kinds, view: &View, document: &Value, reads: impl Fn(&Record) -> bool) -> Plan {
    let mut document = document.clone();
    document["_transform"] = false.into();
    let records = declarative::load(&document, kinds, now()).expect("a valid file").records;
    let named = document.get("_workspace").and_then(Value::as_str);
    let mut file = placed(records, view, DEFAULT_WORKSPACE, named).expect("the file's workspace");
    file.transforms = true;
    Plan::of(kinds, view, file, reads)
}

fn told(plan: &Plan) -> Vec<String> {
    plan.deltas
        .iter()
        .map(|delta| {
            let name =
                delta.record().and_then(|record| ["name", "username", "key"].iter().find_map(|f| record.text(f)));
            format!("{} {} {}", delta.action().name(), delta.entity, name.unwrap_or("-"))
        })
        .collect()
}

fn base() -> Value {
    json!({
        "_format_version": "3.0", "_transform": false,
        "services": [{"name": "s", "host": "h.test", "routes": [
            {"name": "r", "paths": ["/a"]}, {"paths": ["/b"]}, {"paths": ["/c"]},
        ]}],
        "consumers": [{
            "username": "ann",
            "basicauth_credentials": [{"username": "ann", "password": "pw"}],
            "keyauth_credentials": [{"key": "k", "ttl": 600}],
            "acls": [{"group": "staff"}],
        }],
        "upstreams": [{"name": "u.test", "targets": [{"target": "a.test:1"}, {"target": "b.test:1"}]}],
    })
}

#[test]
fn what_is_there_already_is_no_change_whatever_its_ids() {
    let kinds = kinds();
    let view = stored(&kinds, &base());
    let plan = plan(&kinds, &view, &base(), |_| true);
    assert_eq!(told(&plan), Vec::<String>::new());
    assert_eq!(plan.unchanged, 11);
}

#[test]
fn what_comes_changes_and_goes_is_told_in_order() {
    let kinds = kinds();
    let view = stored(&kinds, &base());
    let file = json!({
        "_format_version": "3.0",
        "services": [
            {"name": "s", "host": "other.test", "retries": 7, "routes": [{"name": "r", "paths": ["/a"]}, {"paths": ["/c"]}]},
            {"name": "new", "host": "new.test"},
        ],
        "consumers": [{"username": "ann", "basicauth_credentials": [{"username": "ann", "password": "other"}]}],
    });
    let plan = plan(&kinds, &view, &file, |_| true);
    let mut found = told(&plan);
    found.sort();
    let mut wanted = vec![
        "update services s",
        "create services new",
        "update basicauth_credentials ann",
        "delete routes -",
        "delete keyauth_credentials k",
        "delete acls -",
        "delete upstreams u.test",
        "delete targets -",
        "delete targets -",
    ];
    wanted.sort_unstable();
    assert_eq!(found, wanted);
    let positions = |entity: &str| plan.deltas.iter().position(|delta| delta.entity == entity && delta.after.is_none());
    assert!(positions("targets") < positions("upstreams"), "children go first");
    let masks = Masks::new(Arc::new(super::tests::kinds()), Exclusion::standard());
    let shown = plan.shown(&masks);
    assert_eq!(shown["summary"], json!({"create": 1, "update": 2, "delete": 6, "unchanged": 3}));
    let changes = shown["changes"].as_array().expect("a list");
    let of = |entity: &str| changes.iter().find(|change| change["entity"] == entity && change["operation"] == "update");
    assert_eq!(of("services").expect("the Service")["fields"], json!(["host", "retries"]));
    let credential = of("basicauth_credentials").expect("the credential");
    assert_eq!(credential["fields"], json!(["password"]));
    assert!(credential["before"].get("password").is_none() && credential["after"].get("password").is_none());
}

#[test]
fn what_may_not_be_read_is_not_told() {
    let kinds = kinds();
    let view = stored(&kinds, &base());
    let empty = json!({"_format_version": "3.0"});
    let plan = plan(&kinds, &view, &empty, |record| record.entity != "consumers" && record.entity != "services");
    let found = told(&plan);
    assert!(found.iter().all(|line| !line.contains("consumers") && !line.contains("services")), "{found:?}");
    assert!(found.contains(&"delete upstreams u.test".to_owned()), "{found:?}");
}

#[test]
fn a_workspace_that_is_not_there_comes_with_all_that_is_in_it() {
    let kinds = kinds();
    let view = stored(&kinds, &base());
    let file = json!({"_format_version": "3.0", "_workspace": "team", "services": [{"name": "s", "host": "h.test"}]});
    let plan = plan(&kinds, &view, &file, |_| true);
    assert_eq!(told(&plan), ["create workspaces team", "create services s"]);
    assert!(placed(Vec::new(), &view, Uuid::from_u128(7), Some("team")).is_ok());
}
