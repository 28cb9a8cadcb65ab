//! What one worker counts during a second: a table of bounded size, filled without a lock and without an allocation, then
//! handed over whole.

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
    #[inline]
    fn hash(&self) -> u64 {
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
        hash ^ hash >> 29
    }
}

/// Requests of one owner.
#[derive(Clone, Copy)]
struct Row {
    owner: Owner,
    sums: Sums,
}

/// There is no room.
pub(crate) struct Full;

/// Owners and their requests.
pub(crate) struct Table {
    /// The second it was begun in, since 1970.
    pub second: u64,
    owners: usize,
    rows: Vec<Row>,
    /// Open addressing: the number of a row and one, 0 where free.
    places: Box<[u32]>,
    /// Open addressing: the number of a row with a bucket, and one, above how often it was hit; 0 where free.
    hits: Box<[u64]>,
    used: usize,
}

/// Owners that the smallest table has room for.
pub(crate) const SMALLEST: usize = 32;
/// Places and hits per owner.
const PLACES: usize = 2;
const HITS: usize = 16;

impl Table {
    /// One for so many owners.
    pub fn new(owners: usize) -> Box<Self> {
        Box::new(Self {
            second: 0,
            owners,
            rows: Vec::with_capacity(owners),
            places: vec![0; (owners * PLACES).next_power_of_two()].into(),
            hits: vec![0; (owners * HITS).next_power_of_two()].into(),
            used: 0,
        })
    }

    /// Bytes of one for so many owners.
    pub fn bytes_of(owners: usize) -> usize {
        let (places, hits) = ((owners * PLACES).next_power_of_two(), (owners * HITS).next_power_of_two());
        owners * size_of::<Row>() + places * size_of::<u32>() + hits * size_of::<u64>()
    }

    /// How many owners it has room for.
    pub fn capacity(&self) -> usize {
        self.owners
    }

    /// Whether it was almost empty.
    pub fn is_ample(&self) -> bool {
        self.rows.len() * 8 < self.owners && self.used * 16 < self.hits.len()
    }

    /// Whether it was more than half full.
    pub fn is_tight(&self) -> bool {
        self.rows.len() * 2 > self.owners || self.used * 3 > self.hits.len()
    }

    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Counts a request, or does nothing.
    #[inline]
    pub fn add(&mut self, owner: &Owner, measure: &Measure) -> Result<(), Full> {
        // A quarter stays free, so that looking ends soon.
        if self.used * 4 >= self.hits.len() * 3 {
            return Err(Full);
        }
        let row = self.row(owner)?;
        self.rows[row].sums.add(measure);
        self.hit(row, bucket(measure.total));
        Ok(())
    }

    #[inline]
    fn row(&mut self, owner: &Owner) -> Result<usize, Full> {
        let mask = self.places.len() - 1;
        let mut at = owner.hash() as usize & mask;
        loop {
            match self.places[at] {
                0 => break,
                number if self.rows[number as usize - 1].owner == *owner => return Ok(number as usize - 1),
                _ => at = (at + 1) & mask,
            }
        }
        if self.rows.len() == self.owners {
            return Err(Full);
        }
        self.rows.push(Row { owner: *owner, sums: Sums::default() });
        self.places[at] = self.rows.len() as u32;
        Ok(self.rows.len() - 1)
    }

    #[inline]
    fn hit(&mut self, row: usize, bucket: u8) {
        let key = ((row as u64) << 8 | u64::from(bucket)) + 1;
        let mask = self.hits.len() - 1;
        let mut at = (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as usize & mask;
        loop {
            let word = &mut self.hits[at];
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

    /// The owners with their sums.
    pub fn sums(&self) -> impl Iterator<Item = (&Owner, &Sums)> {
        self.rows.iter().map(|row| (&row.owner, &row.sums))
    }

    /// How often requests of an owner (by its place in [`Table::sums`]) fell into a bucket.
    pub fn hits(&self) -> impl Iterator<Item = (usize, u8, u32)> {
        self.hits.iter().filter(|word| **word != 0).map(|word| {
            let key = (word >> 32) - 1;
            ((key >> 8) as usize, key as u8, *word as u32)
        })
    }

    /// Forgets everything, and keeps the memory.
    pub fn clear(&mut self) {
        self.rows.clear();
        self.places.fill(0);
        self.hits.fill(0);
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

    #[test]
    fn everything_that_fits_is_counted_and_nothing_else() {
        let mut table = Table::new(SMALLEST);
        let mut counted = 0u64;
        for round in 0..20u32 {
            for number in 0..64 {
                let measure = Measure { status: 200, total: round % 3 * 1000, upstream: None, gateway: 1 };
                counted += u64::from(table.add(&owner(number), &measure).is_ok());
            }
        }
        assert_eq!(table.sums().count(), SMALLEST);
        assert_eq!(table.sums().map(|(_, sums)| sums.requests()).sum::<u64>(), counted);
        assert_eq!(table.hits().map(|(_, _, count)| u64::from(count)).sum::<u64>(), counted);
        assert_eq!(counted, 20 * SMALLEST as u64);
        assert!(table.is_tight());
        table.clear();
        assert!(table.is_empty() && table.hits().next().is_none());
    }
}
