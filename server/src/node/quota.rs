//! What `quota` has counted, at the Admin API: read, set, begun anew. Raises are entities (`/quota-raises`).

use super::core::Core;
use admin::{Eventually, Extension, ExtensionAnswer, ExtensionCall, ExtensionPath};
use exchange::Desks;
use plugins::quota::{Account, Identifier, Name, RAISES, Raise, Standing, Who};
use serde_json::{Value, json};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use store::{Filter, Id, Record, Store};
use uuid::Uuid;

const ALL: &str = "/quota";
const ONE: &str = "/quota/{plugin_id}";
const USAGE: &str = "/quota/{plugin_id}/{identifier}";

/// `/quota…`: what quotas of the workspace allow, and what was used of them.
pub struct Quotas {
    desks: Arc<Desks>,
    store: Arc<dyn Store>,
}

/// Why there is no such answer.
struct Refusal(u16, String);

impl Refusal {
    fn missing() -> Self {
        Self(404, "Not found".to_owned())
    }

    fn unavailable(error: impl std::fmt::Display) -> Self {
        Self(503, format!("the counters cannot be asked: {error}"))
    }

    fn wrong(text: impl Into<String>) -> Self {
        Self(400, text.into())
    }
}

impl Quotas {
    pub fn new(core: &Core) -> Self {
        Self { desks: core.desks.clone(), store: core.store() }
    }

    /// The quotas of a workspace.
    async fn accounts(&self, workspace: Uuid) -> Result<Vec<Arc<Account>>, Refusal> {
        let of = |account: &Account| (account.about.id, account.about.workspace);
        super::desks::opened(&self.desks, self.store.as_ref(), workspace, of).await.map_err(Refusal::unavailable)
    }

    async fn account(&self, workspace: Uuid, plugin: &str) -> Result<Arc<Account>, Refusal> {
        let id = Uuid::try_parse(plugin).map_err(|_| Refusal::missing())?;
        let found = self.accounts(workspace).await?.into_iter().find(|account| account.about.id == id);
        found.ok_or_else(Refusal::missing)
    }

