//! One request after the other, each until it has its answer: from element to element, but to each of them once.

use rserpool::Instant;

/// The exchange of requests and answers with a pool.
#[derive(Debug, Default)]
pub(crate) struct Exchange {
    request: Option<Request>,
    has_element: bool,
}

#[derive(Debug)]
struct Request {
    octets: Vec<u8>,
    /// When it was begun.
    since: Instant,
    /// When it was sent last, or begun, or an element was there for it.
    tried: Instant,
    /// Whether the element that is there has got it.
    is_sent: bool,
}

impl Exchange {
    /// The next request.
    pub(crate) fn begin(&mut self, now: Instant, octets: Vec<u8>) {
        self.request = Some(Request { octets, since: now, tried: now, is_sent: false });
    }

    /// There is an element.
    pub(crate) fn established(&mut self, now: Instant) {
        self.has_element = true;
        if let Some(request) = &mut self.request {
            request.tried = now;
        }
    }

    /// The element is gone; what it has got, and not answered, goes to the next.
    pub(crate) fn failed_over(&mut self) {
        self.has_element = false;
        if let Some(request) = &mut self.request {
            request.is_sent = false;
        }
    }

    /// The answer has come.
    pub(crate) fn answered(&mut self) {
        self.request = None;
    }

    /// Whether there is a request without answer.
    pub(crate) fn is_waiting(&self) -> bool {
        self.request.is_some()
    }

    /// The request, if it has to be sent now. It counts as sent from then on.
    pub(crate) fn take_due(&mut self) -> Option<&[u8]> {
        let request = self.request.as_mut().filter(|request| self.has_element && !request.is_sent)?;
        request.is_sent = true;
        Some(&request.octets)
    }

    /// The request, since when it waits for its answer, and since when from the element that is there.
    pub(crate) fn waiting(&self) -> Option<(&[u8], Instant, Instant)> {
        self.request.as_ref().map(|request| (request.octets.as_slice(), request.since, request.tried))
    }

    /// The element has had its time, and another is asked for.
    pub(crate) fn try_again(&mut self, now: Instant) {
        if let Some(request) = &mut self.request {
            request.tried = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant::ZERO;

    #[test]
    fn a_request_goes_to_each_element_once_until_it_is_answered() {
        let mut exchange = Exchange::default();
        exchange.begin(NOW, b"1".into());
        assert_eq!(exchange.take_due(), None, "there is no element yet");
        exchange.established(NOW);
        assert_eq!(exchange.take_due(), Some(&b"1"[..]));
        assert_eq!(exchange.take_due(), None);
        exchange.failed_over();
        assert_eq!(exchange.take_due(), None);
        exchange.established(NOW);
        assert_eq!(exchange.take_due(), Some(&b"1"[..]));
        exchange.answered();
        exchange.failed_over();
        exchange.established(NOW);
        assert_eq!(exchange.take_due(), None);
    }

    #[test]
    fn a_request_that_begins_during_a_failover_is_sent_once() {
        let mut exchange = Exchange::default();
        exchange.established(NOW);
        exchange.failed_over();
        exchange.begin(NOW, b"1".into());
        assert_eq!(exchange.take_due(), None);
        exchange.established(NOW);
        assert_eq!(exchange.take_due(), Some(&b"1"[..]));
        assert_eq!(exchange.take_due(), None);
    }
}
