//! Metrics that other gateways do not have: of the process, of the configuration, of what the node keeps.

use super::builds::Trigger;
use super::core::Core;
use balancer::breaker;
use observability::metrics::Own;
use ocsp_client::Figures;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;
use store::Record;
use x509_parser::prelude::{FromDer, X509Certificate};

/// Certificates whose end is told at most.
const CERTIFICATES: usize = 1000;
/// Clock ticks of a second, as Linux counts processor time.
const TICKS: f64 = 100.0;

/// All of them.
pub fn own(core: &Core) -> Vec<Own> {
    let mut metrics = Metrics(Vec::new());
    metrics.process();
    metrics.configuration(core);
    metrics.builds(core);
    metrics.reuse(core);
    metrics.kept(core);
    metrics.queues(core);
    metrics.circuits(core);
    metrics.staples(core);
    metrics.0
}

struct Metrics(Vec<Own>);

impl Metrics {
    fn add(&mut self, name: &'static str, kind: &'static str, help: &'static str, value: Option<f64>) {
        if let Some(value) = value {
            self.0.push(Own { name, help, kind, series: vec![(Vec::new(), value)] });
        }
    }

    /// What Linux tells of the process, under the names that clients of Prometheus use.
    fn process(&mut self) {
        let process = Path::new("/proc/self");
        let read = |name: &str| std::fs::read_to_string(process.join(name)).ok();
        let status = read("status").unwrap_or_default();
        let field = |name: &str| super::memory::of_status(&status, name).map(|number| number as f64);
        let kib = |name: &str| field(name).map(|kib| kib * 1024.0);
        self.add("process_resident_memory_bytes", "gauge", "Resident memory of the process", kib("VmRSS"));
        self.add("process_virtual_memory_bytes", "gauge", "Virtual memory of the process", kib("VmSize"));
        self.add("process_threads", "gauge", "Threads of the process", field("Threads"));
        // Past the name, which may hold spaces: state is field 3, utime and stime are 14 and 15, starttime is 22.
        let stat = read("stat");
        let after = stat.as_deref().and_then(|stat| stat.rsplit(')').next()).unwrap_or_default();
        let fields: Vec<f64> = after.split_whitespace().skip(1).filter_map(|field| field.parse().ok()).collect();
        let used = fields.get(10).zip(fields.get(11)).map(|(user, system)| (user + system) / TICKS);
        self.add("process_cpu_seconds_total", "counter", "Processor time of the process, user and system", used);
        let boot = std::fs::read_to_string("/proc/stat").ok();
        let boot = boot.as_deref().and_then(|text| text.lines().find_map(|line| line.strip_prefix("btime ")));
        let boot = boot.and_then(|text| text.trim().parse::<f64>().ok());
        let started = boot.zip(fields.get(18)).map(|(boot, ticks)| boot + ticks / TICKS);
        self.add("process_start_time_seconds", "gauge", "When the process began, seconds since 1970", started);
        let open = std::fs::read_dir(process.join("fd")).ok().map(|open| open.count() as f64);
        self.add("process_open_fds", "gauge", "Open file descriptors", open);
        let limits = read("limits");
        let most =
            limits.as_deref().and_then(|limits| limits.lines().find_map(|line| line.strip_prefix("Max open files")));
        let most = most.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
        self.add("process_max_fds", "gauge", "File descriptors that may be open", most);
        let netstat = read("net/netstat").unwrap_or_default();
        let network = network(&netstat);
        let bytes = |name: &str| network.get(name).copied();
        let (received, sent) = (bytes("InOctets"), bytes("OutOctets"));
        self.add(
            "process_network_receive_bytes_total",
            "counter",
            "Bytes received over IP in the network namespace",
            received,
        );
        self.add(
            "process_network_transmit_bytes_total",
            "counter",
            "Bytes sent over IP in the network namespace",
            sent,
        );
    }

