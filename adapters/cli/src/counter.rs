//! The counter service: it answers each request of a session with a running number.
//!
//! The number lives in the session only. Ahead of each answer the element sends a cookie with the last request and the
//! count; a new element goes on from the cookie that the user echoes, so that a request repeated after a failover is
//! answered again, not counted again.

/// The state of a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counter {
    /// The number of the last request that was counted.
    last_request: u64,
    count: u64,
}

/// A cookie's first octets, to know it by.
const MARK: [u8; 4] = *b"cnt1";

impl Counter {
    /// The count for a request. `request` is any text that begins with the request's number.
    pub(crate) fn request(&mut self, request: &[u8]) -> Option<u64> {
        let text = std::str::from_utf8(request).ok()?;
        let number = text.split_whitespace().next()?.parse().ok()?;
        if number != self.last_request {
            self.last_request = number;
            self.count += 1;
        }
        Some(self.count)
    }

    /// The cookie for the session as it is.
    pub(crate) fn cookie(self) -> [u8; 20] {
        let mut cookie = [0; 20];
        let parts = MARK.into_iter().chain(self.last_request.to_be_bytes()).chain(self.count.to_be_bytes());
        for (place, octet) in cookie.iter_mut().zip(parts) {
            *place = octet;
        }
        cookie
    }

    /// The session that a cookie tells of.
    pub(crate) fn from_cookie(cookie: &[u8]) -> Option<Self> {
        let (last_request, rest) = cookie.strip_prefix(&MARK)?.split_first_chunk()?;
        let count = rest.try_into().ok()?;
        Some(Self { last_request: u64::from_be_bytes(*last_request), count: u64::from_be_bytes(count) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_repeated_after_a_failover_is_not_counted_again() {
        let mut first = Counter::default();
        assert_eq!(first.request(b"1"), Some(1));
        assert_eq!(first.request(b"2 with more text"), Some(2));
        let mut second = Counter::from_cookie(&first.cookie()).unwrap();
        assert_eq!(second.request(b"2 with more text"), Some(2));
        assert_eq!(second.request(b"3"), Some(3));
    }

    #[test]
    fn cookies_of_others_and_requests_without_number_are_refused() {
        assert_eq!(Counter::from_cookie(b"something else"), None);
        assert_eq!(Counter::from_cookie(b"cnt1short"), None);
        assert_eq!(Counter::default().request(b"hello"), None);
    }
}
