//! The node's memory of its requests: who records, and what is secret.

use arc_swap::ArcSwap;
use exchange::Exchange;
use exchange::mask::Masks;
use history::{History, Recorder};
use proxy::{Watcher, Watching};
use std::sync::Arc;
use std::time::SystemTime;

/// Records a worker's requests.
struct Recording(Recorder);

impl Watcher for Recording {
    fn begin(&mut self, exchange: &mut Exchange) {
        self.0.begin(exchange);
    }

    fn finished(&mut self, exchange: &Exchange) {
        self.0.finished(exchange);
    }

    fn tick(&mut self, now: SystemTime) {
        self.0.tick(now);
    }
}

/// A history that takes in what workers record; none where it is off.
pub fn start(settings: &config::Settings, masks: Arc<ArcSwap<Masks>>) -> Result<Option<Arc<History>>, String> {
    if !settings.telemetry.history {
        return Ok(None);
    }
    let history = History::new(masks);
    history.attend().map_err(|error| format!("the history cannot start: {error}"))?;
    Ok(Some(history))
}

/// What workers record with.
pub fn watching(history: &Arc<History>) -> Watching {
    let history = history.clone();
    Arc::new(move || Box::new(Recording(history.recorder())))
}
