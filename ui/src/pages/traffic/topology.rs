//! Which Routes lead to which Services, Upstreams and Targets, with what went through in the last minutes.

use std::collections::BTreeMap;

use leptos::prelude::*;
use serde_json::Value;

use super::{history, off};
use crate::api::{Failure, load};
use crate::chart::{figure, percent};
use crate::components::{badge, button, empty, heading, loaded};
use crate::entities::{by_key, short};
use crate::order::sort_by;
use crate::page::{Page, encode};
use crate::permissions::Action;
use crate::state::Gateway;

/// Nodes of a column at most: those with most requests.
const SHOWN: usize = 25;
/// Height of a node, as in `styles/traffic.css`.
const ROW: usize = 72;

/// Something that requests go through.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Node {
    pub name: String,
    /// Its page.
    pub to: String,
    /// Requests a second.
    pub rate: f64,
    /// A share.
    pub errors: f64,
    /// Of a Target: what the balancer thinks of it.
    pub health: String,
}

/// Nodes in four columns, and what leads from a node of one to a node of the next.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Map {
    pub columns: [Vec<(String, Node)>; 4],
    /// Column, from, to.
    pub edges: Vec<(usize, String, String)>,
    /// How many are not shown.
    pub left_out: usize,
}

impl Map {
    /// Of what is configured (`routes`, `services`, `upstreams`, each as the Admin API lists them; `healths` by the id of
    /// the Upstream) and what was measured (`series` of `/telemetry/series`).
    pub fn of(
        routes: &[Value],
        services: &[Value],
        upstreams: &[Value],
        healths: &BTreeMap<String, Value>,
        series: &Value,
    ) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut map = Self::default();
        let measured = |kind: &str, id: &str| {
            let mut rows = series["series"].as_array().into_iter().flatten();
            let row = rows.find(|row| row["kind"] == kind && row["id"] == id);
            let number = |name: &str| row.and_then(|row| row[name].as_f64()).unwrap_or(0.0);
            (number("rate"), number("error_rate"))
        };
        let node = |kind: &str, key: &str, entity: &Value| {
            let id = text(&entity["id"]);
            let name = entity["name"].as_str().map_or_else(|| short(&id), str::to_owned);
            let (rate, errors) = measured(kind, &id);
            let to = by_key(key).map(|kind| Page::Detail(kind, id.clone()).href()).unwrap_or_default();
            (id, Node { name, to, rate, errors, health: String::new() })
        };
        for route in routes {
            map.columns[0].push(node("route", "routes", route));
            let service = text(&route["service"]["id"]);
            if !service.is_empty() {
                map.edges.push((0, text(&route["id"]), service));
            }
        }
        let names: BTreeMap<&str, String> =
            upstreams.iter().filter_map(|one| Some((one["name"].as_str()?, text(&one["id"])))).collect();
        for service in services {
            let own = node("service", "services", service);
            if let Some(upstream) = service["host"].as_str().and_then(|host| names.get(host)) {
                map.edges.push((1, own.0.clone(), upstream.clone()));
            }
            map.columns[1].push(own);
        }
        for upstream in upstreams {
            let mut own = node("upstream", "upstreams", upstream);
            let targets = healths.get(&own.0).and_then(|health| health["data"].as_array());
            for target in targets.into_iter().flatten() {
                let id = format!("{}/{}", own.1.name, text(&target["target"]));
                let (rate, errors) = measured("target", &id);
                own.1.errors = (own.1.errors * own.1.rate + errors * rate) / (own.1.rate + rate).max(f64::MIN_POSITIVE);
                own.1.rate += rate;
                map.edges.push((2, own.0.clone(), id.clone()));
                let (name, health) = (text(&target["target"]), text(&target["health"]));
                map.columns[3].push((id, Node { name, to: own.1.to.clone(), rate, errors, health }));
            }
            map.columns[2].push(own);
        }
        map.trim();
        map
    }

    /// Busiest first, and no more than fit.
    fn trim(&mut self) {
        for column in &mut self.columns {
            sort_by(column, |a, b| b.1.rate.total_cmp(&a.1.rate));
            self.left_out += column.len().saturating_sub(SHOWN);
            column.truncate(SHOWN);
        }
    }

    fn place(&self, column: usize, id: &str) -> Option<(usize, &Node)> {
        let mut nodes = self.columns[column].iter().enumerate();
        nodes.find(|(_, (known, _))| known == id).map(|(at, (_, node))| (at, node))
    }

    /// The lines between the columns: wider where more goes through, in the colour of errors where there are some.
    pub fn svg(&self) -> String {
        let rows = self.columns.iter().map(Vec::len).max().unwrap_or(0);
        let height = rows * ROW;
        let mut out = format!(
            "<svg viewBox=\"0 0 100 {height}\" height=\"{height}\" preserveAspectRatio=\"none\" aria-hidden=\"true\">"
        );
        let most = self.columns.iter().flatten().map(|(_, node)| node.rate).fold(0.0_f64, f64::max);
        for (column, from, to) in &self.edges {
            let (Some((a, one)), Some((b, other))) = (self.place(*column, from), self.place(column + 1, to)) else {
                continue;
            };
            // What goes over the edge is at most what goes through either end.
            let rate = one.rate.min(other.rate);
            let width = if most > 0.0 { 1.0 + 9.0 * (rate / most).sqrt() } else { 1.0 };
            let class = match one.errors.max(other.errors) {
                _ if rate <= 0.0 => "still",
                errors if errors >= 0.05 => "failing",
                errors if errors > 0.0 => "shaky",
                _ => "well",
            };
            let (x1, x2) = (column * 25 + 22, column * 25 + 28);
            let (y1, y2) = (a * ROW + ROW / 2, b * ROW + ROW / 2);
            let middle = column * 25 + 25;
            out += &format!("<path class=\"{class}\" stroke-width=\"{width:.1}\" d=\"M{x1} {y1}");
            out += &format!("C{middle} {y1} {middle} {y2} {x2} {y2}\"/>");
        }
        out + "</svg>"
    }
}

