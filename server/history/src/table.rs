//! What one worker counts during a second: a table of bounded size, filled without a lock and without an allocation, then
//! handed over whole.
//!
//! With thousands of Routes each request finds its row outside the nearest caches: so all that it changes lies in two
//! neighbouring cache lines, and who the owner is, which only the history asks, lies elsewhere.

use crate::figures::{Measure, Sums};
use crate::histogram::bucket;
use std::net::SocketAddr;
use uuid::Uuid;

/// Whose a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The workspace.
    pub workspace: Uuid,
    /// The Route.
    pub route: Option<Uuid>,
    /// The Service.
    pub service: Option<Uuid>,
    /// The Consumer.
    pub consumer: Option<Uuid>,
    /// The address that was asked last.
    pub target: Option<SocketAddr>,
}

impl Owner {
    /// Stands for the owner: the odds that two of 10,000 share one are one in 10¹¹. Never 0.
    #[inline]
    fn key(&self) -> u64 {
        let ids = [Some(self.workspace), self.route, self.service, self.consumer];
        let mut hash = 0x9e37_79b9_7f4a_7c15u64;
        let mut mix = |word: u64| hash = (hash.rotate_left(26) ^ word).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        for id in ids.into_iter().flatten() {
            let (high, low) = id.as_u64_pair();
            mix(high ^ low.rotate_left(17));
        }
        if let Some(target) = self.target {
            let ip = match target.ip() {
                std::net::IpAddr::V4(ip) => u64::from(ip.to_bits()),
                std::net::IpAddr::V6(ip) => (ip.to_bits() ^ ip.to_bits() >> 64) as u64,
            };
            mix(ip << 16 | u64::from(target.port()));
        }
        (hash ^ hash >> 29) | 1
    }
}

/// Requests of one owner.
#[derive(Clone, Copy, Default)]
#[repr(C, align(128))]
struct Row {
    /// The owner's; 0 where the row is free.
    key: u64,
    sums: Sums,
    /// Place of the owner among [`Table::owners`].
    owner: u32,
    /// How often a bucket was hit, above its number; 0 where free. A bucket's place is its remainder.
    hits: [u32; NEAR],
}

/// Buckets that a row has room for: two powers of two of durations.
const NEAR: usize = 15;
const _: () = assert!(size_of::<Row>() == 128);

impl Row {
    /// Counts a hit, or says that the bucket's place is another's.
    #[inline]
    fn hit(&mut self, bucket: u8) -> Result<(), Full> {
        let hit = &mut self.hits[usize::from(bucket) % NEAR];
        if *hit == 0 {
            *hit = 1 << 8 | u32::from(bucket);
        } else if *hit as u8 == bucket && *hit < u32::MAX - 0xff {
            *hit += 1 << 8;
        } else {
            return Err(Full);
        }
        Ok(())
    }

    fn hits(&self) -> impl Iterator<Item = (u8, u32)> {
        self.hits.iter().filter(|hit| **hit != 0).map(|hit| (*hit as u8, hit >> 8))
    }
}

/// There is no room.
pub(crate) struct Full;

/// Owners and their requests.
pub(crate) struct Table {
    /// The second it was begun in, since 1970.
    pub second: u64,
    /// Open addressing by key.
    rows: Box<[Row]>,
    owners: Vec<Owner>,
    /// Hits that rows have no room for. Open addressing: the place of an owner with a bucket, and one, above how often it
    /// was hit; 0 where free.
    far: Box<[u64]>,
    used: usize,
}

/// Rows of the smallest table.
pub(crate) const SMALLEST: usize = 32;
/// Far hits per row, and those of the smallest table.
const FAR: usize = 2;
const FEWEST: usize = 512;

/// Owners that so many rows are filled with: looking ends soon where some stay free. Those that stand for others
/// ([`Table::fold`]) find room in an eighth more.
fn room(rows: usize) -> usize {
    rows * 5 / 8
}

impl Table {
    /// One with so many rows, a power of two.
    pub fn new(rows: usize) -> Box<Self> {
        Box::new(Self {
            second: 0,
            rows: vec![Row::default(); rows].into(),
            owners: Vec::with_capacity(room(rows) + rows / 8),
            far: vec![0; (rows * FAR).max(FEWEST)].into(),
            used: 0,
        })
    }

    /// Bytes of one with so many rows.
    pub fn bytes_of(rows: usize) -> usize {
        rows * size_of::<Row>()
            + (room(rows) + rows / 8) * size_of::<Owner>()
            + (rows * FAR).max(FEWEST) * size_of::<u64>()
    }

    /// How many rows it has.
    pub fn capacity(&self) -> usize {
        self.rows.len()
    }

    /// Whether it was almost empty.
    pub fn is_ample(&self) -> bool {
        self.owners.len() * 8 < room(self.rows.len()) && self.used * 8 < self.far.len()
    }

