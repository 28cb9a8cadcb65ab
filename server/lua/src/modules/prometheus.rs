//! `kong.plugins.prometheus.exporter`: metrics that plugins count themselves, by the interface of nginx-lua-prometheus.

use crate::error;
use crate::value;
use exchange::custom_metrics::{self, BUCKETS, CustomMetric, CustomMetricError, Kind};
use mlua::{Lua, Table, UserData, UserDataMethods, Value};
use std::sync::Arc;

/// The module. `get_prometheus` is what plugins of one's own use of Kong's.
pub fn module(lua: &Lua) -> mlua::Result<Table> {
    let module = lua.create_table()?;
    module.set("get_prometheus", lua.create_function(|_, ()| Ok(Prometheus))?)?;
    let rules = lua.create_table()?;
    let absent = |_: &Lua, (_, name): (Table, Value)| -> mlua::Result<Value> {
        let name = value::text(&name)?;
        Err(error::of(format!("kong.plugins.prometheus.exporter.{name} is not there; get_prometheus is")))
    };
    rules.set("__index", lua.create_function(absent)?)?;
    module.set_metatable(Some(rules))?;
    Ok(module)
}

/// What declares metrics.
struct Prometheus;

/// A metric.
struct Metric(Arc<CustomMetric>);

/// As the library does: what is wrong is written to the error log, and nobody's request fails by it.
fn told<T>(result: Result<T, CustomMetricError>) -> Option<T> {
    result.inspect_err(|error| tracing::error!("{error}")).ok()
}

fn strings(table: Option<Table>) -> mlua::Result<Vec<String>> {
    let Some(table) = table else { return Ok(Vec::new()) };
    table.sequence_values::<Value>().map(|item| value::text(&item?)).collect()
}

type Declared = (String, Option<String>, Option<Table>);

fn declare(kind: Kind, (name, help, labels): Declared) -> mlua::Result<Option<Metric>> {
    let labels = strings(labels)?;
    Ok(told(custom_metrics::declare(&name, help.as_deref().unwrap_or_default(), kind, labels)).map(Metric))
}

impl UserData for Prometheus {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_method("counter", |_, _, told: Declared| declare(Kind::Counter, told));
        methods.add_method("gauge", |_, _, told: Declared| declare(Kind::Gauge, told));
        methods.add_method(
            "histogram",
            |_, _, (name, help, labels, bounds): (String, Option<String>, Option<Table>, Option<Vec<f64>>)| {
                declare(Kind::Histogram(bounds.unwrap_or_else(|| BUCKETS.to_vec())), (name, help, labels))
            },
        );
    }
}

type Change = fn(&CustomMetric, f64, &[&str]) -> Result<(), CustomMetricError>;

/// Does something to the series of some label values.
fn labelled(labels: Option<Table>, act: impl FnOnce(&[&str]) -> Result<(), CustomMetricError>) -> mlua::Result<()> {
    let labels = strings(labels)?;
    told(act(&labels.iter().map(String::as_str).collect::<Vec<_>>()));
    Ok(())
}

impl UserData for Metric {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        let changes: [(&'static str, Change); 4] = [
            ("inc", CustomMetric::add),
            ("dec", |metric, value, labels| metric.add(-value, labels)),
            ("set", CustomMetric::set),
            ("observe", CustomMetric::observe),
        ];
        for (name, change) in changes {
            methods.add_method(name, move |_, Self(metric), (value, labels): (Option<f64>, Option<Table>)| {
                labelled(labels, |labels| change(metric, value.unwrap_or(1.0), labels))
            });
        }
        methods.add_method("del", |_, Self(metric), labels| labelled(labels, |labels| metric.remove(labels)));
        methods.add_method("reset", |_, Self(metric), ()| {
            metric.clear();
            Ok(())
        });
    }
}
