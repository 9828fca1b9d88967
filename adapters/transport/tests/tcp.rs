//! ASAP over TCP: messages found in a stream however it is cut, and peers that are slow, half gone, or speak nonsense.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::time::Duration;

use rserpool::wire::PayloadProtocol;
use rserpool::{CloseReason, Instant, OpenFailure, OutgoingMessage, Protocol, Purpose, SendBuffer};
use rserpool_transport::{News, Peer, Reading, SendError, TcpConfig, TcpConnection, TcpState};

/// ASAP_HANDLE_RESOLUTION for the pool "p": nine octets and three of padding.
const QUESTION: [u8; 12] = [5, 0, 0, 9, 0, 9, 0, 5, b'p', 0, 0, 0];
/// The same for "pool".
const ANOTHER: [u8; 12] = [5, 0, 0, 12, 0, 9, 0, 8, b'p', b'o', b'o', b'l'];

fn at(milliseconds: u64) -> Instant {
    Instant::ZERO + Duration::from_millis(milliseconds)
}

fn accepted() -> TcpConnection {
    let mut connection = TcpConnection::accepted(at(0), "10.1.1.1:40000".parse().unwrap(), TcpConfig::default());
    let Some(News::Accepted(Purpose::Asap, peer)) = connection.poll_news() else { panic!("not accepted") };
    assert_eq!(peer, Peer { protocol: Protocol::Tcp, addresses: vec!["10.1.1.1".parse().unwrap()], port: 40000 });
    connection
}

fn next_message(connection: &mut TcpConnection) -> Option<Vec<u8>> {
    match connection.poll_news()? {
        News::Message { protocol, octets } => {
            assert_eq!(protocol, PayloadProtocol::ASAP);
            Some(octets.to_vec())
        }
        other => panic!("{other:?}"),
    }
}

fn end(connection: &mut TcpConnection) -> CloseReason {
    match connection.poll_news() {
        Some(News::Closed(reason)) => reason,
        other => panic!("{other:?}"),
    }
}

fn answer(connection: &mut TcpConnection, now: Instant, octets: &[u8]) -> Result<(), SendError> {
    let message = OutgoingMessage { protocol: PayloadProtocol::ASAP, ..OutgoingMessage::new(octets) };
    connection.send(now, &message)
}

#[test]
fn messages_are_found_however_the_stream_is_cut() {
    let stream = [&QUESTION[..], &ANOTHER, &QUESTION].concat();
    for first in 0..=stream.len() {
        for second in first..=stream.len() {
            let mut connection = accepted();
            let mut found = Vec::new();
            for part in [&stream[..first], &stream[first..second], &stream[second..]] {
                connection.handle_octets(at(1), part);
                found.extend(std::iter::from_fn(|| next_message(&mut connection)));
            }
            assert_eq!(found, [QUESTION.to_vec(), ANOTHER.to_vec(), QUESTION.to_vec()], "cut at {first} and {second}");
            assert_eq!(connection.poll_timeout(), None, "nothing is waited for");
        }
    }
}

#[test]
fn a_message_comes_also_octet_by_octet_and_with_its_padding() {
    let mut connection = accepted();
    for octet in &QUESTION[..11] {
        connection.handle_octets(at(1), &[*octet]);
        assert_eq!(next_message(&mut connection), None);
    }
    connection.handle_octets(at(2), &[0xff]);
    let padded = [&QUESTION[..11], &[0xff]].concat();
    assert_eq!(next_message(&mut connection), Some(padded));
}

#[test]
fn the_largest_message_comes_whole() {
    let mut connection = accepted();
    let largest = [&[5, 0, 0xff, 0xff][..], &[7; 65_532]].concat();
    for part in largest.chunks(1_000) {
        connection.handle_octets(at(1), part);
    }
    assert_eq!(next_message(&mut connection).map(|message| message.len()), Some(65_536));
}

