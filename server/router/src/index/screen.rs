//! Many regexes in one list: a set tells in one pass which of them match the path at all.

use std::collections::HashMap;
use std::sync::OnceLock;

use regex::bytes::{RegexSet, RegexSetBuilder};

use super::{Item, Visitor};

/// Fewer patterns than this are as fast one by one.
const WORTHWHILE: usize = 8;
/// Patterns per set: larger ones have automata too large for their caches.
const SET_SIZE: usize = 64;

/// Sets over a list, in the list's order.
#[derive(Debug)]
pub(super) struct Screen {
    chunks: Vec<Chunk>,
}

#[derive(Debug)]
struct Chunk {
    /// How many items of the list.
    len: usize,
    patterns: Vec<String>,
    /// For each pattern, which item of the chunk it belongs to.
    owners: Vec<usize>,
    /// Items that have no pattern.
    free: Vec<bool>,
    unicode: bool,
    /// Compiled by the first request that comes here; none when the set would be too large.
    set: OnceLock<Option<RegexSet>>,
}

impl Screen {
    /// None when the list has too few patterns to be worth it.
    pub(super) fn new(items: &[Item], patterns: &HashMap<u32, &[String]>, unicode: bool) -> Option<Self> {
        if items.len() < WORTHWHILE || items.iter().filter(|i| patterns.contains_key(&i.rank)).count() < WORTHWHILE {
            return None;
        }
        let chunks = items.chunks(SET_SIZE).map(|items| {
            let mut chunk = Chunk {
                len: items.len(),
                patterns: Vec::new(),
                owners: Vec::new(),
                free: Vec::with_capacity(items.len()),
                unicode,
                set: OnceLock::new(),
            };
            for (owner, item) in items.iter().enumerate() {
                let own = patterns.get(&item.rank);
                chunk.free.push(own.is_none());
                for pattern in own.into_iter().flat_map(|own| own.iter()) {
                    chunk.patterns.push(pattern.clone());
                    chunk.owners.push(owner);
                }
            }
            chunk
        });
        Some(Self { chunks: chunks.collect() })
    }

    /// Shows the visitor the items whose patterns match, and those without.
    pub(super) fn visit(&self, mut items: &[Item], path: &[u8], visitor: &mut impl Visitor) {
        for chunk in &self.chunks {
            let (own, others) = items.split_at(chunk.len.min(items.len()));
            items = others;
            if own.first().is_none_or(|item| item.rank >= visitor.bound()) {
                return;
            }
            match chunk.set() {
                Some(set) => {
                    let mut wanted = [false; SET_SIZE];
                    wanted[..chunk.free.len()].copy_from_slice(&chunk.free);
                    for pattern in set.matches(path).iter() {
                        wanted[chunk.owners[pattern]] = true;
                    }
                    for (item, _) in own.iter().zip(wanted).filter(|(_, wanted)| *wanted) {
                        visitor.visit(std::slice::from_ref(item));
                    }
                }
                None => visitor.visit(own),
            }
        }
    }
}

impl Chunk {
    fn set(&self) -> Option<&RegexSet> {
        let build = || RegexSetBuilder::new(&self.patterns).unicode(self.unicode).build().ok();
        self.set.get_or_init(build).as_ref()
    }
}
