//! Radix trees of path prefixes, by byte: Kong's prefixes know no segments.

use std::collections::HashMap;
use std::num::NonZeroU32;

use super::screen::Screen;
use super::{Item, Visitor};
use crate::turn::offer_turn;

/// Under which path of which bucket an item is found.
pub(super) struct Row {
    pub(super) bucket: u32,
    pub(super) start: usize,
    pub(super) len: usize,
    /// Only by this very path, not by those it begins.
    pub(super) exact: bool,
    pub(super) item: Item,
}

/// All trees of an index: the children of a node are neighbours, the lists lie in one piece.
#[derive(Debug, Default)]
pub(super) struct Forest {
    nodes: Vec<Node>,
    /// The first byte of each node's label.
    first: Vec<u8>,
    /// The labels that nodes have no room for.
    labels: Vec<u8>,
    items: Vec<Item>,
    screens: Vec<Screen>,
}

/// One cache line: with thousands of Routes most nodes lie outside the nearest caches.
#[derive(Debug)]
#[repr(align(64))]
struct Node {
    /// The label, or the first bytes of a longer one.
    near: [u8; NEAR],
    /// Where in the labels the rest of a longer one begins.
    label: u32,
    label_len: u32,
    children: u32,
    child_count: u32,
    /// The smallest rank in this tree.
    best: u32,
    /// Items of prefixes are `items..exact`, those of whole paths `exact..end`.
    items: u32,
    exact: u32,
    end: u32,
    /// What its one item says beside the rank, which is `best`, where nothing else is here or below.
    alone: Option<Alone>,
    /// Tells which of the prefix items' patterns match; [`NO_SCREEN`] when there is none.
    screen: u32,
}

const NO_SCREEN: u32 = u32::MAX;
/// Bytes of a label that a node has room for.
const NEAR: usize = 16;

/// An [`Item`] but for its rank.
#[derive(Clone, Copy, Debug)]
struct Alone {
    mask: NonZeroU32,
    route: u32,
    matched: u32,
}
const _: () = assert!(size_of::<Node>() == 64);

impl Alone {
    fn of(item: &Item) -> Option<Self> {
        let Item { mask, route, matched, .. } = *item;
        Some(Self { mask: NonZeroU32::new(mask)?, route, matched })
    }

    fn item(self, rank: u32) -> Item {
        Item { rank, mask: self.mask.get(), route: self.route, matched: self.matched }
    }
}

impl Node {
    /// What of `path` is behind the label.
    fn strip<'p>(&self, path: &'p [u8], labels: &[u8]) -> Option<&'p [u8]> {
        let len = self.label_len as usize;
        let rest = path.strip_prefix(&self.near[..len.min(NEAR)])?;
        match len.checked_sub(NEAR) {
            None | Some(0) => Some(rest),
            Some(more) => rest.strip_prefix(&labels[self.label as usize..][..more]),
        }
    }
}

/// Rows that share a prefix of `depth` bytes, waiting to become `node`.
struct Pending {
    node: usize,
    from: usize,
    to: usize,
    depth: usize,
}

