//! Where candidates are found: by host, then by path, then by method.
//!
//! A host leads to at most one exact bucket, to the buckets of the wildcards at its labels' borders, and to the
//! bucket of those that ask for no host. Each bucket is a radix tree of path prefixes, whose lists are in the order
//! in which candidates are tried.

mod forest;
mod screen;

use std::collections::HashMap;

use foldhash::fast::RandomState;

use crate::compile::Candidate;
use crate::fields::NameKind;
use crate::keys::{HostKey, Keys};
use crate::turn::offer_turn;
use forest::{Forest, Row};

/// A candidate in a list.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Item {
    /// Its place in the order of trial.
    pub(crate) rank: u32,
    /// Methods it takes, and [`CHECK`].
    pub(crate) mask: u32,
    /// The Route it stands for.
    pub(crate) route: u32,
    /// Length of the path's matched part where the check does not say it.
    pub(crate) matched: u32,
}

/// Set in an item's mask when being found is not enough.
pub(crate) const CHECK: u32 = 1 << 31;
/// Stands for every method without a bit of its own.
const OTHER_METHODS: u32 = 1 << 30;
const ALL_METHODS: u32 = CHECK - 1;

/// What a search does with the lists that a request leads to.
pub(crate) trait Visitor {
    /// Ranks from here on are of no interest any more.
    fn bound(&self) -> u32;
    /// Items in order of rank.
    fn visit(&mut self, items: &[Item]);
}

type Buckets = HashMap<Box<[u8]>, u32, RandomState>;

/// The index of one table.
#[derive(Debug, Default)]
pub(crate) struct Index {
    forest: Forest,
    exact: Buckets,
    /// `a.` of `a.*`
    prefixes: Buckets,
    /// `.a` of `*.a`
    suffixes: Buckets,
    /// Lengths of the shortest and the longest wildcard.
    wildcard_lengths: Option<(usize, usize)>,
    any: Option<u32>,
    /// The method at place n has bit n.
    methods: Vec<Box<[u8]>>,
}

impl Index {
    /// Indexes candidates, which are in the order of trial, and takes from their checks what being found makes sure
    /// of. `unicode` is how their patterns read.
    pub(crate) fn build(candidates: &mut [Candidate], unicode: bool) -> Self {
        let mut index = Self::default();
        let mut buckets: HashMap<Option<HostKey>, u32, RandomState> = HashMap::default();
        let mut text = Vec::new();
        let mut rows = Vec::new();
        for (rank, candidate) in candidates.iter_mut().enumerate() {
            offer_turn(rank);
            let methods = &candidate.keys.methods;
            let methods = if methods.is_empty() { ALL_METHODS } else { index.mask(methods) };
            candidate.settle(methods & OTHER_METHODS == 0 || methods == ALL_METHODS);
            let check = if candidate.needs_check() { CHECK } else { 0 };
            let (route, matched) = (candidate.route as u32, candidate.matched as u32);
            let item = Item { rank: rank as u32, mask: methods | check, route, matched };
            let Keys { hosts, paths, .. } = &candidate.keys;
            let spans: Vec<(usize, usize, bool)> = if paths.is_empty() {
                vec![(0, 0, false)]
            } else {
                paths
                    .iter()
                    .map(|path| {
                        text.extend_from_slice(&path.text);
                        (text.len() - path.text.len(), path.text.len(), path.exact)
                    })
                    .collect()
            };
            let mut add = |key: Option<HostKey>| {
                let next = buckets.len() as u32;
                let bucket = *buckets.entry(key).or_insert(next);
                rows.extend(spans.iter().map(|&(start, len, exact)| Row { bucket, start, len, exact, item }));
            };
            if hosts.is_empty() {
                add(None);
            }
            hosts.iter().for_each(|host| add(Some(host.clone())));
        }
        let patterns = candidates.iter().enumerate().filter(|(_, candidate)| !candidate.keys.patterns.is_empty());
        let patterns = patterns.map(|(rank, candidate)| (rank as u32, &candidate.keys.patterns[..])).collect();
        let (forest, roots) = Forest::build(&text, rows, buckets.len(), &patterns, unicode);
        index.forest = forest;
        for (key, bucket) in buckets {
            let root = roots[bucket as usize];
            match key {
                None => index.any = Some(root),
                Some(HostKey { kind, text }) => {
                    if kind != NameKind::Exact {
                        let (shortest, longest) = index.wildcard_lengths.unwrap_or((usize::MAX, 0));
                        index.wildcard_lengths = Some((shortest.min(text.len()), longest.max(text.len())));
                    }
                    let map = match kind {
                        NameKind::Exact => &mut index.exact,
                        NameKind::Prefix => &mut index.prefixes,
                        NameKind::Suffix => &mut index.suffixes,
                    };
                    map.insert(text, root);
                }
            }
        }
        index
    }

    /// The bits of configured methods. Those beyond the first thirty share one.
    fn mask(&mut self, methods: &[Box<[u8]>]) -> u32 {
        methods.iter().fold(0, |mask, method| {
            let known = self.methods.iter().position(|known| known == method);
            let place = known.or_else(|| {
                (self.methods.len() < 30).then(|| {
                    self.methods.push(method.clone());
                    self.methods.len() - 1
                })
            });
            mask | place.map_or(OTHER_METHODS, |place| 1 << place)
        })
    }

    /// The bit of a request's method.
    pub(crate) fn method_bit(&self, method: &[u8]) -> u32 {
        self.methods.iter().position(|known| **known == *method).map_or(OTHER_METHODS, |place| 1 << place)
    }

    /// Shows the visitor every list that a request may find its Route in.
    pub(crate) fn search(&self, host: &[u8], path: &[u8], visitor: &mut impl Visitor) {
        if let Some(&root) = self.exact.get(host) {
            self.forest.walk(root, path, visitor);
        }
        if let Some((shortest, longest)) = self.wildcard_lengths {
            for dot in memchr::memchr_iter(b'.', host) {
                let lengths = shortest..=longest;
                if lengths.contains(&(dot + 1))
                    && let Some(&root) = self.prefixes.get(&host[..=dot])
                {
                    self.forest.walk(root, path, visitor);
                }
                if lengths.contains(&(host.len() - dot))
                    && let Some(&root) = self.suffixes.get(&host[dot..])
                {
                    self.forest.walk(root, path, visitor);
                }
            }
        }
        if let Some(root) = self.any {
            self.forest.walk(root, path, visitor);
        }
    }
}
