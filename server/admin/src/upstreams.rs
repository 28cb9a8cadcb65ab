//! The health of Upstreams and Targets.

use crate::errors;
use crate::form::Argument;
use crate::query::{self, Paging};
use crate::resource::window;
use crate::respond::Answer;
use crate::scope::Scope;
use crate::state::HealthFault;
use serde_json::{Value, json};
use store::Record;

impl Scope<'_> {
    /// `GET /upstreams/{id}/health`
    pub(crate) async fn upstream_health(
        &self,
        upstream: &Record,
        path: &str,
        query: &[Argument],
    ) -> Result<Answer, Answer> {
        let node_id = &self.facts.node_id;
        if query::flag(query, "balancer_health") {
            let data = self.health.upstream(upstream);
            return Ok(Answer::json(200, &json!({"data": data, "next": null, "node_id": node_id})));
        }
        let Some(kind) = self.kinds.position("targets") else { return Err(errors::not_found()) };
        let paging = Paging::read(query)?;
        let targets = self.active_targets(kind, "upstream", upstream).await?;
        let (page, next) = window(&targets, &paging, path);
        let health = self.health.targets(upstream, page);
        let mut data = Vec::with_capacity(page.len());
        for (index, target) in page.iter().enumerate() {
            let mut shown = self.show(target).await?;
            if let Some(health) = health.get(index) {
                shown.extend(health.clone());
            }
            data.push(Value::Object(shown));
        }
        let mut body = json!({"data": data, "next": null, "node_id": node_id});
        if let Some((offset, next)) = next {
            body["offset"] = offset.into();
            body["next"] = next.into();
        }
        Ok(Answer::json(200, &body))
    }

    /// `PUT /upstreams/{id}/targets/{id}[/{address}]/healthy|unhealthy`
    pub(crate) fn set_health(
        &self,
        upstream: &Record,
        target: &Record,
        address: Option<&[u8]>,
        healthy: bool,
    ) -> Result<Answer, Answer> {
        let address = address.map(std::str::from_utf8).transpose().map_err(|_| errors::not_found())?;
        match self.health.set(upstream, target, address, healthy) {
            Ok(()) => Ok(Answer::empty(204)),
            Err(HealthFault::NoTarget) => Err(errors::not_found()),
            Err(HealthFault::NoChecker) => {
                let name = upstream.text("name").unwrap_or_default();
                Err(errors::plain(400, &format!("no healthchecker found for {name}")))
            }
        }
    }
}