impl Forest {
    /// Builds one tree per bucket; `text` holds the rows' paths. Returns the trees' roots by bucket.
    pub(super) fn build(
        text: &[u8],
        mut rows: Vec<Row>,
        buckets: usize,
        patterns: &HashMap<u32, &[String]>,
        unicode: bool,
    ) -> (Self, Vec<u32>) {
        let path = |row: &Row| &text[row.start..row.start + row.len];
        rows.sort_unstable_by(|a, b| {
            (a.bucket, path(a), a.exact, a.item.rank).cmp(&(b.bucket, path(b), b.exact, b.item.rank))
        });
        let mut forest = Self { items: Vec::with_capacity(rows.len()), ..Self::default() };
        let mut roots = vec![0; buckets];
        let mut pending = std::collections::VecDeque::new();
        let mut from = 0;
        for group in rows.chunk_by(|a, b| a.bucket == b.bucket) {
            let node = forest.reserve(0);
            roots[group[0].bucket as usize] = node as u32;
            pending.push_back(Pending { node, from, to: from + group.len(), depth: 0 });
            from += group.len();
        }
        while let Some(Pending { node, from, to, depth }) = pending.pop_front() {
            offer_turn(node);
            let group = &rows[from..to];
            let (first, last) = (path(&group[0]), path(&group[group.len() - 1]));
            let common = depth + first[depth..].iter().zip(&last[depth..]).take_while(|(a, b)| a == b).count();
            let own = group.partition_point(|row| row.len == common);
            let prefixes = group[..own].partition_point(|row| !row.exact);
            let whole = &first[depth..common];
            let (here, rest) = whole.split_at(whole.len().min(NEAR));
            let mut near = [0; NEAR];
            near[..here.len()].copy_from_slice(here);
            let label = forest.labels.len();
            forest.labels.extend_from_slice(rest);
            let items = forest.items.len();
            forest.items.extend(group[..own].iter().map(|row| row.item));
            let screen = match Screen::new(&forest.items[items..items + prefixes], patterns, unicode) {
                Some(screen) => {
                    forest.screens.push(screen);
                    forest.screens.len() as u32 - 1
                }
                None => NO_SCREEN,
            };
            let children = forest.nodes.len();
            let mut begin = own;
            while begin < group.len() {
                let byte = path(&group[begin])[common];
                let end = begin + group[begin..].partition_point(|row| path(row)[common] == byte);
                let child = forest.reserve(byte);
                pending.push_back(Pending { node: child, from: from + begin, to: from + end, depth: common });
                begin = end;
            }
            forest.nodes[node] = Node {
                near,
                label: label as u32,
                label_len: whole.len() as u32,
                children: children as u32,
                child_count: (forest.nodes.len() - children) as u32,
                best: u32::MAX,
                items: items as u32,
                exact: (items + prefixes) as u32,
                end: (items + own) as u32,
                alone: match &group[..own] {
                    [row] if group.len() == 1 => Alone::of(&row.item),
                    _ => None,
                },
                screen,
            };
        }
        forest.note_best();
        (forest, roots)
    }

    fn reserve(&mut self, first: u8) -> usize {
        self.first.push(first);
        self.nodes.push(Node {
            near: [0; NEAR],
            label: 0,
            label_len: 0,
            children: 0,
            child_count: 0,
            best: u32::MAX,
            items: 0,
            exact: 0,
            end: 0,
            alone: None,
            screen: NO_SCREEN,
        });
        self.nodes.len() - 1
    }

    /// Children come after their parents.
    fn note_best(&mut self) {
        for at in (0..self.nodes.len()).rev() {
            let node = &self.nodes[at];
            let own = self.items[node.items as usize..node.end as usize].iter().map(|item| item.rank);
            let children = node.children as usize..(node.children + node.child_count) as usize;
            let below = self.nodes[children].iter().map(|child| child.best);
            let best = own.chain(below).min().unwrap_or(u32::MAX);
            self.nodes[at].best = best;
        }
    }

    /// Shows the visitor the lists of every prefix of `path`, as long as they can hold anything of interest.
    pub(super) fn walk(&self, root: u32, path: &[u8], visitor: &mut impl Visitor) {
        let mut rest = path;
        let mut at = root as usize;
        loop {
            let node = &self.nodes[at];
            if node.best >= visitor.bound() {
                return;
            }
            let Some(after) = node.strip(rest, &self.labels) else { return };
            rest = after;
            let own = node.alone.map(|alone| alone.item(node.best));
            let list = match &own {
                Some(item) => std::slice::from_ref(item),
                None => &self.items[node.items as usize..node.end as usize],
            };
            let (prefixes, exact) = list.split_at((node.exact - node.items) as usize);
            if node.screen != NO_SCREEN {
                self.screens[node.screen as usize].visit(prefixes, path, visitor);
            } else if !prefixes.is_empty() {
                visitor.visit(prefixes);
            }
            let Some(&byte) = rest.first() else {
                if !exact.is_empty() {
                    visitor.visit(exact);
                }
                return;
            };
            let children = node.children as usize..(node.children + node.child_count) as usize;
            let found = memchr::memchr(byte, &self.first[children.clone()]);
            let Some(child) = found else { return };
            at = children.start + child;
        }
    }
}
