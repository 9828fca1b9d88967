//! The PE checksum (RFC 5353 §3.6.2): the Internet checksum (RFC 1071) over one block of octets an element, kept up
//! to date as elements come and go.

use crate::wire::{PeChecksum, PeIdentifier, PoolHandle};

/// In ones' complement arithmetic on 16 bits all multiples of this are zero.
const MODULUS: u32 = 0xffff;

/// The checksum over all elements of one owner.
///
/// Ones' complement has two zeros. A sum that was made by adding only is 0x0000 if nothing but zeros was added, and
/// 0xffff otherwise. So it is remembered whether there is something else, to get the same after subtractions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OwnerChecksum {
    /// The sum of all blocks, modulo 0xffff.
    sum: u32,
    /// How many blocks hold an octet that is not zero.
    blocks: usize,
}

impl OwnerChecksum {
    /// Adds an element.
    pub fn add(&mut self, pool_handle: PoolHandle<'_>, identifier: PeIdentifier) {
        self.add_block(Block::new(HandleSum::new(pool_handle), identifier));
    }

    /// Removes an element that was added.
    pub fn remove(&mut self, pool_handle: PoolHandle<'_>, identifier: PeIdentifier) {
        self.remove_block(Block::new(HandleSum::new(pool_handle), identifier));
    }

    pub(super) const fn add_block(&mut self, Block(block): Block) {
        let sum = self.sum + block;
        self.sum = if sum >= MODULUS { sum - MODULUS } else { sum };
        self.blocks += (block != 0) as usize;
    }

    pub(super) const fn remove_block(&mut self, Block(block): Block) {
        let sum = self.sum + MODULUS - block;
        self.sum = if sum >= MODULUS { sum - MODULUS } else { sum };
        self.blocks -= (block != 0 && self.blocks > 0) as usize;
    }

    /// The checksum over the elements of both.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        let sum = self.sum + other.sum;
        Self { sum: if sum >= MODULUS { sum - MODULUS } else { sum }, blocks: self.blocks + other.blocks }
    }

    /// The checksum.
    #[must_use]
    pub const fn get(self) -> PeChecksum {
        let sum = if self.sum == 0 && self.blocks > 0 { MODULUS } else { self.sum };
        PeChecksum(!(sum as u16))
    }
}

/// Brings a sum into 16 bits. It becomes zero only if it was.
const fn fold(sum: u64) -> u32 {
    let mut sum = sum;
    while sum > MODULUS as u64 {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    sum as u32
}

/// The sum over a pool handle, padded with zeros to a multiple of 4: the same for all elements of a pool.
#[derive(Clone, Copy, Debug)]
pub(super) struct HandleSum(u32);

impl HandleSum {
    pub(super) fn new(pool_handle: PoolHandle<'_>) -> Self {
        let words = pool_handle.octets().chunks(2).map(|pair| {
            let word = [pair.first().copied().unwrap_or(0), pair.get(1).copied().unwrap_or(0)];
            u64::from(u16::from_be_bytes(word))
        });
        Self(fold(words.sum()))
    }
}

/// The sum over an element's block: the pool handle, padded, and the PE identifier. It is at most 0xffff, and zero only if
/// all octets are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block(u32);

impl Block {
    pub(super) const fn new(handle: HandleSum, identifier: PeIdentifier) -> Self {
        Self(fold(handle.0 as u64 + (identifier.0 >> 16) as u64 + (identifier.0 & 0xffff) as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 1071 by its definition, over all octets at once.
    fn by_definition(octets: &[u8]) -> u16 {
        let mut sum: u64 = octets.chunks(2).map(|pair| u64::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
        while sum > 0xffff {
            sum = (sum >> 16) + (sum & 0xffff);
        }
        !(sum as u16)
    }

    #[test]
    fn the_checksum_of_no_elements_is_the_complement_of_zero() {
        assert_eq!(OwnerChecksum::default().get(), PeChecksum(0xffff));
    }

    #[test]
    fn one_element_by_hand() {
        // "echo" is 0x6563 0x686f, the identifier 0x12345678 is 0x1234 0x5678.
        // 0x6563 + 0x686f + 0x1234 + 0x5678 = 0x1367e, folded 0x367f, complemented 0xc980.
        let mut checksum = OwnerChecksum::default();
        checksum.add(PoolHandle::new(b"echo"), PeIdentifier(0x1234_5678));
        assert_eq!(checksum.get(), PeChecksum(0xc980));
    }

    #[test]
    fn pool_handles_are_padded_with_zeros() {
        let mut checksum = OwnerChecksum::default();
        checksum.add(PoolHandle::new(b"PoolA"), PeIdentifier(7));
        checksum.add(PoolHandle::new(b"PoolAB"), PeIdentifier(8));
        assert_eq!(checksum.get().0, by_definition(b"PoolA\0\0\0\0\0\0\x07PoolAB\0\0\0\0\0\x08"));
    }

    #[test]
    fn the_elements_of_two_owners_together() {
        let mut one = OwnerChecksum::default();
        one.add(PoolHandle::new(b"PoolA"), PeIdentifier(7));
        let mut other = OwnerChecksum::default();
        other.add(PoolHandle::new(b"PoolAB"), PeIdentifier(0xffff_fff8));
        assert_eq!(one.with(other).get().0, by_definition(b"PoolA\0\0\0\0\0\0\x07PoolAB\0\0\xff\xff\xff\xf8"));
    }

    #[test]
    fn what_was_added_and_removed_leaves_no_trace() {
        let mut checksum = OwnerChecksum::default();
        checksum.add(PoolHandle::new(b"\xff\xff\0\0"), PeIdentifier(0));
        assert_eq!(checksum.get().0, by_definition(&[0xff, 0xff, 0, 0, 0, 0, 0, 0]));
        checksum.add(PoolHandle::new(b"x"), PeIdentifier(99));
        checksum.remove(PoolHandle::new(b"x"), PeIdentifier(99));
        assert_eq!(checksum.get().0, by_definition(&[0xff, 0xff, 0, 0, 0, 0, 0, 0]));
        checksum.remove(PoolHandle::new(b"\xff\xff\0\0"), PeIdentifier(0));
        assert_eq!(checksum.get(), PeChecksum(0xffff));
    }
}