    /// What is configured.
    fn configuration(&mut self, core: &Core) {
        let snapshot = core.published.load();
        let generation = Some(snapshot.generation as f64);
        let help = "Configurations compiled since the start";
        self.add("silverback_snapshot_generation", "counter", help, generation);
        let routes = Some(snapshot.routes().len() as f64);
        self.add("silverback_routes", "gauge", "Routes in use", routes);
        self.add("silverback_upstreams", "gauge", "Upstreams in use", Some(snapshot.upstreams().count() as f64));
        let series = ends(core);
        if !series.is_empty() {
            self.0.push(Own {
                name: "silverback_certificate_expiry_timestamp_seconds",
                help: "When the certificate of a server name ends, seconds since 1970",
                kind: "gauge",
                series,
            });
        }
        let help = "Actors that ended unexpectedly and were started anew";
        self.actors("silverback_actor_restarts_total", "counter", help, crate::supervise::restarts());
        let help = "Messages that wait for an actor's answer";
        self.actors("silverback_actor_waiting", "gauge", help, crate::supervise::waiting());
    }

    /// A figure of each actor.
    fn actors(&mut self, name: &'static str, kind: &'static str, help: &'static str, of: BTreeMap<&'static str, u64>) {
        let series: Vec<_> =
            of.into_iter().map(|(actor, figure)| (vec![("actor", actor.to_owned())], figure as f64)).collect();
        if !series.is_empty() {
            self.0.push(Own { name, help, kind, series });
        }
    }

    /// How configurations became Snapshots.
    fn builds(&mut self, core: &Core) {
        let builds = &core.builds;
        let label = |trigger: Trigger| ("trigger", trigger.name().to_owned());
        let counts = Trigger::ALL.into_iter().flat_map(|trigger| {
            let (done, refused) = builds.counts(trigger);
            [("built", done), ("refused", refused)]
                .map(|(result, count)| (vec![label(trigger), ("result", result.to_owned())], count as f64))
        });
        let help = "Snapshots that were compiled, or could not be";
        let series = counts.collect();
        self.0.push(Own { name: "silverback_snapshot_builds_total", help, kind: "counter", series });
        let series = Trigger::ALL.map(|trigger| (vec![label(trigger)], builds.seconds(trigger))).into();
        let help = "Seconds that compiling Snapshots took";
        self.0.push(Own { name: "silverback_snapshot_build_seconds_total", help, kind: "counter", series });
        let last = Some(builds.last());
        self.add("silverback_snapshot_build_last_seconds", "gauge", "Seconds that compiling the last one took", last);
        if core.database().is_some() {
            let help = "Seconds from the last change in the database to its being in use on this node";
            self.add("silverback_event_lag_seconds", "gauge", help, Some(builds.lag()));
        }
    }

    /// Idle connections to upstreams, and what is kept so that nobody need be asked.
    fn reuse(&mut self, core: &Core) {
        let now = core.traffic.now();
        let (idle, hits, misses) = (Some(now.idle as f64), Some(now.reused as f64), Some(now.missed as f64));
        self.add("silverback_upstream_pool_idle", "gauge", "Idle connections to upstreams", idle);
        let help = "How often a connection to an upstream was wanted and an idle one was there";
        self.add("silverback_upstream_pool_hits_total", "counter", help, hits);
        let help = "How often a connection to an upstream was wanted and none was idle";
        self.add("silverback_upstream_pool_misses_total", "counter", help, misses);
        let Some((hits, misses)) = core.people.as_ref().map(|people| people.asked()) else { return };
        let help = "How often a Consumer, a credential or the like was wanted and kept";
        self.add("silverback_directory_hits_total", "counter", help, Some(hits as f64));
        let help = "How often a Consumer, a credential or the like was wanted and the database asked";
        self.add("silverback_directory_misses_total", "counter", help, Some(misses as f64));
    }

