//! Consumers and credentials in memory, by what clients present.

use exchange::{Consumer, Credential, Directory, Lookup};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;
use uuid::Uuid;

type Index<K, V> = HashMap<K, V, foldhash::fast::RandomState>;

/// What belongs to one workspace.
#[derive(Default)]
struct Workspace {
    consumers: Index<Uuid, Arc<Consumer>>,
    usernames: Index<Arc<str>, Arc<Consumer>>,
    custom_ids: Index<Arc<str>, Arc<Consumer>>,
    credentials: Index<&'static str, Index<Box<str>, Arc<Credential>>>,
    of_consumer: Index<&'static str, Index<Uuid, Vec<Arc<Credential>>>>,
}

/// Everyone a node knows.
#[derive(Default)]
pub struct People(Index<Uuid, Workspace>);

impl People {
    /// Adds a Consumer.
    pub fn add_consumer(&mut self, ws: Uuid, consumer: Consumer) {
        let workspace = self.0.entry(ws).or_default();
        let consumer = Arc::new(consumer);
        if let Some(username) = &consumer.username {
            workspace.usernames.insert(username.clone(), consumer.clone());
        }
        if let Some(custom_id) = &consumer.custom_id {
            workspace.custom_ids.insert(custom_id.clone(), consumer.clone());
        }
        workspace.consumers.insert(consumer.id, consumer);
    }

    /// Adds a credential under the value of its endpoint key, where it has one.
    pub fn add_credential(&mut self, ws: Uuid, key: Option<&str>, credential: Credential) {
        let workspace = self.0.entry(ws).or_default();
        let credential = Arc::new(credential);
        if let Some(consumer) = credential.consumer {
            let of = workspace.of_consumer.entry(credential.entity).or_default();
            of.entry(consumer).or_default().push(credential.clone());
        }
        if let Some(key) = key {
            workspace.credentials.entry(credential.entity).or_default().insert(key.into(), credential);
        }
    }
}

impl Directory for People {
    fn consumer(&self, ws: Uuid, id: Uuid) -> Lookup<Arc<Consumer>> {
        Lookup::Known(self.0.get(&ws).and_then(|workspace| workspace.consumers.get(&id)).cloned())
    }

    fn consumer_by_username(&self, ws: Uuid, username: &str) -> Lookup<Arc<Consumer>> {
        Lookup::Known(self.0.get(&ws).and_then(|workspace| workspace.usernames.get(username)).cloned())
    }

    fn consumer_by_custom_id(&self, ws: Uuid, custom_id: &str) -> Lookup<Arc<Consumer>> {
        Lookup::Known(self.0.get(&ws).and_then(|workspace| workspace.custom_ids.get(custom_id)).cloned())
    }

    fn credential(&self, ws: Uuid, entity: &'static str, key: &str) -> Lookup<Arc<Credential>> {
        let of = self.0.get(&ws).and_then(|workspace| workspace.credentials.get(entity));
        Lookup::Known(of.and_then(|of| of.get(key)).filter(|credential| live(credential)).cloned())
    }

    /// Searched for: without a database hardly anything refers to a credential.
    fn credential_by_id(&self, ws: Uuid, entity: &'static str, id: Uuid) -> Lookup<Arc<Credential>> {
        let of = self.0.get(&ws).and_then(|workspace| workspace.credentials.get(entity));
        let found = of.and_then(|of| of.values().find(|credential| credential.id == id));
        Lookup::Known(found.filter(|credential| live(credential)).cloned())
    }

    fn of_consumer(&self, ws: Uuid, entity: &'static str, consumer: Uuid) -> Lookup<Vec<Arc<Credential>>> {
        let of = self.0.get(&ws).and_then(|workspace| workspace.of_consumer.get(entity));
        let all = of.and_then(|of| of.get(&consumer)).into_iter().flatten();
        Lookup::Known(Some(all.filter(|credential| live(credential)).cloned().collect()))
    }
}

/// Whether a credential still exists. The clock is asked only for those with a time to live.
fn live(credential: &Credential) -> bool {
    credential.expires.is_none() || {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        !credential.expired(i64::try_from(now.as_secs()).unwrap_or(i64::MAX))
    }
}
