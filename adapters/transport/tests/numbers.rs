//! The verification tags and first transmission sequence numbers of associations: who guesses them can end associations of others
//! (RFC 9260 §5.3.1, §12.2.1). The SCTP implementation takes them from a generator that is fast and can be predicted, one in each
//! thread.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::HashSet;
use std::net::SocketAddr;

use rserpool::{Instant, Purpose};
use rserpool_transport::{LocalPort, SctpConfig, SctpOverUdp, SocketIndex};

const LOCAL: LocalPort = LocalPort { socket: SocketIndex(0), port: 3863 };

/// Tag and first number of the INIT or INIT ACK that an endpoint sends next.
fn numbers(endpoint: &mut SctpOverUdp) -> [u32; 2] {
    let octets = endpoint.poll_transmit().unwrap().octets;
    [16, 28].map(|at| u32::from_be_bytes(octets[at..at + 4].try_into().unwrap()))
}

fn endpoint(secret: u8) -> SctpOverUdp {
    let mut endpoint = SctpOverUdp::new(SctpConfig::default(), [secret; 16]);
    endpoint.listen(LOCAL, &[Purpose::Session]);
    endpoint
}

/// Opens an association to another address each time.
fn open(endpoint: &mut SctpOverUdp, number: u16) -> [u32; 2] {
    let to = SocketAddr::from(([10, 0, (number >> 8) as u8, number as u8], 9899));
    endpoint.open(Instant::ZERO, LOCAL, to, 3863, Purpose::Session).unwrap();
    numbers(endpoint)
}

/// Has an endpoint answer the INIT of a stranger.
fn answer(endpoint: &mut SctpOverUdp) -> [u32; 2] {
    let mut stranger = SctpOverUdp::new(SctpConfig::default(), [99; 16]);
    stranger.open(Instant::ZERO, LOCAL, ([10, 0, 0, 1], 9899).into(), 3863, Purpose::Session).unwrap();
    let init = stranger.poll_transmit().unwrap().octets;
    // As if it had drawn nothing.
    fastrand::seed(7);
    endpoint.handle_datagram(Instant::ZERO, LOCAL.socket, ([10, 0, 0, 2], 9899).into(), &init);
    numbers(endpoint)
}

#[test]
fn numbers_do_not_follow_from_the_state_of_the_threads_generator() {
    let opened = [1, 2].map(|secret| {
        fastrand::seed(7);
        open(&mut endpoint(secret), 1)
    });
    assert_ne!(opened[0], opened[1]);
    let answered = [1, 2].map(|secret| answer(&mut endpoint(secret)));
    assert_ne!(answered[0], answered[1]);
}

#[test]
fn who_has_seen_an_associations_numbers_and_knows_the_generator_does_not_know_the_next() {
    let mut endpoint = endpoint(1);
    let mut before = HashSet::new();
    for number in 0..100 {
        // What the generator would give next, as its state is after the association before.
        let mut guess = fastrand::Rng::with_seed(fastrand::get_seed());
        let guesses: HashSet<u32> = (0..16).flat_map(|_| [guess.u32(..), guess.u32(1..u32::MAX)]).collect();
        for drawn in open(&mut endpoint, number) {
            assert!(!guesses.contains(&drawn));
            assert!(before.insert(drawn));
        }
    }
}

#[test]
fn the_same_secret_gives_the_same_numbers_in_every_thread_so_that_simulations_can_be_repeated() {
    let run = || {
        let mut endpoint = endpoint(5);
        [open(&mut endpoint, 1), open(&mut endpoint, 2), answer(&mut endpoint)]
    };
    let here = run();
    let there = std::thread::spawn(run).join().unwrap();
    assert_eq!(here, there);
}