    /// The record that a text names: by its id, or by a unique field.
    async fn named(
        &self,
        workspace: Uuid,
        entity: &'static str,
        fields: &[&'static str],
        text: &str,
    ) -> Result<Option<Arc<Record>>, Refusal> {
        if let Ok(id) = Uuid::try_parse(text) {
            let found = self.store.get(entity, &Id::Uuid(id)).await.map_err(Refusal::unavailable)?;
            return Ok(found.filter(|record| record.ws == Some(workspace)));
        }
        for field in fields {
            let found = self.store.by_unique(entity, Some(workspace), field, &json!(text)).await;
            if let Some(record) = found.map_err(Refusal::unavailable)? {
                return Ok(Some(record));
            }
        }
        Ok(None)
    }

    /// Whom a text of a path means, and what a Consumer was given beyond.
    async fn who(&self, account: &Account, text: &str) -> Result<(Who, Vec<Raise>), Refusal> {
        let workspace = account.about.workspace;
        let (entity, fields) = match account.identifier() {
            Identifier::Consumer => ("consumers", &["username", "custom_id"][..]),
            Identifier::ConsumerGroup => ("consumer_groups", &["name"][..]),
            Identifier::Service => ("services", &["name"][..]),
            Identifier::Credential | Identifier::Ip => ("", &[][..]),
        };
        if !entity.is_empty()
            && let Some(record) = self.named(workspace, entity, fields, text).await?
        {
            let Id::Uuid(id) = record.id else { return Err(Refusal::missing()) };
            let made = record.value.get("created_at").and_then(Value::as_u64);
            // Groups are not counted from a day on: who is in them changes.
            let since = made.filter(|_| entity != "consumer_groups");
            let raises = if entity == "consumers" { self.raises(workspace, id).await? } else { Vec::new() };
            return Ok((Who { name: Name::Id(id), since }, raises));
        }
        // What requests without any of it were counted for.
        let name = match (text.parse::<IpAddr>(), Uuid::try_parse(text)) {
            (Ok(address), _) => Name::Address(address),
            (_, Ok(id)) => Name::Id(id),
            _ => return Err(Refusal::missing()),
        };
        Ok((Who { name, since: None }, Vec::new()))
    }

    async fn raises(&self, workspace: Uuid, consumer: Uuid) -> Result<Vec<Raise>, Refusal> {
        let filter = Filter { reference: Some(("consumer", Id::Uuid(consumer))), tags: None };
        let found = self.store.all(RAISES, Some(workspace), filter).await.map_err(Refusal::unavailable)?;
        Ok(found.iter().filter_map(|record| Raise::of(&record.value)).collect())
    }

    async fn usage(&self, account: &Account, text: &str, call: &ExtensionCall) -> Result<ExtensionAnswer, Refusal> {
        let (who, raises) = self.who(account, text).await?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        match call.method.as_str() {
            "DELETE" => {
                account.set(who, None, 0, now).await.map_err(Refusal::unavailable)?;
                return Ok(ExtensionAnswer { status: 204, ..ExtensionAnswer::default() });
            }
            "PUT" => {
                let (period, used) = wish(account, call)?;
                account.set(who, period.as_deref(), used, now).await.map_err(Refusal::unavailable)?;
            }
            _ => {}
        }
        let standing = account.read(who, &raises, now).await.map_err(Refusal::unavailable)?;
        let windows: Vec<Value> = standing.iter().map(window).collect();
        let shown = json!({
            "plugin": { "id": account.about.id },
            "identifier": who.name.to_string(),
            "windows": windows,
        });
        Ok(ExtensionAnswer::json(200, &shown))
    }

    async fn act(&self, call: &ExtensionCall) -> Result<ExtensionAnswer, Refusal> {
        match call.parameters.as_slice() {
            [] => {
                let all: Vec<Value> =
                    self.accounts(call.workspace).await?.iter().map(|account| shown(account)).collect();
                Ok(ExtensionAnswer::json(200, &json!({ "data": all, "next": null })))
            }
            [plugin] => {
                let account = self.account(call.workspace, plugin).await?;
                Ok(ExtensionAnswer::json(200, &shown(&account)))
            }
            [plugin, identifier, ..] => {
                let account = self.account(call.workspace, plugin).await?;
                self.usage(&account, identifier, call).await
            }
        }
    }
}

/// What a body wants to be set: of which period (all where it names none), and how much.
fn wish(account: &Account, call: &ExtensionCall) -> Result<(Option<String>, u64), Refusal> {
    // Bodies of forms have texts.
    let used = match call.body.get("used") {
        Some(Value::String(text)) => text.parse().ok(),
        Some(value) => value.as_u64(),
        None => None,
    };
    let used = used.filter(|used| *used <= 1_000_000_000_000);
    let used = used.ok_or_else(|| Refusal::wrong("used: a whole number from 0 to 1000000000000 is required"))?;
    let periods: Vec<&str> = account.periods().map(|(name, _)| name).collect();
    match call.body.get("period") {
        None | Some(Value::Null) => Ok((None, used)),
        Some(Value::String(name)) if periods.contains(&name.as_str()) => Ok((Some(name.clone()), used)),
        Some(_) => Err(Refusal::wrong(format!("period: expected one of: {}", periods.join(", ")))),
    }
}

/// A quota.
fn shown(account: &Account) -> Value {
    let foreign = |id: Option<Uuid>| id.map(|id| json!({ "id": id }));
    let about = &account.about;
    let limits: serde_json::Map<String, Value> =
        account.periods().map(|(period, limit)| (period.to_owned(), limit.into())).collect();
    json!({
        "plugin": { "id": about.id },
        "instance_name": about.instance_name,
        "route": foreign(about.route),
        "service": foreign(about.service),
        "consumer": foreign(about.consumer),
        "consumer_group": foreign(about.consumer_group),
        "identifier": account.identifier().name(),
        "limits": limits,
    })
}

/// A window.
fn window(standing: &Standing) -> Value {
    json!({
        "period": standing.period,
        "limit": standing.limit,
        "carried_over": standing.carried_over,
        "raised": standing.raised,
        "used": standing.used,
        "remaining": standing.limit.saturating_sub(standing.used),
        "started_at": standing.started_at,
        "resets_at": standing.resets_at,
    })
}

impl Extension for Quotas {
    fn paths(&self) -> Vec<ExtensionPath> {
        let path = |path, methods| ExtensionPath { path, methods, on_status: false };
        vec![path(ALL, &["GET"]), path(ONE, &["GET"]), path(USAGE, &["GET", "PUT", "DELETE"])]
    }

    fn answer(&self, call: ExtensionCall) -> Eventually<'_, ExtensionAnswer> {
        Box::pin(async move {
            self.act(&call).await.unwrap_or_else(|Refusal(status, message)| {
                ExtensionAnswer::json(status, &json!({ "message": message }))
            })
        })
    }
}
