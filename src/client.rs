//! What elements and users have in common as clients of a registrar: the actions of their hunt, and their ASAP messages.

use crate::endpoint::EndpointBuf;
use crate::hunt::HuntAction;
use crate::machine::{AssociationId, Delivery};
use crate::outbox::{Full, Outbox};
use crate::wire::PayloadProtocol;
use crate::wire::asap::Message;

/// The records of a client's queue that are made here.
pub(crate) trait ClientRecord: Sized {
    /// An association to a registrar is to be opened.
    fn open_registrar(association: AssociationId, remote: EndpointBuf) -> Self;

    /// An association is to end at once.
    fn abort(association: AssociationId) -> Self;

    /// A message is to be sent, its octets behind the record.
    fn send(association: AssociationId, protocol: PayloadProtocol, stream: u16, delivery: Delivery) -> Self;
}

/// Queues what the hunt wants.
pub(crate) fn queue_hunt<R: ClientRecord, const RECORDS: usize, const OCTETS: usize>(
    outbox: &mut Outbox<R, RECORDS, OCTETS>,
    action: &HuntAction<'_>,
) {
    // Without room for it the attempt never succeeds, and T5 expires.
    let _ = outbox.push(match action {
        HuntAction::Open { association, endpoint } => R::open_registrar(*association, (*endpoint).clone()),
        HuntAction::Abort { association } => R::abort(*association),
    });
}

/// Queues an ASAP message.
pub(crate) fn send<R: ClientRecord, const RECORDS: usize, const OCTETS: usize>(
    outbox: &mut Outbox<R, RECORDS, OCTETS>,
    association: AssociationId,
    message: &Message<'_>,
) -> Result<(), Full> {
    let record = R::send(association, PayloadProtocol::ASAP, 0, Delivery::Ordered);
    outbox.push_with(record, |buffer| message.encode(buffer))
}
