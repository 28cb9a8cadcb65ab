//! The router: built once per configuration, asked once per request.

use std::borrow::Cow;

use crate::compile::{Candidate, Check, Compiler};
use crate::expression::{Trace, evaluate};
use crate::index::{CHECK, Index, Item, Visitor};
use crate::path;
use crate::pattern::Pattern;
use crate::request::Request;
use crate::route::{Flavor, PathHandling, RouteDefinition, Subsystem};
use crate::turn::offer_turn;

/// A Route that cannot be compiled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Route {route}: {message}")]
pub struct BuildError {
    /// Its index in the definitions.
    pub route: usize,
    /// What is wrong: the report of the expression or of the regex.
    pub message: String,
}

/// A Route that matches, and what of the request's path did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Match {
    /// Index into the definitions the router was built from.
    pub route: usize,
    /// Bytes of the path that `strip_path` removes: 1, the slash, when no path was asked for. It can exceed the
    /// path's length.
    pub matched: usize,
    pattern: Option<u32>,
}

/// The groups of the regex that matched the path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Captures<'p> {
    /// By number; 0 is the whole matched text. Empty when no regex was involved.
    pub numbered: Vec<Option<&'p [u8]>>,
    /// Those that have a name and took part, by name.
    pub named: Vec<(&'p str, &'p [u8])>,
}

/// An immutable routing table for both subsystems.
#[derive(Debug)]
pub struct Router {
    flavor: Flavor,
    http: Table,
    stream: Table,
    patterns: Vec<Pattern>,
    routes: Vec<Facts>,
}

/// What joining the paths needs of a Route.
#[derive(Clone, Copy, Debug)]
struct Facts {
    strip_path: bool,
    path_handling: PathHandling,
}

#[derive(Debug, Default)]
struct Table {
    index: Index,
    /// In order of trial.
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    protocols: u8,
    check: Option<Check>,
}

impl Router {
    /// Compiles and indexes Routes. A Route without anything to match never matches.
    ///
    /// # Errors
    /// Every Route whose regex, expression or address is not valid.
    pub fn build(flavor: Flavor, routes: &[RouteDefinition]) -> Result<Self, Vec<BuildError>> {
        let mut compiler = Compiler::new(flavor);
        let (mut http, mut stream, mut errors) = (Vec::new(), Vec::new(), Vec::new());
        for (number, route) in routes.iter().enumerate() {
            offer_turn(number);
            match compiler.compile(number, route) {
                Ok(candidates) if route.subsystem() == Subsystem::Http => http.extend(candidates),
                Ok(candidates) => stream.extend(candidates),
                Err(message) => errors.push(BuildError { route: number, message }),
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let facts = |route: &RouteDefinition| Facts {
            strip_path: route.strip_path,
            path_handling: flavor.path_handling(route.path_handling),
        };
        let unicode = flavor != Flavor::Traditional;
        Ok(Self {
            flavor,
            http: Table::build(http, unicode),
            stream: Table::build(stream, unicode),
            patterns: compiler.patterns,
            routes: routes.iter().map(facts).collect(),
        })
    }

    /// The flavour it was built for.
    pub fn flavor(&self) -> Flavor {
        self.flavor
    }

    /// The first Route, in the flavour's order, that matches the request. Allocates nothing unless regexes or
    /// letters beyond ASCII are involved.
    pub fn find<R: Request + ?Sized>(&self, request: &R) -> Option<Match> {
        match request.net_protocol().subsystem() {
            Subsystem::Http => self.http.find(request),
            Subsystem::Stream => self.stream.find(request),
        }
    }

    /// The groups of the regex by which a Route matched; `path` is the path it was found with.
    pub fn captures<'p>(&'p self, found: &Match, path: &'p [u8]) -> Captures<'p> {
        let pattern = found.pattern.and_then(|id| self.patterns.get(id as usize));
        let (numbered, named) = pattern.map(|pattern| pattern.captures(path)).unwrap_or_default();
        Captures { numbered, named }
    }

    /// The path for the upstream, not escaped yet (see [`path::escape`]): the Service's path joined with the
    /// request's as the Route says.
    pub fn upstream_path<'p>(&self, found: &Match, service: &'p [u8], request: &'p [u8]) -> Cow<'p, [u8]> {
        match self.routes.get(found.route) {
            Some(facts) => path::upstream_path(service, request, found.matched, facts.strip_path, facts.path_handling),
            None => Cow::Borrowed(request),
        }
    }

    /// What `X-Forwarded-Prefix` says: the part of the path that is stripped, unless that is only the slash.
    pub fn stripped_prefix<'p>(&self, found: &Match, request: &'p [u8]) -> Option<&'p [u8]> {
        let strips = self.routes.get(found.route).is_some_and(|facts| facts.strip_path);
        let prefix = &request[..found.matched.min(request.len())];
        (strips && !prefix.is_empty() && prefix != b"/").then_some(prefix)
    }
}

impl Table {
    fn build(mut candidates: Vec<Candidate>, unicode: bool) -> Self {
        candidates.sort_by_key(|candidate| candidate.order);
        let index = Index::build(&mut candidates, unicode);
        let entries = candidates.into_iter().map(|c| Entry { protocols: c.protocols, check: c.check });
        Self { index, entries: entries.collect() }
    }

    fn find<R: Request + ?Sized>(&self, request: &R) -> Option<Match> {
        let method = self.index.method_bit(request.method());
        let mut search = Search { entries: &self.entries, request, method, best: None };
        self.index.search(request.host(), request.path(), &mut search);
        let (item, trace) = search.best?;
        Some(Match {
            route: item.route as usize,
            matched: trace.matched.unwrap_or(item.matched as usize),
            pattern: trace.pattern,
        })
    }
}

/// The best Route so far.
struct Search<'s, R: ?Sized> {
    entries: &'s [Entry],
    request: &'s R,
    method: u32,
    best: Option<(Item, Trace)>,
}

impl<R: Request + ?Sized> Visitor for Search<'_, R> {
    fn bound(&self) -> u32 {
        self.best.as_ref().map_or(u32::MAX, |(item, _)| item.rank)
    }

    fn visit(&mut self, items: &[Item]) {
        for item in items {
            if item.rank >= self.bound() {
                return;
            }
            if item.mask & self.method == 0 {
                continue;
            }
            let mut trace = Trace::default();
            if item.mask & CHECK == 0 || self.entries[item.rank as usize].holds(self.request, &mut trace) {
                self.best = Some((*item, trace));
                return;
            }
        }
    }
}

impl Entry {
    fn holds<R: Request + ?Sized>(&self, request: &R, trace: &mut Trace) -> bool {
        self.protocols & request.net_protocol().bit() != 0
            && match &self.check {
                None => true,
                Some(Check::Fields(fields)) => fields.hold(request, trace),
                Some(Check::Expression(root)) => evaluate(root, request, trace),
            }
    }
}
