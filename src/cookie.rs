//! Signing and sealing of cookies. A cookie comes back by way of a user, which could have changed it, so RFC 5352 §3.8 wants
//! it signed by the element that gives it and verified by the one that gets it. All elements of a pool have the same key.
//!
//! ```text
//! signed:  | 1 | octets | HMAC-SHA-256 over pool handle and octets, first 16 octets |
//! sealed:  | 2 | AES-SIV tag, 16 octets | octets, encrypted |
//! ```
//!
//! A user can still bring an older cookie than the last. What must not be done twice the application has to guard itself.

use core::fmt;

use aes_siv::KeyInit as _;
use aes_siv::siv::Aes128Siv;
use hmac::Mac as _;

use crate::wire::PoolHandle;

type HmacSha256 = hmac::Hmac<sha2::Sha256>;

const SIGNED: u8 = 1;
const SEALED: u8 = 2;
const TAG: usize = 16;

/// How many octets a cookie is longer than what is in it.
pub const COOKIE_OVERHEAD: usize = 1 + TAG;

/// Why a cookie was not made, or not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CookieError {
    /// The buffer has to be as long as the content and [`COOKIE_OVERHEAD`].
    BufferTooSmall,
    /// It was not made with this key, for this pool, or is not as it was made.
    Forged,
}

impl fmt::Display for CookieError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BufferTooSmall => "the buffer is too small for the cookie",
            Self::Forged => "the cookie was not made with this key for this pool",
        })
    }
}

impl core::error::Error for CookieError {}

/// The key that a pool's elements share.
///
/// ```
/// use rserpool::cookie::{COOKIE_OVERHEAD, CookieKey};
/// use rserpool::wire::PoolHandle;
///
/// let key = CookieKey::new(&[7; 32]); // From the operating system's randomness, or a secret that the elements share.
/// let pool = PoolHandle::new(b"echo");
/// let mut buffer = [0; 5 + COOKIE_OVERHEAD];
/// let cookie = key.sign(pool, b"state", &mut buffer)?;
/// // … element.send_cookie(session, cookie), and at another element ElementEvent::CookieEcho:
/// let mut buffer = [0; 64];
/// assert_eq!(key.open(pool, cookie, &mut buffer)?, b"state");
/// # Ok::<(), rserpool::cookie::CookieError>(())
/// ```
#[derive(Clone)]
pub struct CookieKey {
    signing: [u8; 32],
    sealing: [u8; 32],
}

impl fmt::Debug for CookieKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CookieKey")
    }
}

