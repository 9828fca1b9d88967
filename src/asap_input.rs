//! Reading an ASAP message, and answering what cannot be understood with ASAP_ERROR, the same for all three roles
//! (RFC 5352 §2.2.14).

use heapless::Vec;

use crate::wire::asap::{Body, Message, message_type};
use crate::wire::{ErrorCause, Sequence};

/// The message in `octets`, if there is one to be processed. What its sender is to be told of it goes to `reply`.
pub(crate) fn receive<'a>(octets: &'a [u8], reply: impl FnOnce(&Message<'_>)) -> Option<Message<'a>> {
    let decoded = Message::decode(octets);
    let mut causes: Vec<ErrorCause<'_>, 4> = Vec::new();
    match &decoded {
        Ok(decoded) => {
            for parameter in &decoded.unrecognized {
                let _ = causes.push(ErrorCause::unrecognized_parameter(parameter));
            }
        }
        Err(error) => {
            if let Some(cause) = error.cause(octets) {
                let _ = causes.push(cause);
            }
        }
    }
    // An error is never answered with an error: two peers would never stop.
    if !causes.is_empty() && octets.first() != Some(&message_type::ERROR) {
        reply(&Body::Error(Sequence::new(&causes)).into());
    }
    Some(decoded.ok()?.message)
}