    /// Whether it was more than half full.
    pub fn is_tight(&self) -> bool {
        self.owners.len() * 2 > room(self.rows.len()) || self.used * 2 > self.far.len()
    }

    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.owners.is_empty()
    }

    /// Counts a request, or does nothing.
    #[inline]
    pub fn add(&mut self, owner: &Owner, measure: &Measure) -> Result<(), Full> {
        if self.used * 4 >= self.far.len() * 3 {
            return Err(Full);
        }
        let row = self.row(owner, room(self.rows.len()))?;
        self.rows[row].sums.add(measure);
        let bucket = bucket(measure.total);
        if self.rows[row].hit(bucket).is_err() {
            self.hit_far(row, bucket);
        }
        Ok(())
    }

    /// Counts a request of an owner that stands for others, in the room that is left for it: where there is none for its
    /// bucket, in the one at that place.
    #[cold]
    pub fn fold(&mut self, owner: &Owner, measure: &Measure) -> Result<(), Full> {
        let rows = self.rows.len();
        let row = self.row(owner, room(rows) + rows / 8)?;
        let row = &mut self.rows[row];
        row.sums.add(measure);
        let bucket = bucket(measure.total);
        if row.hit(bucket).is_err() {
            let other = row.hits[usize::from(bucket) % NEAR] as u8;
            let _ = row.hit(other);
        }
        Ok(())
    }

    #[inline]
    fn row(&mut self, owner: &Owner, room: usize) -> Result<usize, Full> {
        let key = owner.key();
        let mask = self.rows.len() - 1;
        let mut at = (key >> 32) as usize & mask;
        loop {
            match self.rows[at].key {
                known if known == key => return Ok(at),
                0 => break,
                _ => at = (at + 1) & mask,
            }
        }
        if self.owners.len() >= room {
            return Err(Full);
        }
        self.rows[at].key = key;
        self.rows[at].owner = self.owners.len() as u32;
        self.owners.push(*owner);
        Ok(at)
    }

    fn hit_far(&mut self, row: usize, bucket: u8) {
        let key = (u64::from(self.rows[row].owner) << 8 | u64::from(bucket)) + 1;
        let mask = self.far.len() - 1;
        let mut at = (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as usize & mask;
        loop {
            let word = &mut self.far[at];
            if *word == 0 {
                *word = key << 32 | 1;
                self.used += 1;
                return;
            }
            if *word >> 32 == key {
                *word += 1;
                return;
            }
            at = (at + 1) & mask;
        }
    }

    /// The owners with their place, their sums, and how often which bucket was hit, but for [`Table::far`].
    pub fn rows(&self) -> impl Iterator<Item = (usize, &Owner, &Sums, impl Iterator<Item = (u8, u32)>)> {
        self.rows.iter().filter(|row| row.key != 0).map(|row| {
            let place = row.owner as usize;
            (place, &self.owners[place], &row.sums, row.hits())
        })
    }

    /// How many owners there are.
    pub fn owners(&self) -> usize {
        self.owners.len()
    }

    /// Further hits: by the place of an owner, its bucket, how often it was hit.
    pub fn far(&self) -> impl Iterator<Item = (usize, u8, u32)> {
        self.far.iter().filter(|word| **word != 0).map(|word| {
            let key = (word >> 32) - 1;
            ((key >> 8) as usize, key as u8, *word as u32)
        })
    }

    /// Forgets everything, and keeps the memory.
    pub fn clear(&mut self) {
        self.rows.fill(Row::default());
        self.owners.clear();
        self.far.fill(0);
        self.used = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(number: u128) -> Owner {
        let target = number.is_multiple_of(3).then(|| SocketAddr::from(([10, 0, 0, 1], number as u16)));
        Owner {
            workspace: Uuid::nil(),
            route: Some(Uuid::from_u128(number)),
            service: number.is_multiple_of(2).then(|| Uuid::from_u128(number)),
            consumer: None,
            target,
        }
    }

    fn counted(table: &Table) -> (u64, u64) {
        let near: u64 = table.rows().flat_map(|(.., hits)| hits).map(|(_, count)| u64::from(count)).sum();
        let far: u64 = table.far().map(|(_, _, count)| u64::from(count)).sum();
        (table.rows().map(|(_, _, sums, _)| sums.requests()).sum(), near + far)
    }

    #[test]
    fn everything_that_fits_is_counted_and_nothing_else() {
        let mut table = Table::new(SMALLEST);
        let mut added = 0u64;
        for round in 0..40u32 {
            for number in 0..64 {
                let measure = Measure { status: 200, total: round % 30 * 1000, upstream: None, gateway: 1 };
                added += u64::from(table.add(&owner(number), &measure).is_ok());
            }
        }
        assert_eq!((table.owners(), added), (20, 20 * 40));
        assert_eq!(counted(&table), (added, added));
        assert!(table.far().next().is_some() && table.is_tight());
        let far: Vec<usize> = table.far().map(|(place, ..)| place).collect();
        assert!(table.rows().all(|(place, owner, ..)| far.contains(&place) && owner.route.is_some()));
        table.clear();
        assert!(table.is_empty() && table.far().next().is_none() && table.rows().next().is_none());
    }

    #[test]
    fn who_stands_for_others_finds_room_where_others_do_not() {
        let mut table = Table::new(SMALLEST);
        let (mut added, mut folded) = (0u64, 0u64);
        for number in 0..5000u32 {
            // More durations than there is room for.
            let measure = Measure { status: 200, total: number * number, upstream: None, gateway: 1 };
            if table.add(&owner(u128::from(number)), &measure).is_ok() {
                added += 1;
            } else if table.fold(&owner(u128::from(number % 4)), &measure).is_ok() {
                folded += 1;
            }
        }
        assert_eq!((added, folded), (20, 4980));
        assert_eq!(counted(&table), (5000, 5000));
        for number in 20..24 {
            assert!(table.fold(&owner(number), &Measure::default()).is_ok());
        }
        assert!(table.fold(&owner(24), &Measure::default()).is_err());
    }

    #[test]
    fn an_owner_with_every_duration() {
        let mut table = Table::new(SMALLEST);
        for bucket in 0..=31u32 {
            for _ in 0..3 {
                let total = 1u32.checked_shl(bucket).unwrap_or(0);
                assert!(table.add(&owner(1), &Measure { total, ..Measure::default() }).is_ok());
            }
        }
        assert_eq!(counted(&table), (96, 96));
    }
}