pub fn topology() -> AnyView {
    let gateway = crate::state::gateway();
    let again = RwSignal::new(0_u32);
    let state = load(move || {
        again.track();
        gateway.track_writes();
        read(gateway)
    });
    let refresh = move || again.update(|times| *times += 1);
    let about =
        t!("Where requests go: wider lines carry more, coloured ones carry errors. Figures of the last five minutes.");
    view! {
        {heading(t!("Topology").to_owned(), Vec::new(), about, button("", t!("Refresh"), None, refresh))}
        {loaded(state, show)}
    }
    .into_any()
}

/// What is configured and what was measured.
async fn read(gateway: Gateway) -> Result<(Map, bool), Failure> {
    let path = "telemetry/series?by=route,service,target&range=5m&points=false&top=1000";
    let series = history(gateway, path).await?;
    let mut lists = Vec::new();
    for kind in ["routes", "services", "upstreams"] {
        let page = match gateway.may(Action::Read, kind) {
            true => gateway.get(&format!("{kind}?size=1000")).await?,
            false => Value::Null,
        };
        lists.push(page["data"].as_array().cloned().unwrap_or_default());
    }
    let mut healths = BTreeMap::new();
    for upstream in lists[2].iter().take(SHOWN) {
        let id = upstream["id"].as_str().unwrap_or_default();
        let health = gateway.get(&format!("upstreams/{}/health?size=1000", encode(id))).await;
        healths.insert(id.to_owned(), health.unwrap_or_default());
    }
    Ok((Map::of(&lists[0], &lists[1], &lists[2], &healths, &series), series.is_null()))
}

