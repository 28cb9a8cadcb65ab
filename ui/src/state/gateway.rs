//! The gateway this manager belongs to.

use leptos::prelude::*;
use leptos::task::spawn_local;
use serde_json::Value;

use super::names::Names;
use crate::api::{Answer, Load, request};

/// Asks the Admin API, and knows whether it answers and takes changes.
#[derive(Clone, Copy)]
pub struct Gateway {
    /// `GET /`.
    pub node: RwSignal<Load<Value>>,
    /// The last request had no answer.
    pub unreachable: RwSignal<bool>,
    pub names: Names,
    /// Counts how often the reader asked to try again.
    pub retries: RwSignal<u32>,
    // Counts what was written, so that what is shown is asked for again.
    writes: RwSignal<u32>,
}

/// The one of this page.
pub fn gateway() -> Gateway {
    expect_context()
}

impl Gateway {
    /// For the whole application.
    pub fn provide() -> Self {
        let gateway = Self {
            node: RwSignal::new(Load::Waiting),
            unreachable: RwSignal::new(false),
            names: Names::new(),
            retries: RwSignal::new(0),
            writes: RwSignal::new(0),
        };
        provide_context(gateway);
        gateway.refresh();
        gateway
    }

    /// Asks the node about itself, and makes pages that failed ask again.
    pub fn refresh(self) {
        spawn_local(async move {
            let answer = self.get("").await;
            self.node.set(match answer {
                Ok(node) => Load::Ready(node),
                Err(failure) => Load::Failed(failure),
            });
            self.retries.update(|retries| *retries += 1);
        });
    }

    /// Makes what calls this run again after every write.
    pub fn track_writes(self) {
        self.writes.track();
    }

    /// Reads.
    pub async fn get(self, path: &str) -> Answer {
        let answer = request("GET", path, None).await;
        self.notice(&answer);
        answer
    }

    /// Writes.
    pub async fn send(self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let answer = request(method, path, body).await;
        self.notice(&answer);
        if answer.is_ok() {
            self.names.forget();
            self.writes.update(|writes| *writes += 1);
        }
        answer
    }

    fn notice(self, answer: &Answer) {
        let unreachable = answer.as_ref().is_err_and(|failure| failure.status == 0);
        if self.unreachable.get_untracked() != unreachable {
            self.unreachable.set(unreachable);
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