    /// What the node keeps in memory.
    fn kept(&mut self, core: &Core) {
        let counters = &core.counters;
        let live = Some(counters.live() as f64);
        self.add("silverback_rate_limit_counters", "gauge", "Counters of windows of time that live", live);
        let room = Some(counters.capacity() as f64);
        self.add("silverback_rate_limit_counters_max", "gauge", "Counters that there is room for", room);
        let evicted = Some(counters.evicted() as f64);
        let help = "Counters that gave way to others for want of room";
        self.add("silverback_rate_limit_counters_evicted_total", "counter", help, evicted);
        let series =
            core.responses.noted().map(|(status, count)| (vec![("status", status.text().to_owned())], count as f64));
        let help = "Requests that proxy-cache and proxy-cache-advanced took part in, by X-Cache-Status";
        let name = "silverback_response_cache_requests_total";
        self.0.push(Own { name, help, kind: "counter", series: series.collect() });
        let (bytes, room) = core.responses.memory().bytes();
        self.add(
            "silverback_response_cache_bytes",
            "gauge",
            "Bytes of responses that are kept in memory",
            Some(bytes as f64),
        );
        let help = "Bytes of responses that may be kept in memory";
        self.add("silverback_response_cache_bytes_max", "gauge", help, Some(room as f64));
        let help = "How often a Redis server could not be asked for a response, or could not keep one";
        let failures = Some(core.responses.failures() as f64);
        self.add("silverback_response_cache_failures_total", "counter", help, failures);
        if let Some(history) = &core.history {
            let (series, bytes) = (Some(history.count() as f64), Some(history.bytes() as f64));
            self.add("silverback_history_series", "gauge", "Series that the node remembers", series);
            self.add("silverback_history_bytes", "gauge", "Memory of what the node remembers of requests", bytes);
            let help = "Requests that are remembered in a total and not in all of their series";
            self.add("silverback_history_folded_total", "counter", help, Some(history.folded() as f64));
        }
    }

    /// What circuit breakers do, where an Upstream has some.
    fn circuits(&mut self, core: &Core) {
        // Workspaces may have Upstreams of the same name.
        let mut upstreams: BTreeMap<String, breaker::Figures> = BTreeMap::new();
        for peers in core.targets.all() {
            if let Some(figures) = peers.balancer().breaker_figures(peers.now()) {
                *upstreams.entry(peers.setup().name.to_string()).or_default() += figures;
            }
        }
        if upstreams.is_empty() {
            return;
        }
        for (name, kind, help, read) in CIRCUITS {
            let of = |(upstream, figures): (&String, &breaker::Figures)| {
                let labelled = |(label, value): (Option<Label>, u64)| {
                    let own = label.map(|(name, value)| (name, value.to_owned()));
                    ([("upstream", upstream.clone())].into_iter().chain(own).collect(), value as f64)
                };
                read(figures).into_iter().map(labelled).collect::<Vec<_>>()
            };
            self.0.push(Own { name, help, kind, series: upstreams.iter().flat_map(of).collect() });
        }
    }

    /// Certificates that must be stapled, where there are some.
    fn staples(&mut self, core: &Core) {
        let Figures { stapled, bare, good, revoked, failed } = core.staples.figures();
        if stapled + bare + good + revoked + failed == 0 {
            return;
        }
        let series = |label, counts: &[(&str, u64)]| {
            counts.iter().map(|(value, count)| (vec![(label, (*value).to_owned())], *count as f64)).collect()
        };
        self.0.push(Own {
            name: "silverback_ocsp_certificates",
            help: "Certificates that must be stapled, by whether they are",
            kind: "gauge",
            series: series("state", &[("stapled", stapled), ("bare", bare)]),
        });
        self.0.push(Own {
            name: "silverback_ocsp_requests_total",
            help: "Questions to OCSP responders, by what came of them",
            kind: "counter",
            series: series("result", &[("good", good), ("revoked", revoked), ("failed", failed)]),
        });
    }

    /// Queues of logging plugins and event hooks.
    fn queues(&mut self, core: &Core) {
        if core.database().is_some() {
            let (help, untold) =
                ("Happenings that event hooks were not told of, too many waiting", core.notices.untold());
            self.add("silverback_event_hooks_dropped_total", "counter", help, Some(untold as f64));
        }
        let queues = core.outbound.depot.counts();
        let mut add = |name, help, kind, of: fn(&telemetry::ship::QueueCounts) -> u64| {
            let series =
                queues.iter().map(|counts| (vec![("plugin", counts.plugin.to_owned())], of(counts) as f64)).collect();
            self.0.push(Own { name, help, kind, series });
        };
        add("silverback_queue_bytes", "Bytes that wait in queues", "gauge", |counts| counts.bytes);
        add("silverback_queue_dropped_total", "Entries dropped for want of room", "counter", |counts| counts.dropped);
        add("silverback_queue_entries", "Entries that wait in queues", "gauge", |counts| counts.waiting);
        add("silverback_queue_failed_total", "Entries that could not be sent", "counter", |counts| counts.failed);
        add("silverback_queue_retries_total", "Further tries of batches", "counter", |counts| counts.retries);
        add("silverback_queue_sent_total", "Entries sent", "counter", |counts| counts.shipped);
    }
}

