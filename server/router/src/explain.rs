//! Why a Route matches a request, or does not: each of its fields, decided by a router of that field alone, so that no
//! second set of rules exists.

use crate::request::Request;
use crate::route::{CidrPort, Flavor, Protocol, RouteDefinition, Subsystem};
use crate::router::Router;

/// One field of a Route, held against a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Criterion {
    /// The field, for instance `hosts`; of a header `headers.` and its name.
    pub name: String,
    /// What the field has.
    pub wanted: Vec<String>,
    /// What the request has.
    pub given: Vec<String>,
    /// The value of the field that held.
    pub by: Option<String>,
    /// Whether the request satisfies it.
    pub held: bool,
    /// Whether the Route can match without it. Only the expressions flavour matches by protocol; elsewhere a request in
    /// another protocol is answered by the Route itself (a redirect to HTTPS, say).
    pub decides: bool,
}

/// The fields that a Route has, in the order `protocols`, `methods`, `hosts`, `paths`, `headers`, `snis`, `sources`,
/// `destinations`; or `protocols` and `expression`.
pub fn explain<R: Request + ?Sized>(flavor: Flavor, route: &RouteDefinition, request: &R) -> Vec<Criterion> {
    let mut explained = Explaining { flavor, route, request, bare: bare(route), found: Vec::new() };
    explained.protocols();
    if let Some(text) = route.expression.as_ref().filter(|_| flavor == Flavor::Expressions) {
        explained.add("expression", vec![text.clone()], Vec::new(), |bare, wanted| {
            bare.expression = wanted.first().cloned();
        });
        return explained.found;
    }
    let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (host, path) = (lossy(request.host()), lossy(request.path()));
    let host = match request.host_port() {
        Some(port) => format!("{host}:{port}"),
        None => host,
    };
    if route.subsystem() == Subsystem::Http {
        let method = vec![lossy(request.method())];
        explained.add("methods", route.methods.clone(), method, |bare, wanted| bare.methods = wanted);
        explained.add("hosts", route.hosts.clone(), vec![host], |bare, wanted| bare.hosts = wanted);
        explained.add("paths", route.paths.clone(), vec![path], |bare, wanted| bare.paths = wanted);
        for (name, values) in &route.headers {
            let mut given = Vec::new();
            request.header_values(&crate::expression::header_field(name), &mut |value| {
                given.push(lossy(value));
                true
            });
            explained.add(&format!("headers.{name}"), values.clone(), given, |bare, wanted| {
                bare.headers = vec![(name.clone(), wanted)];
            });
        }
    }
    let sni = request.sni().map(lossy).into_iter().collect();
    explained.add("snis", route.snis.clone(), sni, |bare, wanted| bare.snis = wanted);
    let (source, destination) = (request.source(), request.destination());
    explained.ends("sources", &route.sources, source.to_string(), |bare, wanted| bare.sources = wanted);
    explained
        .ends("destinations", &route.destinations, destination.to_string(), |bare, wanted| bare.destinations = wanted);
    explained.found
}

/// A Route of the same subsystem and with the same ways, without anything to match.
fn bare(route: &RouteDefinition) -> RouteDefinition {
    let protocols = match route.subsystem() {
        Subsystem::Http => vec![Protocol::Http, Protocol::Https],
        Subsystem::Stream => vec![Protocol::Tcp, Protocol::Tls, Protocol::Udp],
    };
    RouteDefinition { id: route.id, protocols, path_handling: route.path_handling, ..RouteDefinition::default() }
}

struct Explaining<'e, R: ?Sized> {
    flavor: Flavor,
    route: &'e RouteDefinition,
    request: &'e R,
    bare: RouteDefinition,
    found: Vec<Criterion>,
}

impl<R: Request + ?Sized> Explaining<'_, R> {
    fn protocols(&mut self) {
        let protocol = self.request.net_protocol();
        let is = |wanted: &&Protocol| wanted.net_protocol() == protocol;
        let by = self.route.protocols.iter().find(is).map(|protocol| protocol.as_str().to_owned());
        let same = self.route.subsystem() == protocol.subsystem();
        self.found.push(Criterion {
            name: "protocols".into(),
            wanted: self.route.protocols.iter().map(|protocol| protocol.as_str().to_owned()).collect(),
            given: vec![protocol.as_str().to_owned()],
            held: by.is_some(),
            by,
            decides: self.flavor == Flavor::Expressions || !same,
        });
    }

    /// How much of the path a Route matches that wants only this; `None` where it does not match.
    fn holds(&self, only: RouteDefinition) -> Option<usize> {
        let router = Router::build(self.flavor, &[only]).ok()?;
        router.find(self.request).map(|found| found.matched)
    }

    fn add(
        &mut self,
        name: &str,
        wanted: Vec<String>,
        given: Vec<String>,
        set: impl Fn(&mut RouteDefinition, Vec<String>),
    ) {
        if wanted.is_empty() {
            return;
        }
        let only = |values: Vec<String>| {
            let mut only = self.bare.clone();
            set(&mut only, values);
            self.holds(only)
        };
        let whole = only(wanted.clone());
        // Of paths, the one that took as much as the Route did.
        let by = whole.and_then(|matched| {
            let mut each = wanted.iter().filter_map(|value| Some((value, only(vec![value.clone()])?)));
            let exact = each.clone().find(|(_, own)| *own == matched);
            exact.or_else(|| each.next()).map(|(value, _)| value.clone())
        });
        self.found.push(Criterion { name: name.into(), wanted, given, by, held: whole.is_some(), decides: true });
    }

    fn ends(
        &mut self,
        name: &str,
        wanted: &[CidrPort],
        given: String,
        set: impl Fn(&mut RouteDefinition, Vec<CidrPort>),
    ) {
        let text = |end: &CidrPort| match (&end.ip, end.port) {
            (Some(ip), Some(port)) => format!("{ip}:{port}"),
            (Some(ip), None) => ip.clone(),
            (None, port) => format!(":{}", port.unwrap_or_default()),
        };
        let texts: Vec<String> = wanted.iter().map(text).collect();
        self.add(name, texts, vec![given], |bare, values| {
            let chosen = wanted.iter().filter(|end| values.contains(&text(end))).cloned();
            set(bare, chosen.collect());
        });
    }
}