fn show((map, silent): (Map, bool)) -> AnyView {
    if map.columns.iter().all(Vec::is_empty) {
        return empty(t!("Nothing is configured yet.").to_owned(), ().into_any());
    }
    let titles = [t!("Routes"), t!("Services"), t!("Upstreams"), t!("Targets")];
    let columns = titles.into_iter().zip(&map.columns).map(|(title, nodes)| {
        let nodes: Vec<AnyView> = nodes.iter().map(|(_, node)| shown(node, silent)).collect();
        view! { <section aria-label=title><h2>{title}</h2><ul>{nodes}</ul></section> }.into_any()
    });
    let columns: Vec<AnyView> = columns.collect();
    let more = (map.left_out > 0).then(
        || view! { <p class="about">{t!("{count} with fewer requests are not shown.", count = map.left_out)}</p> },
    );
    let notice = silent.then(off);
    view! {
        {notice}
        <div class="topology">
            <div class="edges" inner_html=map.svg()></div>
            {columns}
        </div>
        {more}
    }
    .into_any()
}

fn shown(node: &Node, silent: bool) -> AnyView {
    let (name, to) = (node.name.clone(), node.to.clone());
    let figures = (!silent).then(|| format!("{}/s · {}", figure(node.rate), percent(node.errors)));
    let health = match node.health.as_str() {
        "UNHEALTHY" => badge("bad", t!("Unhealthy")),
        "DNS_ERROR" => badge("bad", t!("Name not found")),
        "HEALTHY" => badge("good", t!("Healthy")),
        _ => ().into_any(),
    };
    view! { <li><a href=to>{name}</a><span class="muted">{figures}</span>{health}</li> }.into_any()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_configured_is_joined_with_what_was_measured() {
        let routes =
            [json!({"id": "r", "name": "orders", "service": {"id": "s"}}), json!({"id": "lost", "service": null})];
        let services =
            [json!({"id": "s", "name": "orders", "host": "pool"}), json!({"id": "t", "host": "plain.example"})];
        let upstreams = [json!({"id": "u", "name": "pool"})];
        let healths = BTreeMap::from([(
            "u".to_owned(),
            json!({"data": [{"target": "10.0.0.1:80", "health": "HEALTHY"}, {"target": "10.0.0.2:80", "health": "UNHEALTHY"}]}),
        )]);
        let series = json!({"series": [
            {"kind": "route", "id": "r", "rate": 10.0, "error_rate": 0.1},
            {"kind": "service", "id": "s", "rate": 10.0, "error_rate": 0.1},
            {"kind": "target", "id": "pool/10.0.0.1:80", "rate": 6.0, "error_rate": 0.0},
            {"kind": "target", "id": "pool/10.0.0.2:80", "rate": 4.0, "error_rate": 0.25},
        ]});
        let map = Map::of(&routes, &services, &upstreams, &healths, &series);
        let names: Vec<Vec<&str>> =
            map.columns.iter().map(|nodes| nodes.iter().map(|(_, node)| node.name.as_str()).collect()).collect();
        assert_eq!(
            names,
            [vec!["orders", "lost"], vec!["orders", "t"], vec!["pool"], vec!["10.0.0.1:80", "10.0.0.2:80"]]
        );
        assert_eq!(map.edges.len(), 4);
        let pool = &map.columns[2][0].1;
        assert!((pool.rate - 10.0).abs() < 1e-9 && (pool.errors - 0.1).abs() < 1e-9, "{pool:?}");
        let svg = map.svg();
        assert_eq!(
            (svg.matches("<path").count(), svg.matches("failing").count(), svg.matches("height=\"144\"").count()),
            (4, 4, 1)
        );
    }

    #[test]
    fn the_busiest_are_shown() {
        let routes: Vec<Value> = (0..40).map(|number| json!({"id": format!("r{number}"), "service": null})).collect();
        let series = json!({"series": [{"kind": "route", "id": "r39", "rate": 1.0, "error_rate": 0.0}]});
        let map = Map::of(&routes, &[], &[], &BTreeMap::new(), &series);
        assert_eq!((map.columns[0].len(), map.left_out, map.columns[0][0].0.as_str()), (25, 15, "r39"));
    }
}
