//! Where a session keeps its cookie (RFC 5352 §3.8): in the user itself, or on the heap.

use core::fmt::Debug;

use heapless::Vec;

/// A cookie is longer than the store's limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CookieTooLong;

/// Where a session keeps its last cookie.
pub trait CookieStore: Clone + Debug + Default + 'static {
    /// The longest cookie that it keeps, in octets.
    const LIMIT: usize;

    /// Keeps a cookie in place of the one before, which is gone in any case.
    ///
    /// # Errors
    ///
    /// It is longer than [`Self::LIMIT`].
    fn keep(&mut self, cookie: &[u8]) -> Result<(), CookieTooLong>;

    /// The cookie, if there is one.
    fn get(&self) -> Option<&[u8]>;
}

/// Room for `LIMIT` octets in the user itself.
#[derive(Clone, Debug, Default)]
pub struct FixedCookie<const LIMIT: usize>(Option<Vec<u8, LIMIT, u16>>);

impl<const LIMIT: usize> CookieStore for FixedCookie<LIMIT> {
    const LIMIT: usize = LIMIT;

    fn keep(&mut self, cookie: &[u8]) -> Result<(), CookieTooLong> {
        self.0 = Vec::from_slice(cookie).ok();
        if self.0.is_some() { Ok(()) } else { Err(CookieTooLong) }
    }

    fn get(&self) -> Option<&[u8]> {
        self.0.as_deref()
    }
}

/// Up to `LIMIT` octets on the heap, as many as the cookie has.
#[cfg(feature = "alloc")]
#[derive(Clone, Debug, Default)]
pub struct HeapCookie<const LIMIT: usize>(Option<alloc::boxed::Box<[u8]>>);

#[cfg(feature = "alloc")]
impl<const LIMIT: usize> CookieStore for HeapCookie<LIMIT> {
    const LIMIT: usize = LIMIT;

    fn keep(&mut self, cookie: &[u8]) -> Result<(), CookieTooLong> {
        self.0 = (cookie.len() <= LIMIT).then(|| cookie.into());
        if self.0.is_some() { Ok(()) } else { Err(CookieTooLong) }
    }

    fn get(&self) -> Option<&[u8]> {
        self.0.as_deref()
    }
}
