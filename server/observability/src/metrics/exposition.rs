//! Metrics as text: Prometheus's format 0.0.4, with Kong's names, labels and order.

use super::histogram::Summed;
use super::models;
use super::series::{Place, Sums, sums};
use exchange::custom_metrics::{self, CustomMetric, Kind};
use std::fmt::Write;

/// The state of an address of a Target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetState {
    /// Name of the Upstream.
    pub upstream: String,
    /// The Target as configured.
    pub target: String,
    /// Address and port; empty where the name cannot be looked up.
    pub address: String,
    /// `healthchecks_off`, `healthy`, `unhealthy` or `dns_error`.
    pub state: &'static str,
}

/// A metric of the gateway's own.
#[derive(Clone, Debug, PartialEq)]
pub struct Own {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub help: &'static str,
    /// `counter` or `gauge`.
    pub kind: &'static str,
    /// Labels and value of each series.
    pub series: Vec<(Vec<(&'static str, String)>, f64)>,
}

/// What a node tells of itself.
#[derive(Clone, Debug, Default)]
pub struct NodeFigures {
    /// Its id.
    pub node_id: String,
    /// Connections by state.
    pub connections: Vec<(&'static str, u64)>,
    /// Requests ever read.
    pub requests: u64,
    /// Memory of the process, bytes.
    pub memory: u64,
    /// Named parts of it: bytes in use, and at most.
    pub areas: Vec<(String, u64, u64)>,
    /// Whether the database answers; true without one.
    pub datastore_reachable: bool,
    /// Whether the plugin is configured anywhere: metrics of requests are shown.
    pub with_requests: bool,
    /// The health of Targets, where it is to be shown.
    pub targets: Option<Vec<TargetState>>,
    /// Further metrics.
    pub own: Vec<Own>,
}

/// The states of an address, in order.
const STATES: [&str; 4] = ["healthchecks_off", "healthy", "unhealthy", "dns_error"];

/// The answer to `GET /metrics`.
pub fn exposition(node: &NodeFigures) -> String {
    render(node, &if node.with_requests { sums() } else { Sums::default() })
}

struct Text(String);

impl Text {
    fn metric(&mut self, name: &str, help: &str, kind: &str) {
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        // Writing to memory does not fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn series(&mut self, name: &str, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        self.0.push_str(name);
        for (index, (label, text)) in labels.iter().enumerate() {
            self.0.push(if index == 0 { '{' } else { ',' });
            let _ = write!(self.0, "{label}=\"");
            for character in text.chars() {
                match character {
                    '\\' => self.0.push_str("\\\\"),
                    '"' => self.0.push_str("\\\""),
                    '\n' => self.0.push_str("\\n"),
                    other => self.0.push(other),
                }
            }
            self.0.push('"');
        }
        if !labels.is_empty() {
            self.0.push('}');
        }
        let _ = writeln!(self.0, " {value}");
    }

    fn histogram(&mut self, (name, help): (&str, &str), series: &[(&Place, &Summed)]) {
        if series.iter().all(|(_, sum)| sum.count() == 0) {
            return;
        }
        self.metric(name, help, "histogram");
        for (place, sum) in series.iter().filter(|(_, sum)| sum.count() > 0) {
            let labels = place_labels(place);
            for (bound, count) in sum.cumulated() {
                let bound = bound.map_or("+Inf".to_owned(), |bound| bound.to_string());
                let labels: Vec<_> = labels.iter().copied().chain([("le", bound.as_str())]).collect();
                self.series(&format!("{name}_bucket"), &labels, count);
            }
            self.series(&format!("{name}_count"), &labels, sum.count());
            self.series(&format!("{name}_sum"), &labels, sum.sum);
        }
    }
}

fn place_labels(place: &Place) -> [(&str, &str); 3] {
    [("service", &place.service), ("route", &place.route), ("workspace", &place.workspace)]
}

fn render(node: &NodeFigures, sums: &Sums) -> String {
    let mut text = Text(String::with_capacity(4096));
    let id = ("node_id", node.node_id.as_str());
    let (models, counted): (Vec<_>, Vec<_>) =
        custom_metrics::all().into_iter().partition(|metric| metric.name.starts_with(models::PREFIX));
    for metric in &models {
        custom(&mut text, metric);
    }
    bandwidth(&mut text, sums);
    text.metric("kong_datastore_reachable", "Datastore reachable from Kong, 0 is unreachable", "gauge");
    text.series("kong_datastore_reachable", &[], u8::from(node.datastore_reachable));
    answers(&mut text, sums);
    let times = |index: usize| sums.times.iter().map(|(place, times)| (place, &times[index])).collect::<Vec<_>>();
    let help = "Latency added by Kong and enabled plugins for each service/route in Kong";
    text.histogram(("kong_kong_latency_ms", help), &times(0));
    memory(&mut text, node);
    text.metric("kong_nginx_connections_total", "Number of connections by subsystem", "gauge");
    for (state, count) in &node.connections {
        text.series("kong_nginx_connections_total", &[id, ("subsystem", "http"), ("state", state)], count);
    }
    text.metric("kong_nginx_metric_errors_total", "Number of nginx-lua-prometheus errors", "counter");
    text.series("kong_nginx_metric_errors_total", &[], 0);
    text.metric("kong_nginx_requests_total", "Number of requests total", "gauge");
    text.series("kong_nginx_requests_total", &[id, ("subsystem", "http")], node.requests);
    text.metric("kong_nginx_timers", "Number of Nginx timers", "gauge");
    for state in ["pending", "running"] {
        text.series("kong_nginx_timers", &[("state", state)], 0);
    }
    text.metric("kong_node_info", "Kong Node metadata information", "gauge");
    text.series("kong_node_info", &[id, ("version", schema::KONG_VERSION)], 1);
    let help = "Total latency incurred during requests for each service/route in Kong";
    text.histogram(("kong_request_latency_ms", help), &times(2));
    let help = "latency stream session, for each service/route in Kong";
    text.histogram(("kong_session_duration_ms", help), &sums.durations.iter().collect::<Vec<_>>());
    sessions(&mut text, sums);
    let help = "Latency added by upstream response for each service/route in Kong";
    text.histogram(("kong_upstream_latency_ms", help), &times(1));
    targets(&mut text, node);
    let folded = sums.folded + models.iter().chain(&counted).map(|metric| metric.folded()).sum::<u64>();
    let folded = Own {
        name: "silverback_metrics_folded_total",
        help: "Series that were folded into others because there were too many",
        kind: "counter",
        series: vec![(Vec::new(), folded as f64)],
    };
    for own in node.own.iter().chain([&folded]) {
        text.metric(own.name, own.help, own.kind);
        for (labels, value) in &own.series {
            let labels: Vec<_> = labels.iter().map(|(label, value)| (*label, value.as_str())).collect();
            text.series(own.name, &labels, value);
        }
    }
    for metric in &counted {
        custom(&mut text, metric);
    }
    text.0
}

fn memory(text: &mut Text, node: &NodeFigures) {
    let (id, subsystem) = (("node_id", node.node_id.as_str()), ("kong_subsystem", "http"));
    for (name, help, of) in [
        ("kong_memory_lua_shared_dict_bytes", "Allocated slabs in bytes in a shared_dict", 0),
        ("kong_memory_lua_shared_dict_total_bytes", "Total capacity in bytes of a shared_dict", 1),
    ] {
        text.metric(name, help, "gauge");
        for (area, used, capacity) in &node.areas {
            text.series(name, &[id, ("shared_dict", area), subsystem], [used, capacity][of]);
        }
    }
    let name = "kong_memory_workers_lua_vms_bytes";
    text.metric(name, "Allocated bytes in worker Lua VM", "gauge");
    text.series(name, &[id, ("pid", &std::process::id().to_string()), subsystem], node.memory);
}

/// A metric that plugins count.
fn custom(text: &mut Text, metric: &CustomMetric) {
    let series = metric.series();
    if series.is_empty() {
        return;
    }
    let name = metric.name.as_str();
    text.metric(name, &metric.help, metric.kind.name());
    for one in &series {
        let labels = metric.labels.iter().zip(&one.labels).map(|(label, value)| (label.as_str(), &**value));
        let labels: Vec<(&str, &str)> = labels.collect();
        let Kind::Histogram(bounds) = &metric.kind else {
            text.series(name, &labels, one.value);
            continue;
        };
        let mut count = 0;
        for (index, in_bucket) in one.buckets.iter().enumerate() {
            count += in_bucket;
            let bound = bounds.get(index).map_or("+Inf".to_owned(), f64::to_string);
            let labels: Vec<_> = labels.iter().copied().chain([("le", bound.as_str())]).collect();
            text.series(&format!("{name}_bucket"), &labels, count);
        }
        text.series(&format!("{name}_count"), &labels, count);
        text.series(&format!("{name}_sum"), &labels, one.value);
    }
}

fn bandwidth(text: &mut Text, sums: &Sums) {
    if sums.bytes.is_empty() {
        return;
    }
    let name = "kong_bandwidth_bytes";
    text.metric(name, "Total bandwidth (ingress/egress) throughput in bytes", "counter");
    for ((place, consumer), [ingress, egress]) in &sums.bytes {
        for (direction, bytes) in [("egress", egress), ("ingress", ingress)] {
            let labels = [
                ("service", &*place.service),
                ("route", &place.route),
                ("direction", direction),
                ("workspace", &place.workspace),
                ("consumer", consumer),
            ];
            text.series(name, &labels, bytes);
        }
    }
}

fn answers(text: &mut Text, sums: &Sums) {
    if sums.answers.is_empty() {
        return;
    }
    let name = "kong_http_requests_total";
    text.metric(name, "HTTP status codes per consumer/service/route in Kong", "counter");
    for ((place, status, proxied, consumer), count) in &sums.answers {
        let labels = [
            ("service", &*place.service),
            ("route", &place.route),
            ("code", &status.to_string()),
            ("source", if *proxied { "service" } else { "kong" }),
            ("workspace", &place.workspace),
            ("consumer", consumer),
        ];
        text.series(name, &labels, count);
    }
}

fn sessions(text: &mut Text, sums: &Sums) {
    if sums.sessions.is_empty() {
        return;
    }
    let name = "kong_stream_sessions_total";
    text.metric(name, "Stream status codes per service/route in Kong", "counter");
    for ((place, status, reached), count) in &sums.sessions {
        let labels = [
            ("service", &*place.service),
            ("route", &place.route),
            ("code", &status.to_string()),
            ("source", if *reached { "service" } else { "kong" }),
            ("workspace", &place.workspace),
        ];
        text.series(name, &labels, count);
    }
}

fn targets(text: &mut Text, node: &NodeFigures) {
    let Some(targets) = &node.targets else { return };
    let name = "kong_upstream_target_health";
    let help = "Health status of targets of upstream. States = healthchecks_off|healthy|unhealthy|dns_error, \
                value is 1 when state is populated.";
    text.metric(name, help, "gauge");
    for TargetState { upstream, target, address, state } in targets {
        for one in STATES {
            let labels = [
                ("upstream", upstream.as_str()),
                ("target", target),
                ("address", address),
                ("state", one),
                ("subsystem", "http"),
            ];
            text.series(name, &labels, u8::from(one == *state));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Prometheus;
    use super::*;
    use crate::testing::{Shelf, entity, exchange, plugin};
    use exchange::{Consumer, Plugin};
    use serde_json::json;
    use std::sync::Arc;

    fn shown() -> String {
        let node = NodeFigures {
            node_id: "n".into(),
            connections: vec![("active", 3)],
            requests: 9,
            memory: 1 << 20,
            areas: vec![("kong".into(), 10, 20)],
            datastore_reachable: true,
            with_requests: true,
            ..NodeFigures::default()
        };
        exposition(&node)
    }

    #[test]
    fn requests_are_recorded_as_configured() {
        let shelf = Shelf::default();
        let all = json!({
            "status_code_metrics": true, "latency_metrics": true, "bandwidth_metrics": true, "per_consumer": true,
        });
        let plugin = plugin::<Prometheus>(all, &shelf);
        let mut exchange = exchange("/", &[]);
        exchange.service = Some(entity(json!({ "host": "metrics.test" })));
        Plugin::log(&plugin, &exchange);
        exchange.identity.consumer = Some(Arc::new(Consumer { username: Some("a\"b".into()), ..Consumer::default() }));
        // The Service belongs to the Route, which is remembered.
        exchange.response.upstream_status = 0;
        exchange.response.status = 502;
        Plugin::log(&plugin, &exchange);
        let text = shown();
        for line in [
            r#"kong_http_requests_total{service="metrics.test",route="r",code="200",source="service",workspace="default",consumer=""} 1"#,
            r#"kong_http_requests_total{service="metrics.test",route="r",code="502",source="kong",workspace="default",consumer="a\"b"} 1"#,
            r#"kong_bandwidth_bytes{service="metrics.test",route="r",direction="egress",workspace="default",consumer=""} 200"#,
            r#"kong_bandwidth_bytes{service="metrics.test",route="r",direction="ingress",workspace="default",consumer=""} 100"#,
            r#"kong_kong_latency_ms_bucket{service="metrics.test",route="r",workspace="default",le="1"} 0"#,
            r#"kong_kong_latency_ms_bucket{service="metrics.test",route="r",workspace="default",le="2"} 2"#,
            r#"kong_upstream_latency_ms_bucket{service="metrics.test",route="r",workspace="default",le="+Inf"} 2"#,
            r#"kong_request_latency_ms_sum{service="metrics.test",route="r",workspace="default"} 24"#,
            r#"kong_nginx_connections_total{node_id="n",subsystem="http",state="active"} 3"#,
            "# TYPE kong_kong_latency_ms histogram",
            r#"kong_memory_lua_shared_dict_bytes{node_id="n",shared_dict="kong",kong_subsystem="http"} 10"#,
            r#"kong_memory_lua_shared_dict_total_bytes{node_id="n",shared_dict="kong",kong_subsystem="http"} 20"#,
        ] {
            assert!(text.lines().any(|known| known == line), "{line}\n{text}");
        }
    }

    #[test]
    fn sessions_are_no_requests() {
        let all = json!({ "status_code_metrics": true, "latency_metrics": true, "bandwidth_metrics": true });
        let plugin = plugin::<Prometheus>(all, &Shelf::default());
        let mut exchange = exchange("/", &[]);
        exchange.service = Some(entity(json!({ "host": "sessions.test" })));
        exchange.session = Some(Box::default());
        Plugin::log(&plugin, &exchange);
        let shown = shown();
        for line in [
            r#"kong_stream_sessions_total{service="sessions.test",route="r",code="200",source="service",workspace="default"} 1"#,
            r#"kong_session_duration_ms_count{service="sessions.test",route="r",workspace="default"} 1"#,
        ] {
            assert!(shown.contains(line), "{line}\n{shown}");
        }
        assert_eq!(shown.matches("kong_http_requests_total{service=\"sessions.test\"").count(), 0);
    }

    #[test]
    fn what_is_off_and_what_matched_no_route_is_not_recorded() {
        let shelf = Shelf::default();
        let plugin = plugin::<Prometheus>(json!({ "status_code_metrics": true }), &shelf);
        let mut exchange = exchange("/", &[]);
        exchange.service = Some(entity(json!({ "host": "statuses.test" })));
        Plugin::log(&plugin, &exchange);
        exchange.route = None;
        exchange.response.status = 404;
        Plugin::log(&plugin, &exchange);
        let text = shown();
        let lines: Vec<_> = text.lines().filter(|line| line.contains("statuses.test")).collect();
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(!text.contains(r#"code="404""#));
    }

    #[test]
    fn what_plugins_count_is_shown() {
        let declare = |name: &str, kind| {
            custom_metrics::declare(name, "two\nlines", kind, vec!["plan".to_owned()]).expect("a name that fits")
        };
        declare("exposed_orders_total", Kind::Counter).add(2.5, &["a\"b"]).expect("one label");
        let sizes = declare("exposed_sizes", Kind::Histogram(vec![0.5, 1.0]));
        for size in [0.25, 1.0, 7.0] {
            sizes.observe(size, &["x"]).expect("one label");
        }
        declare("exposed_never_total", Kind::Counter);
        let text = render(&NodeFigures::default(), &Sums::default());
        let lines: Vec<_> = text.lines().filter(|line| line.contains("kong_exposed_")).collect();
        assert_eq!(
            lines,
            [
                r"# HELP kong_exposed_orders_total two\nlines",
                "# TYPE kong_exposed_orders_total counter",
                r#"kong_exposed_orders_total{plan="a\"b"} 2.5"#,
                r"# HELP kong_exposed_sizes two\nlines",
                "# TYPE kong_exposed_sizes histogram",
                r#"kong_exposed_sizes_bucket{plan="x",le="0.5"} 1"#,
                r#"kong_exposed_sizes_bucket{plan="x",le="1"} 2"#,
                r#"kong_exposed_sizes_bucket{plan="x",le="+Inf"} 3"#,
                r#"kong_exposed_sizes_count{plan="x"} 3"#,
                r#"kong_exposed_sizes_sum{plan="x"} 8.25"#,
            ]
        );
    }

    #[test]
    fn every_state_of_a_target_is_a_series() {
        let state = TargetState {
            upstream: "u".into(),
            target: "t:80".into(),
            address: "10.0.0.1:80".into(),
            state: "healthy",
        };
        let node = NodeFigures { targets: Some(vec![state]), ..NodeFigures::default() };
        let text = render(&node, &Sums::default());
        let values: Vec<_> = text.lines().filter(|line| line.starts_with("kong_upstream_target_health{")).collect();
        assert_eq!(values.iter().filter(|line| line.ends_with(" 1")).count(), 1);
        assert!(values.contains(&r#"kong_upstream_target_health{upstream="u",target="t:80",address="10.0.0.1:80",state="healthy",subsystem="http"} 1"#));
        assert_eq!(values.len(), 4);
    }
}
