//! Replays what elements and registrars said in the captures into a handlespace: every checksum that the reference
//! announced comes out.

use std::collections::BTreeMap;

use rserpool::handlespace::{Handlespace, HandlespaceLimits};
use rserpool::wire::{PayloadProtocol, PeIdentifier, PoolElement, PoolHandle, ServerIdentifier, asap, enrp};

use crate::{CAPTURES, messages};

/// An element that died, which no message tells: in which capture, with which frame its association ended, and its name.
const DEATH: (&str, u64, &[u8], u32) = ("rsplib-3.4.4-failover", 187, b"PingPongPool", 0xcf6e_803e);

struct Replay {
    space: Handlespace,
    /// Where elements register: the first registrar of the capture, until another takes over from it.
    home: ServerIdentifier,
    /// Registrations that have not been answered yet.
    asked: BTreeMap<(Vec<u8>, u32), Vec<u8>>,
    /// How many checksums were compared that stand for some elements, and for none.
    compared: (usize, usize),
}

impl Replay {
    fn new() -> Self {
        Self {
            space: Handlespace::new(HandlespaceLimits::default(), 1),
            home: ServerIdentifier::NONE,
            asked: BTreeMap::new(),
            compared: (0, 0),
        }
    }

    fn remove(&mut self, pool_handle: PoolHandle<'_>, identifier: PeIdentifier) {
        if let Some(index) = self.space.find(pool_handle, identifier) {
            self.space.remove(index);
        }
    }

    fn add(&mut self, pool_handle: PoolHandle<'_>, element: &PoolElement<'_>) {
        self.space.register(pool_handle, element).unwrap();
    }

    fn asap(&mut self, octets: &[u8]) {
        match asap::Message::decode(octets).unwrap().message.body {
            asap::Body::Registration(registration) => {
                let element = registration.pool_element;
                let mut octets = vec![0; element.encoded_len()];
                element.encode(&mut octets).unwrap();
                self.asked.insert((registration.pool_handle.octets().to_vec(), element.identifier.0), octets);
            }
            asap::Body::RegistrationResponse(response) if !response.rejected => {
                let element = response.element;
                let asked = self.asked.remove(&(element.pool_handle.octets().to_vec(), element.identifier.0));
                if let Some(octets) = asked {
                    let view = PoolElement::from_octets(&octets).unwrap();
                    self.add(element.pool_handle, &PoolElement { home: self.home, ..view });
                }
            }
            asap::Body::DeregistrationResponse(response) => {
                self.remove(response.element.pool_handle, response.element.identifier);
            }
            _ => {}
        }
    }

    fn enrp(&mut self, octets: &[u8]) {
        let message = enrp::Message::decode(octets).unwrap().message;
        if self.home == ServerIdentifier::NONE {
            self.home = message.sender;
        }
        match message.body {
            enrp::Body::Presence(presence) => {
                let Some(checksum) = presence.checksum else { return };
                assert_eq!(self.space.checksum(message.sender), checksum, "of {:?}", message.sender);
                match self.space.owned_by(message.sender).len() {
                    0 => self.compared.1 += 1,
                    _ => self.compared.0 += 1,
                }
            }
            enrp::Body::HandleUpdate(update) => match update.action {
                enrp::UpdateAction::AddPe => self.add(update.pool_handle, &update.pool_element),
                enrp::UpdateAction::DelPe => self.remove(update.pool_handle, update.pool_element.identifier),
            },
            // There are two left: with the one's acknowledgement the other has taken over.
            enrp::Body::InitTakeoverAck(target) => {
                for index in self.space.owned_by(target).collect::<Vec<_>>() {
                    self.space.set_home(index, message.receiver);
                }
                self.home = message.receiver;
            }
            _ => {}
        }
    }
}

#[test]
fn every_checksum_that_the_reference_announced_comes_out_of_what_was_registered() {
    let mut all = (0, 0);
    for name in CAPTURES {
        let mut replay = Replay::new();
        let (capture, frame, pool, identifier) = DEATH;
        let mut dead = capture != name;
        for message in messages(name) {
            if !dead && message.frame > frame {
                replay.remove(PoolHandle::new(pool), PeIdentifier(identifier));
                dead = true;
            }
            if message.protocol == PayloadProtocol::ASAP.0 {
                replay.asap(&message.octets);
            } else {
                replay.enrp(&message.octets);
            }
        }
        let (some, none) = replay.compared;
        assert!(some >= 10 && none >= 1, "{name}: {some} checksums of some elements, {none} of none");
        all = (all.0 + some, all.1 + none);
    }
    println!("{} checksums of some elements, {} of none", all.0, all.1);
}
