//! Cookies of sessions, signed if the pool's elements share a key (RFC 5352 §3.8).

use std::path::Path;

use rserpool::cookie::{COOKIE_OVERHEAD, CookieKey};
use rserpool::wire::PoolHandle;
use tracing::warn;

use crate::failure::Failure;

/// How the elements of a pool make and check their cookies.
pub(crate) struct Cookies {
    pool: String,
    key: Option<CookieKey>,
}

impl Cookies {
    /// With the key in a file, or without one.
    pub(crate) fn new(pool: &str, file: Option<&Path>) -> Result<Self, Failure> {
        Ok(Self { pool: pool.into(), key: file.map(read).transpose()? })
    }

    /// The cookie for a session in this state; `None` if it cannot be signed.
    pub(crate) fn make(&self, state: &[u8]) -> Option<Vec<u8>> {
        let Some(key) = &self.key else { return Some(state.to_vec()) };
        let mut cookie = vec![0; state.len() + COOKIE_OVERHEAD];
        key.sign(self.pool_handle(), state, &mut cookie).ok()?;
        Some(cookie)
    }

    /// The state that a cookie tells of; `None` if it is not one of this pool's elements.
    pub(crate) fn open(&self, cookie: &[u8]) -> Option<Vec<u8>> {
        let Some(key) = &self.key else { return Some(cookie.to_vec()) };
        let mut buffer = vec![0; cookie.len()];
        key.open(self.pool_handle(), cookie, &mut buffer).ok().map(<[u8]>::to_vec)
    }

    fn pool_handle(&self) -> PoolHandle<'_> {
        PoolHandle::from(self.pool.as_str())
    }
}

/// Who can read the key can make cookies.
#[cfg(unix)]
fn check_mode(file: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    let Ok(metadata) = std::fs::metadata(file) else { return };
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        let (file, mode) = (file.display(), format!("{mode:04o}"));
        warn!(event = "key_readable", %file, mode, "others than its owner may read or write the key, so they can make cookies; chmod 600");
    }
}

#[cfg(not(unix))]
const fn check_mode(_: &Path) {}

fn read(file: &Path) -> Result<CookieKey, Failure> {
    check_mode(file);
    let name = file.display();
    let text =
        std::fs::read_to_string(file).map_err(|error| Failure::Usage(format!("--cookie-key {name}: {error}")))?;
    let digits = text.trim().as_bytes();
    let mut secret = [0; 32];
    let pairs = digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
    let octets: Option<Vec<u8>> = pairs.collect();
    match octets {
        Some(octets) if octets.len() == secret.len() && digits.len() == 64 => secret.copy_from_slice(&octets),
        _ => {
            return Err(Failure::Usage(format!(
                "--cookie-key {name}: 64 hexadecimal digits are wanted; `openssl rand -hex 32` makes some"
            )));
        }
    }
    Ok(CookieKey::new(&secret))
}