#[test]
fn a_length_that_cannot_be_is_shown_to_the_machine_and_nothing_is_read_behind_it() {
    let mut connection = accepted();
    let stream = [&QUESTION[..], &[5, 0, 0, 3], &QUESTION].concat();
    connection.handle_octets(at(1), &stream);
    assert_eq!(next_message(&mut connection), Some(QUESTION.to_vec()));
    assert_eq!(next_message(&mut connection), Some(vec![5, 0, 0, 3]));
    assert!(!connection.wants_octets());
    answer(&mut connection, at(1), &[6, 0, 0, 4]).unwrap();
    assert_eq!(end(&mut connection), CloseReason::Aborted);
    assert_eq!(connection.output(), [6, 0, 0, 4], "what the machine says to it is written");
    connection.handle_written(at(1), 4);
    assert_eq!(connection.state(), TcpState::Finishing);
}

#[test]
fn a_peer_that_has_ended_its_side_is_answered_before_the_connection_ends() {
    let mut connection = accepted();
    connection.handle_octets(at(1), &[QUESTION, ANOTHER].concat());
    connection.handle_end(at(1));
    for octets in [QUESTION, ANOTHER] {
        assert_eq!(next_message(&mut connection), Some(octets.to_vec()));
        answer(&mut connection, at(1), &octets).unwrap();
    }
    assert_eq!(end(&mut connection), CloseReason::Shutdown);
    assert_eq!(answer(&mut connection, at(1), &QUESTION), Err(SendError::Closed));
    assert_eq!(connection.output(), [QUESTION, ANOTHER].concat());
    assert_eq!(connection.state(), TcpState::Running);
    connection.handle_written(at(1), 24);
    assert_eq!(connection.state(), TcpState::Finishing);
    connection.handle_end(at(1));
    assert!(connection.is_over());
}

#[test]
fn a_peer_that_ends_within_a_message_is_lost() {
    let mut connection = accepted();
    connection.handle_octets(at(1), &QUESTION[..5]);
    connection.handle_end(at(1));
    assert_eq!(end(&mut connection), CloseReason::Lost);
}

#[test]
fn a_peer_that_ends_and_takes_no_answers_is_not_waited_for_longer_than_the_stall_timeout() {
    let mut connection = accepted();
    connection.handle_octets(at(1_000), &QUESTION);
    connection.handle_end(at(1_000));
    next_message(&mut connection).unwrap();
    answer(&mut connection, at(1_000), &QUESTION).unwrap();
    assert_eq!(end(&mut connection), CloseReason::Shutdown);
    assert_eq!(connection.poll_timeout(), Some(at(11_000)));
    connection.handle_timeout(at(11_000));
    assert!(connection.is_over());
}

#[test]
fn a_message_that_does_not_come_to_its_end_in_time_ends_the_connection_however_often_an_octet_comes() {
    let mut connection = accepted();
    connection.handle_octets(at(1_000), &QUESTION[..1]);
    for (second, octet) in (2..=5).zip(&QUESTION[1..]) {
        connection.handle_octets(at(second * 1_000), &[*octet]);
        connection.handle_timeout(at(second * 1_000));
        assert!(connection.wants_octets());
    }
    assert_eq!(connection.poll_timeout(), Some(at(6_000)));
    connection.handle_timeout(at(6_000));
    assert_eq!(end(&mut connection), CloseReason::Lost);
    assert_eq!(connection.state(), TcpState::Over);
}

#[test]
fn who_connects_and_says_nothing_is_cut_off_and_who_has_said_something_may_be_silent() {
    let mut silent = accepted();
    assert_eq!(silent.poll_timeout(), Some(at(30_000)));
    silent.handle_timeout(at(30_000));
    assert_eq!(end(&mut silent), CloseReason::Lost);
    let mut polite = accepted();
    polite.handle_octets(at(20_000), &QUESTION);
    next_message(&mut polite).unwrap();
    assert_eq!(polite.poll_timeout(), None);
    polite.handle_timeout(at(10_000_000));
    assert_eq!(polite.state(), TcpState::Running);
}

