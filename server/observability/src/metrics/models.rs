//! What asking language models took, as metrics: read from what plugins tell logs of it, under `ai`.

use exchange::Exchange;
use exchange::custom_metrics::{CustomMetric, Kind, declare};
use serde_json::Value;
use std::sync::{Arc, LazyLock};

/// Upper bounds of `kong_ai_llm_provider_latency_ms`, in ms.
const BUCKETS: [f64; 14] = [
    250.0, 500.0, 1000.0, 1500.0, 2000.0, 2500.0, 3000.0, 3500.0, 4000.0, 4500.0, 5000.0, 10_000.0, 30_000.0, 60_000.0,
];
/// What the metrics' names begin with.
pub(super) const PREFIX: &str = "kong_ai_llm_";

struct Metrics {
    requests: Arc<CustomMetric>,
    costs: Arc<CustomMetric>,
    tokens: Arc<CustomMetric>,
    latency: Arc<CustomMetric>,
}

/// None where plugins count something else by these names.
static METRICS: LazyLock<Option<Metrics>> = LazyLock::new(|| {
    let metric = |name: &str, help: &str, kind, tokens: bool| {
        let before =
            ["ai_provider", "ai_model", "cache_status", "vector_db", "embeddings_provider", "embeddings_model"];
        let labels = before.into_iter().chain(tokens.then_some("token_type")).chain(["workspace"]);
        let metric = declare(name, help, kind, labels.map(str::to_owned).collect());
        metric.map_err(|error| tracing::error!(plugin = "prometheus", "{error}")).ok()
    };
    let cost = "AI requests cost per ai_provider/cache in Kong";
    let latency = "LLM response Latency for each AI plugins per ai_provider in Kong";
    Some(Metrics {
        requests: metric("ai_llm_requests_total", "AI requests total per ai_provider in Kong", Kind::Counter, false)?,
        costs: metric("ai_llm_cost_total", cost, Kind::Counter, false)?,
        tokens: metric("ai_llm_tokens_total", cost, Kind::Counter, true)?,
        latency: metric("ai_llm_provider_latency_ms", latency, Kind::Histogram(BUCKETS.to_vec()), false)?,
    })
});

/// Counts what a request took, once for each plugin that asked a model.
pub(super) fn record(exchange: &Exchange) {
    let Some(Value::Object(plugins)) = exchange.log_values.below("ai") else { return };
    let Some(metrics) = &*METRICS else { return };
    let workspace = exchange.directory.workspace_name(exchange.workspace).unwrap_or_else(|| Arc::from(""));
    // A payload is told by plugins that ask none.
    for told in plugins.values().filter(|told| told.get("meta").is_some()) {
        let text = |path: &str| told.pointer(path).and_then(Value::as_str).unwrap_or_default();
        let before = [
            text("/meta/provider_name"),
            text("/meta/request_model"),
            text("/cache/cache_status"),
            text("/cache/vector_db"),
            text("/cache/embeddings_provider"),
            text("/cache/embeddings_model"),
        ];
        let labels: Vec<&str> = before.into_iter().chain([&*workspace]).collect();
        let number = |path: &str| told.pointer(path).and_then(Value::as_f64).filter(|number| *number > 0.0);
        // The labels are as many as declared, and no value is negative.
        let _ = metrics.requests.add(1.0, &labels);
        if let Some(cost) = number("/usage/cost") {
            let _ = metrics.costs.add(cost, &labels);
        }
        if let Some(latency) = number("/meta/llm_latency") {
            let _ = metrics.latency.observe(latency, &labels);
        }
        for kind in ["prompt_tokens", "completion_tokens", "total_tokens"] {
            if let Some(tokens) = number(&format!("/usage/{kind}")) {
                let labels: Vec<&str> = before.into_iter().chain([kind, &*workspace]).collect();
                let _ = metrics.tokens.add(tokens, &labels);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::metrics::{NodeFigures, Prometheus, exposition};
    use crate::testing::{Shelf, exchange, plugin};
    use exchange::Plugin;
    use exchange::log_entry::Mode;
    use serde_json::json;

    #[test]
    fn what_models_took_is_counted_as_logs_tell_it() {
        let shelf = Shelf::default();
        let (counts, silent) = (json!({ "ai_metrics": true }), json!({ "latency_metrics": true }));
        let exchange = exchange("/", &[]);
        let tell = |key: &str, value| exchange.log_values.set(key, Mode::Set, value);
        tell("ai.payload.original_request", json!("{}"));
        tell("ai.proxy.meta", json!({ "provider_name": "openai", "request_model": "m", "llm_latency": 700 }));
        tell("ai.proxy.usage", json!({ "prompt_tokens": 5, "completion_tokens": 0, "total_tokens": 5, "cost": 0.25 }));
        tell("aim.proxy.meta", json!({ "provider_name": "other" }));
        Plugin::log(&plugin::<Prometheus>(silent, &shelf), &exchange);
        for _ in 0..2 {
            Plugin::log(&plugin::<Prometheus>(counts.clone(), &shelf), &exchange);
        }
        let text = exposition(&NodeFigures { with_requests: true, ..NodeFigures::default() });
        let labels = "ai_provider=\"openai\",ai_model=\"m\",cache_status=\"\",vector_db=\"\",embeddings_provider=\"\",embeddings_model=\"\"";
        let lines: Vec<_> = text.lines().filter(|line| line.starts_with(super::PREFIX)).collect();
        let has = |line: &str| {
            assert!(lines.iter().any(|one| one.replace(labels, "L").starts_with(line)), "{line}: {lines:?}")
        };
        has("kong_ai_llm_requests_total{L,workspace=");
        has("kong_ai_llm_tokens_total{L,token_type=\"prompt_tokens\",workspace=");
        assert!(lines.iter().any(|line| line.starts_with("kong_ai_llm_requests_total") && line.ends_with(" 2")));
        assert!(lines.iter().any(|line| line.starts_with("kong_ai_llm_cost_total") && line.ends_with(" 0.5")));
        assert!(!lines.iter().any(|line| line.contains("completion_tokens")));
        let buckets = lines.iter().filter(|line| line.contains("latency_ms_bucket") && line.ends_with(" 2")).count();
        assert_eq!(buckets, 13);
        assert!(text.find(super::PREFIX) < text.find("kong_datastore_reachable"));
    }
}
