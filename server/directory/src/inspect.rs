//! Looking at what is kept by the names that Kong gives its cache: `entity:key:::::workspace`.

use crate::cache::Known;
use crate::keys::Wanted;
use crate::people::People;
use exchange::{Consumer, Credential};
use serde_json::{Map, Value, json};
use uuid::Uuid;

impl People {
    /// What is kept under a name: an entity, a list of them, `{}` where it is known that there is nothing; `None` where
    /// nothing is known.
    pub fn inspect(&self, name: &str) -> Option<Value> {
        let known = self.wanted(name).into_iter().find_map(|wanted| self.kept_as(&wanted))?;
        Some(match known {
            Known::Nobody => Value::Object(Map::new()),
            Known::Named(id) => json!({ "id": id }),
            Known::Consumer(consumer) => shown(&consumer),
            Known::Credential(credential) => row(&credential),
            Known::Several(all) => all.iter().map(|credential| row(credential)).collect(),
        })
    }

    /// Forgets what is kept under a name.
    pub fn forget_named(&self, name: &str) {
        for wanted in self.wanted(name) {
            self.forget_one(&wanted);
        }
    }

    /// What a name may stand for.
    fn wanted<'n>(&self, name: &'n str) -> Vec<Wanted<'n>> {
        let parts = name.split_once(':').and_then(|(entity, rest)| Some((entity, rest.rsplit_once(":::::")?)));
        let Some((entity, (key, ws))) = parts else { return Vec::new() };
        let Ok(ws) = ws.parse::<Uuid>() else { return Vec::new() };
        let id = key.parse::<Uuid>().ok();
        if entity == "consumers" {
            let by_id = id.map(|id| Wanted::Consumer(ws, id));
            return by_id.into_iter().chain([Wanted::Username(ws, key), Wanted::CustomId(ws, key)]).collect();
        }
        let Some(entity) = self.entity(entity) else { return Vec::new() };
        let by_id = id.map(|id| [Wanted::ById(ws, entity, id), Wanted::OfConsumer(ws, entity, id)]);
        [Wanted::Credential(ws, entity, key)].into_iter().chain(by_id.into_iter().flatten()).collect()
    }
}

fn shown(consumer: &Consumer) -> Value {
    json!({
        "id": consumer.id,
        "username": consumer.username.as_deref(),
        "custom_id": consumer.custom_id.as_deref(),
        "tags": consumer.tags.iter().map(|tag| &**tag).collect::<Vec<_>>(),
        "created_at": consumer.created_at,
        "updated_at": consumer.updated_at,
    })
}

fn row(credential: &Credential) -> Value {
    Value::Object(credential.record.clone())
}