#[test]
fn who_reads_nothing_has_to_wait_and_is_cut_off_when_he_goes_on_so() {
    let mut connection = accepted();
    connection.handle_octets(at(0), &QUESTION);
    next_message(&mut connection).unwrap();
    let large = vec![0; 60_000];
    let mut taken = 0;
    while answer(&mut connection, at(1_000), &large).is_ok() {
        taken += 1;
    }
    assert_eq!(taken, 8, "half a mebibyte at most");
    assert!(matches!(connection.poll_news(), Some(News::SendBuffer(SendBuffer::Full))));
    // It takes something now and then.
    connection.handle_written(at(10_000), 100_000);
    assert!(connection.poll_news().is_none());
    assert_eq!(connection.poll_timeout(), Some(at(20_000)));
    connection.handle_written(at(15_000), 300_000);
    assert!(matches!(connection.poll_news(), Some(News::SendBuffer(SendBuffer::HasRoom))));
    connection.handle_timeout(at(25_000));
    assert_eq!(end(&mut connection), CloseReason::Lost);
    assert_eq!(connection.output(), b"");
}

#[test]
fn who_asks_more_than_is_dealt_with_or_takes_no_answers_is_not_read() {
    let mut connection = accepted();
    connection.handle_octets(at(0), &QUESTION.repeat(63));
    assert!(connection.wants_octets());
    connection.handle_octets(at(0), &QUESTION);
    assert!(!connection.wants_octets());
    while next_message(&mut connection).is_some() {}
    assert!(connection.wants_octets());
    let large = vec![0; 60_000];
    for _ in 0..5 {
        answer(&mut connection, at(0), &large).unwrap();
    }
    assert!(!connection.wants_octets());
    connection.handle_written(at(0), 200_000);
    assert!(connection.wants_octets());
}

#[test]
fn what_was_sent_before_a_connection_is_closed_is_written_and_its_end_is_no_news() {
    let mut connection = accepted();
    answer(&mut connection, at(1), &QUESTION).unwrap();
    connection.close(at(1));
    assert_eq!(connection.output(), QUESTION);
    connection.handle_written(at(1), 12);
    assert_eq!(connection.state(), TcpState::Finishing);
    connection.handle_octets(at(2), &QUESTION);
    connection.handle_end(at(2));
    assert!(connection.poll_news().is_none());
    assert!(connection.is_over());
}

#[test]
fn a_connection_that_does_not_come_to_be_has_failed() {
    let config = TcpConfig::default();
    let peer = "10.1.1.1:3863".parse().unwrap();
    let mut refused = TcpConnection::opening(at(0), peer, config);
    refused.handle_failure();
    assert!(matches!(refused.poll_news(), Some(News::OpenFailed(OpenFailure::Unreachable))));
    let mut silent = TcpConnection::opening(at(0), peer, config);
    assert_eq!(silent.poll_timeout(), Some(at(2_000)));
    silent.handle_timeout(at(2_000));
    assert!(matches!(silent.poll_news(), Some(News::OpenFailed(OpenFailure::Unreachable))));
    assert!(silent.is_over());
}

#[test]
fn messages_have_their_padding_and_wait_until_the_connection_stands() {
    let mut connection = TcpConnection::opening(at(0), "10.1.1.1:3863".parse().unwrap(), TcpConfig::default());
    answer(&mut connection, at(0), &QUESTION[..9]).unwrap();
    assert_eq!(connection.output(), b"");
    connection.handle_connected();
    assert!(matches!(connection.poll_news(), Some(News::Opened(_))));
    assert_eq!(connection.output(), QUESTION);
}

#[test]
fn a_message_that_nobody_wants_to_read_yet_has_all_the_time() {
    let mut connection = accepted();
    connection.handle_octets(at(1_000), &QUESTION[..6]);
    connection.set_reading(at(2_000), Reading::Paused);
    assert_eq!(connection.poll_timeout(), None);
    connection.set_reading(at(60_000), Reading::On);
    assert_eq!(connection.poll_timeout(), Some(at(65_000)));
}
