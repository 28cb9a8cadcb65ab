//! The gateway this manager belongs to.

use leptos::prelude::*;
use leptos::task::spawn_local;
use serde_json::Value;

use super::location::Location;
use super::names::Names;
use super::session::{Session, Standing};
use crate::api::{Answer, Failure, Load, request};
use crate::entities::EntityKind;
use crate::page::{DEFAULT, encode, write_query};
use crate::permissions::{Action, allows};

/// Paths of the Admin API that are about whoever asks, not about a Workspace.
const OWN: [&str; 5] = ["auth", "userinfo", "admins/self/", "admins/register", "admins/password_resets"];

/// Asks the Admin API, and knows whether it answers and takes changes.
#[derive(Clone, Copy)]
pub struct Gateway {
    /// `GET /`.
    pub node: RwSignal<Load<Value>>,
    /// The last request had no answer.
    pub unreachable: RwSignal<bool>,
    pub names: Names,
    pub session: Session,
    /// Counts how often the reader asked to try again.
    pub retries: RwSignal<u32>,
    // Counts what was written, so that what is shown is asked for again.
    writes: RwSignal<u32>,
    pub place: Location,
}

/// The one of this page.
pub fn gateway() -> Gateway {
    expect_context()
}

impl Gateway {
    /// For the whole application.
    pub fn provide(place: Location) -> Self {
        let gateway = Self {
            node: RwSignal::new(Load::Waiting),
            unreachable: RwSignal::new(false),
            names: Names::new(),
            session: Session::new(),
            retries: RwSignal::new(0),
            writes: RwSignal::new(0),
            place,
        };
        provide_context(gateway);
        // Now, and whenever one goes to another Workspace.
        Effect::new(move |_| {
            gateway.place.workspace.track();
            gateway.names.forget();
            gateway.refresh();
        });
        gateway
    }

    /// Asks who one is and what the node says of itself, and makes pages that failed ask again.
    pub fn refresh(self) {
        spawn_local(async move {
            self.session.recognise(self).await;
            if self.session.standing.get_untracked() == Standing::Wanted {
                return;
            }
            if !self.ask_node().await {
                if self.session.standing.get_untracked() == Standing::Asking {
                    self.session.standing.set(Standing::Wanted);
                }
                return;
            }
            if self.session.standing.get_untracked() != Standing::In {
                self.session.standing.set(Standing::In);
            }
            self.retries.update(|retries| *retries += 1);
        });
    }

    /// Asks the node what it says of itself; false where it wants to know who one is.
    async fn ask_node(self) -> bool {
        let answer = self.get("").await;
        if answer.as_ref().is_err_and(|failure| failure.status == 401) {
            return false;
        }
        let told = match answer {
            Ok(node) => Load::Ready(node),
            Err(failure) => Load::Failed(failure),
        };
        // What says the same makes nothing ask again.
        if self.node.with_untracked(|node| *node != told) {
            self.node.set(told);
        }
        true
    }

    /// The Workspace one is in, by its name.
    pub fn workspace(self) -> String {
        self.place.workspace.with(|name| if name.is_empty() { DEFAULT.to_owned() } else { name.clone() })
    }

    /// Whether there are Workspaces, users and an audit log: all where there is a database.
    pub fn has_database(self) -> bool {
        self.node.with(|node| node.ready().is_none_or(|node| node["configuration"]["database"] != "off"))
    }

    /// Whether this would not be refused, as far as one can know beforehand. `path` without Workspace.
    pub fn may(self, action: Action, path: &str) -> bool {
        if action != Action::Read && self.is_read_only() {
            return false;
        }
        self.session.info.with(|info| match info {
            Some(info) => allows(&info["permissions"], &self.workspace(), path, action),
            None => true,
        })
    }

    /// Whether something may be done with an entity of a kind, or, with `Create`, a new one be made.
    pub fn may_with(self, action: Action, kind: &EntityKind, entity: &Value) -> bool {
        let id = (action != Action::Create).then(|| entity["id"].as_str().unwrap_or_default());
        kind.write_path(entity, id).is_none_or(|path| self.may(action, &path))
    }

    /// Reads an entity of a kind.
    pub async fn entity(self, kind: &'static EntityKind, address: &str) -> Result<Value, Failure> {
        self.entity_with(kind, address, "").await
    }

    /// The same with a query.
    pub async fn entity_with(self, kind: &'static EntityKind, address: &str, query: &str) -> Result<Value, Failure> {
        let path = kind.read_path(address);
        let path = if query.is_empty() { path } else { format!("{path}?{query}") };
        self.get(&path).await.map(|answer| kind.taken_from(answer))
    }

    /// A path of the Admin API, within the Workspace one is in.
    fn within(self, path: &str) -> String {
        let workspace = self.place.workspace.get_untracked();
        if workspace.is_empty() || OWN.iter().any(|own| path.starts_with(own)) {
            path.to_owned()
        } else {
            format!("{}/{path}", encode(&workspace))
        }
    }

    /// Makes what calls this run again after every write. How many there were.
    pub fn track_writes(self) -> u32 {
        self.writes.get()
    }

    /// Reads.
    pub async fn get(self, path: &str) -> Answer {
        let answer = request("GET", &self.within(path), None, &self.session.headers()).await;
        self.notice(&answer);
        answer
    }

    /// Reads a list by its largest pages, up to so many of them, and gives each to `take`; whether there are more.
    pub async fn pages(
        self,
        path: &str,
        query: &[(&str, &str)],
        most: usize,
        take: &mut dyn FnMut(Vec<Value>),
    ) -> Result<bool, Failure> {
        let mut offset = String::new();
        for _ in 0..most {
            let query = [&[("size", "1000"), ("offset", &offset)], query].concat();
            let mut page = self.get(&format!("{path}?{}", write_query(&query))).await?;
            if let Value::Array(rows) = page["data"].take() {
                take(rows);
            }
            match page["offset"].as_str() {
                Some(next) => next.clone_into(&mut offset),
                None => return Ok(false),
            }
        }
        Ok(true)
    }

    /// Writes.
    pub async fn send(self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let answer = self.send_quietly(method, path, body).await;
        if answer.is_ok() {
            self.wrote();
        }
        answer
    }

    /// Writes one of many; after the last, [`Gateway::wrote`].
    pub async fn send_quietly(self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let answer = request(method, &self.within(path), body, &self.session.headers()).await;
        self.notice(&answer);
        answer
    }

    /// What is shown is asked for again.
    pub fn wrote(self) {
        self.names.forget();
        self.writes.update(|writes| *writes += 1);
    }

    fn notice(self, answer: &Answer) {
        let unreachable = answer.as_ref().is_err_and(|failure| failure.status == 0);
        if self.unreachable.get_untracked() != unreachable {
            self.unreachable.set(unreachable);
            // It is back: what it could not say of itself meanwhile decides what every page offers.
            let silent = |node: &Load<Value>| matches!(node, Load::Failed(failure) if failure.status == 0);
            if !unreachable && self.node.with_untracked(silent) {
                spawn_local(async move {
                    self.ask_node().await;
                });
            }
        }
        if answer.as_ref().is_err_and(|failure| failure.status == 401) {
            self.session.end();
        }
    }

    /// Whether it takes no changes: it runs from a file, or takes its configuration from a control plane.
    pub fn is_read_only(self) -> bool {
        self.node.with(|node| {
            node.ready().is_some_and(|node| {
                let setting = |name: &str| node["configuration"][name].as_str();
                setting("database") == Some("off") || setting("role") == Some("data_plane")
            })
        })
    }
}
