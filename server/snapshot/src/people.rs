//! Consumers and credentials in memory, by what clients present.

use exchange::{Consumer, Credential};
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

    pub(crate) fn consumer(&self, ws: Uuid, id: Uuid) -> Option<Arc<Consumer>> {
        self.0.get(&ws)?.consumers.get(&id).cloned()
    }

    pub(crate) fn by_username(&self, ws: Uuid, username: &str) -> Option<Arc<Consumer>> {
        self.0.get(&ws)?.usernames.get(username).cloned()
    }

    pub(crate) fn by_custom_id(&self, ws: Uuid, custom_id: &str) -> Option<Arc<Consumer>> {
        self.0.get(&ws)?.custom_ids.get(custom_id).cloned()
    }

    pub(crate) fn credential(&self, ws: Uuid, entity: &str, key: &str) -> Option<Arc<Credential>> {
        let credential = self.0.get(&ws)?.credentials.get(entity)?.get(key)?;
        live(credential).then(|| credential.clone())
    }

    pub(crate) fn of_consumer(&self, ws: Uuid, entity: &str, consumer: Uuid) -> Vec<Arc<Credential>> {
        let of = self.0.get(&ws).and_then(|workspace| workspace.of_consumer.get(entity));
        let all = of.and_then(|of| of.get(&consumer)).into_iter().flatten();
        all.filter(|credential| live(credential)).cloned().collect()
    }
}

/// Whether a credential still exists. The clock is asked only for those with a time to live.
fn live(credential: &Credential) -> bool {
    credential.expires.is_none() || {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        !credential.expired(i64::try_from(now.as_secs()).unwrap_or(i64::MAX))
    }
}