type Label = (&'static str, &'static str);

/// A metric of circuit breakers: name, kind, help, and the figures of one Upstream, with a label more where there is one.
type CircuitMetric = (&'static str, &'static str, &'static str, fn(&breaker::Figures) -> Vec<(Option<Label>, u64)>);

const CIRCUITS: [CircuitMetric; 6] = [
    ("silverback_circuit_addresses", "gauge", "Addresses of Targets by what their circuit does", |figures| {
        [("closed", figures.closed), ("half_open", figures.half_open), ("open", figures.open)]
            .map(|(state, count)| (Some(("state", state)), count))
            .into()
    }),
    ("silverback_circuit_opened_total", "counter", "How often a circuit opened", |figures| {
        vec![(None, figures.opened)]
    }),
    ("silverback_circuit_pending", "gauge", "Requests that wait for a connection to a Target", |figures| {
        vec![(None, figures.pending)]
    }),
    (
        "silverback_circuit_refused_total",
        "counter",
        "How often there was nobody to ask, a Target was passed over, or a retry was not made",
        |figures| {
            [("nobody", figures.refused), ("pending", figures.crowded), ("retries", figures.unretried)]
                .map(|(reason, count)| (Some(("reason", reason)), count))
                .into()
        },
    ),
    ("silverback_circuit_requests", "gauge", "Requests that Targets have", |figures| vec![(None, figures.requests)]),
    ("silverback_circuit_retries", "gauge", "Retries under way", |figures| vec![(None, figures.retries)]),
];

/// When the certificates of server names end.
fn ends(core: &Core) -> Vec<(Vec<(&'static str, String)>, f64)> {
    let Some(view) = super::metrics::view(core) else { return Vec::new() };
    let end = |sni: &Arc<Record>| {
        let certificate = view.get("certificates", &sni.reference("certificate")?)?;
        let chain = snapshot::certificates_in(certificate.text("cert")?).ok()?;
        let (_, leaf) = X509Certificate::from_der(chain.first()?).ok()?;
        let name = sni.text("name")?.to_owned();
        Some((vec![("name", name)], leaf.validity().not_after.timestamp() as f64))
    };
    view.all("snis").take(CERTIFICATES).filter_map(end).collect()
}

/// The figures of IP: a line of names, and one of values.
fn network(text: &str) -> HashMap<&str, f64> {
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("IpExt:"));
    let (Some(names), Some(values)) = (lines.next(), lines.next()) else { return HashMap::new() };
    let values = values.split_whitespace().map(|value| value.parse().unwrap_or(0.0));
    names.split_whitespace().zip(values).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_the_network_and_the_process() {
        let text = "TcpExt: A B\nTcpExt: 1 2\nIpExt: InNoRoutes InOctets OutOctets\nIpExt: 0 12 34\n";
        let found = network(text);
        assert_eq!((found["InOctets"], found["OutOctets"]), (12.0, 34.0));
        assert!(network("").is_empty());
        let mut metrics = Metrics(Vec::new());
        metrics.process();
        let of = |name: &str| metrics.0.iter().find(|metric| metric.name == name).map(|metric| metric.series[0].1);
        for name in
            ["process_resident_memory_bytes", "process_threads", "process_start_time_seconds", "process_open_fds"]
        {
            assert!(of(name).is_some_and(|value| value >= 1.0), "{name}: {:?}", of(name));
        }
        assert!(of("process_cpu_seconds_total").is_some_and(|value| value >= 0.0));
    }
}