fn hmac<'a>(key: &[u8; 32], parts: impl IntoIterator<Item = &'a [u8]>) -> HmacSha256 {
    // A key of the hash's block size, as HMAC pads shorter ones.
    let mut padded = [0; 64];
    for (place, octet) in padded.iter_mut().zip(key) {
        *place = *octet;
    }
    let mut mac = HmacSha256::new(&padded.into());
    for part in parts {
        // With its length, so that no two lists of parts are the same.
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    mac
}

impl CookieKey {
    /// The key made of these octets, which nobody but the pool's elements must know.
    #[must_use]
    pub fn new(secret: &[u8; 32]) -> Self {
        // Each of the two ways has a key of its own.
        let derive = |purpose: &'static [u8]| hmac(secret, [purpose]).finalize().into_bytes().into();
        Self { signing: derive(b"rserpool cookie, signed"), sealing: derive(b"rserpool cookie, sealed") }
    }

    /// Makes a cookie that users can read, but not change.
    ///
    /// # Errors
    ///
    /// The buffer is too small.
    pub fn sign<'b>(
        &self,
        pool_handle: PoolHandle<'_>,
        content: &[u8],
        buffer: &'b mut [u8],
    ) -> Result<&'b [u8], CookieError> {
        let cookie = buffer.get_mut(..content.len() + COOKIE_OVERHEAD).ok_or(CookieError::BufferTooSmall)?;
        let tag = hmac(&self.signing, [pool_handle.octets(), content]).finalize().into_bytes();
        let (kind, rest) = cookie.split_first_mut().ok_or(CookieError::BufferTooSmall)?;
        *kind = SIGNED;
        let (place, rest) = rest.split_at_mut_checked(content.len()).ok_or(CookieError::BufferTooSmall)?;
        place.copy_from_slice(content);
        for (place, octet) in rest.iter_mut().zip(tag) {
            *place = octet;
        }
        Ok(cookie)
    }

    /// Makes a cookie that users can neither read nor change. The same content makes the same cookie.
    ///
    /// # Errors
    ///
    /// The buffer is too small.
    pub fn seal<'b>(
        &self,
        pool_handle: PoolHandle<'_>,
        content: &[u8],
        buffer: &'b mut [u8],
    ) -> Result<&'b [u8], CookieError> {
        let cookie = buffer.get_mut(..content.len() + COOKIE_OVERHEAD).ok_or(CookieError::BufferTooSmall)?;
        let (head, encrypted) = cookie.split_first_chunk_mut::<COOKIE_OVERHEAD>().ok_or(CookieError::BufferTooSmall)?;
        encrypted.copy_from_slice(content);
        let tag = Aes128Siv::new(&self.sealing.into())
            .encrypt_inout_detached([pool_handle.octets()], encrypted.into())
            .map_err(|_| CookieError::BufferTooSmall)?;
        let (kind, place) = head.split_first_mut().ok_or(CookieError::BufferTooSmall)?;
        *kind = SEALED;
        place.copy_from_slice(&tag);
        Ok(cookie)
    }

    /// Gives what is in a cookie, signed or sealed, which it puts into the buffer.
    ///
    /// # Errors
    ///
    /// The buffer is too small, or the cookie is not what an element of the pool has made.
    pub fn open<'b>(
        &self,
        pool_handle: PoolHandle<'_>,
        cookie: &[u8],
        buffer: &'b mut [u8],
    ) -> Result<&'b [u8], CookieError> {
        let (kind, rest) = cookie.split_first().ok_or(CookieError::Forged)?;
        match *kind {
            SIGNED => {
                let (content, tag) = rest.split_last_chunk::<TAG>().ok_or(CookieError::Forged)?;
                let place = buffer.get_mut(..content.len()).ok_or(CookieError::BufferTooSmall)?;
                let mac = hmac(&self.signing, [pool_handle.octets(), content]);
                mac.verify_truncated_left(tag).map_err(|_| CookieError::Forged)?;
                place.copy_from_slice(content);
                Ok(place)
            }
            SEALED => {
                let (tag, content) = rest.split_first_chunk::<TAG>().ok_or(CookieError::Forged)?;
                let place = buffer.get_mut(..content.len()).ok_or(CookieError::BufferTooSmall)?;
                place.copy_from_slice(content);
                Aes128Siv::new(&self.sealing.into())
                    .decrypt_inout_detached([pool_handle.octets()], (&mut *place).into(), &(*tag).into())
                    .map_err(|_| CookieError::Forged)?;
                Ok(place)
            }
            _ => Err(CookieError::Forged),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

    use super::*;

    const POOL: PoolHandle<'static> = PoolHandle::new(b"pool");

    #[test]
    fn a_signed_cookie_is_made_as_the_module_says() {
        let mut buffer = [0; 64];
        let cookie = CookieKey::new(&[7; 32]).sign(POOL, b"state", &mut buffer).unwrap();
        // By Python's hmac.
        assert_eq!(cookie, [&[1][..], b"state", &SIGNED_TAG].concat());
    }

    const SIGNED_TAG: [u8; 16] =
        [0x31, 0xdd, 0xce, 0xa8, 0x60, 0xe5, 0xda, 0x2a, 0x9d, 0x4c, 0x91, 0x3b, 0xea, 0xeb, 0x23, 0xa0];

    #[test]
    fn what_was_signed_or_sealed_is_opened_with_the_same_key_for_the_same_pool_only() {
        let (key, other) = (CookieKey::new(&[1; 32]), CookieKey::new(&[2; 32]));
        let (mut signed, mut sealed, mut opened) = ([0; 64], [0; 64], [0; 64]);
        for content in [b"".as_slice(), b"state", &[9; 40]] {
            let signed = key.sign(POOL, content, &mut signed).unwrap();
            let sealed = key.seal(POOL, content, &mut sealed).unwrap();
            assert!(content.is_empty() || !sealed.windows(content.len()).any(|part| part == content));
            for cookie in [signed, sealed] {
                assert_eq!(cookie.len(), content.len() + COOKIE_OVERHEAD);
                assert_eq!(key.open(POOL, cookie, &mut opened), Ok(content));
                assert_eq!(other.open(POOL, cookie, &mut opened), Err(CookieError::Forged));
                assert_eq!(key.open(PoolHandle::new(b"fool"), cookie, &mut opened), Err(CookieError::Forged));
                for place in 0..cookie.len() {
                    let mut forged = cookie.to_vec();
                    forged[place] ^= 1;
                    assert_eq!(key.open(POOL, &forged, &mut opened), Err(CookieError::Forged), "{place}");
                    assert_eq!(key.open(POOL, &cookie[..place], &mut opened), Err(CookieError::Forged));
                }
            }
        }
    }

    #[test]
    fn a_buffer_that_is_too_small_is_an_error() {
        let key = CookieKey::new(&[1; 32]);
        let mut buffer = [0; 5 + COOKIE_OVERHEAD - 1];
        assert_eq!(key.sign(POOL, b"state", &mut buffer), Err(CookieError::BufferTooSmall));
        assert_eq!(key.seal(POOL, b"state", &mut buffer), Err(CookieError::BufferTooSmall));
        let mut cookie = [0; 64];
        for seal in [false, true] {
            let cookie =
                if seal { key.seal(POOL, b"state", &mut cookie) } else { key.sign(POOL, b"state", &mut cookie) };
            assert_eq!(key.open(POOL, cookie.unwrap(), &mut [0; 4]), Err(CookieError::BufferTooSmall));
        }
    }
}
