//! Answering what cannot be understood: ASAP_ERROR for all three roles (RFC 5352 §2.2.14).

use crate::wire::asap::{self, Body, Message};
use crate::wire::{DecodeError, ErrorCause, Sequence, Unrecognized};

/// Writes the ASAP_ERROR that the sender of `octets` is to get for `error`. `None` if it is to get none.
pub(crate) fn report<R>(octets: &[u8], error: &DecodeError, write: impl FnOnce(&Message<'_>) -> R) -> Option<R> {
    // An error is never answered with an error: two peers would never stop.
    if octets.first() == Some(&asap::message_type::ERROR) {
        return None;
    }
    let causes = [error.cause(octets)?];
    Some(write(&Body::Error(Sequence::new(&causes)).into()))
}

/// Writes the ASAP_ERROR that names the unknown parameters of a message that was processed all the same. `None` if
/// there are none.
pub(crate) fn report_unrecognized<R>(
    message: &Message<'_>,
    unrecognized: &Unrecognized<'_>,
    write: impl FnOnce(&Message<'_>) -> R,
) -> Option<R> {
    if unrecognized.is_empty() || matches!(message.body, Body::Error(_)) {
        return None;
    }
    let causes: heapless::Vec<ErrorCause<'_>, 4> =
        unrecognized.iter().map(|parameter| ErrorCause::unrecognized_parameter(parameter)).collect();
    Some(write(&Body::Error(Sequence::new(&causes)).into()))
}
