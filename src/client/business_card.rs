//! Business cards: who their sender is, and in which order its pool's elements are to be tried when it fails (RFC 5352
//! §2.2.13, §3.9). Elements give them to their users, and users that are elements as well to the elements that they use.

use core::fmt;

use heapless::Vec;

#[cfg(doc)]
use super::sizes::MAX_POOL_HANDLE;
use super::sizes::PoolHandleBuf;
use crate::wire::asap::BusinessCard;
use crate::wire::{PeIdentifier, PoolElement, PoolHandle, Sequence};

/// How many octets of elements a business card holds that this implementation makes.
pub const MAX_BUSINESS_CARD: usize = 256;

/// Why there can be no such business card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CardError {
    /// The pool handle is longer than [`MAX_POOL_HANDLE`].
    PoolHandleTooLong,
    /// The elements take more than [`MAX_BUSINESS_CARD`] octets.
    TooLong,
    /// A card has at least one element, its sender.
    Empty,
}

impl fmt::Display for CardError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PoolHandleTooLong => "the pool handle is too long",
            Self::TooLong => "the elements of a business card take too many octets",
            Self::Empty => "a business card without an element",
        })
    }
}

impl core::error::Error for CardError {}

/// Elements, as a card has them, in up to `OCTETS` octets.
#[derive(Clone, Debug, Default)]
pub(crate) struct ElementList<const OCTETS: usize = MAX_BUSINESS_CARD>(Vec<u8, OCTETS, u16>);

impl<const OCTETS: usize> ElementList<OCTETS> {
    pub(crate) fn new<'a>(elements: impl Iterator<Item = PoolElement<'a>>) -> Result<Self, CardError> {
        let mut list = Self(Vec::new());
        for element in elements {
            list.push(&element)?;
        }
        Ok(list)
    }

    pub(crate) fn push(&mut self, element: &PoolElement<'_>) -> Result<(), CardError> {
        let before = self.0.len();
        let after = before + element.encoded_len();
        self.0.resize(after, 0).map_err(|_| CardError::TooLong)?;
        let room = self.0.get_mut(before..).unwrap_or_default();
        element.encode(room).map(|_| ()).map_err(|_| CardError::TooLong)
    }

    pub(crate) fn append<const OTHERS: usize>(&mut self, others: &ElementList<OTHERS>) -> Result<(), CardError> {
        self.0.extend_from_slice(&others.0).map_err(|_| CardError::TooLong)
    }

    pub(crate) fn sequence(&self) -> Sequence<'_, PoolElement<'_>> {
        Sequence::received(&self.0)
    }
}

/// A card that is ready to be given away.
#[derive(Clone, Debug)]
pub(crate) struct CardBuf {
    pool_handle: PoolHandleBuf,
    elements: ElementList,
    sender: PeIdentifier,
}

impl CardBuf {
    /// The card of the first of `elements`.
    pub(crate) fn new(pool_handle: PoolHandle<'_>, elements: &[PoolElement<'_>]) -> Result<Self, CardError> {
        Ok(Self {
            pool_handle: Vec::from_slice(pool_handle.octets()).map_err(|_| CardError::PoolHandleTooLong)?,
            elements: ElementList::new(elements.iter().copied())?,
            sender: elements.first().ok_or(CardError::Empty)?.identifier,
        })
    }

    pub(crate) fn as_card(&self) -> BusinessCard<'_> {
        BusinessCard { pool_handle: PoolHandle::new(&self.pool_handle), pool_elements: self.elements.sequence() }
    }

    /// Whose card it is.
    pub(crate) const fn sender(&self) -> PeIdentifier {
        self.sender
    }
}
