//! ASAP over TCP: however a stream is cut, the same messages come out of it, and whatever else happens the connection comes to
//! its end.
#![no_main]
#![allow(clippy::panic, reason = "a fuzz target fails by panicking")]

use arbitrary::{Arbitrary, Unstructured};
use rserpool::{CloseReason, Instant, OutgoingMessage};
use rserpool_transport::{News, Reading, TcpConfig, TcpConnection, TcpState};

#[derive(Arbitrary, Debug)]
enum Event {
    Octets(u8),
    Wait(u16),
    Send(u16),
    Written(u16),
    Reading(bool),
    End,
}

fn accepted() -> TcpConnection {
    let mut connection = TcpConnection::accepted(Instant::ZERO, ([10, 0, 0, 1], 1).into(), TcpConfig::default());
    assert!(matches!(connection.poll_news(), Some(News::Accepted(..))));
    connection
}

/// The messages, and how the connection has ended if it has.
fn drain(connection: &mut TcpConnection, messages: &mut Vec<Vec<u8>>) -> Option<CloseReason> {
    let mut end = None;
    while let Some(news) = connection.poll_news() {
        assert!(end.is_none(), "news behind the end");
        match news {
            News::Message { octets, .. } => messages.push(octets.to_vec()),
            News::Closed(reason) => end = Some(reason),
            News::SendBuffer(_) => {}
            other => panic!("{other:?}"),
        }
    }
    end
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let mut input = Unstructured::new(data);
    let Ok(length) = input.int_in_range(0..=2_000_usize) else { return };
    let Ok(stream) = input.bytes(length.min(input.len())) else { return };

    let mut whole = accepted();
    let mut expected = Vec::new();
    whole.handle_octets(Instant::ZERO, stream);
    let nonsense = drain(&mut whole, &mut expected);

    // The same in pieces, without any other event.
    let mut pieces = accepted();
    let (mut rest, mut found, mut end) = (stream, Vec::new(), None);
    while !rest.is_empty() {
        let piece = input.int_in_range(1..=40).unwrap_or(1).min(rest.len());
        let (octets, behind) = rest.split_at(piece);
        pieces.handle_octets(Instant::ZERO, octets);
        end = end.or(drain(&mut pieces, &mut found));
        rest = behind;
    }
    assert_eq!(found, expected);
    assert_eq!(end, nonsense);

    // And with all that may happen on the way.
    let mut connection = accepted();
    let (mut now, mut rest, mut found) = (Instant::ZERO, stream, Vec::new());
    let mut end = None;
    while !input.is_empty()
        && let Ok(event) = Event::arbitrary(&mut input)
    {
        match event {
            Event::Octets(count) if connection.wants_octets() => {
                let (octets, behind) = rest.split_at(rest.len().min(count.into()));
                connection.handle_octets(now, octets);
                rest = behind;
            }
            Event::Octets(_) => {}
            Event::Wait(milliseconds) => {
                now = now + std::time::Duration::from_millis(milliseconds.into());
                connection.handle_timeout(now);
                assert!(connection.poll_timeout().is_none_or(|at| at > now), "a timeout in the past");
            }
            Event::Send(length) => {
                let before = connection.output().len();
                let octets = vec![1; length.into()];
                if connection.send(now, &OutgoingMessage::new(&octets)).is_ok() {
                    assert_eq!(connection.output().len(), before + octets.len().next_multiple_of(4));
                }
            }
            Event::Written(count) => {
                let count = connection.output().len().min(count.into());
                connection.handle_written(now, count);
            }
            Event::Reading(true) => connection.set_reading(now, Reading::On),
            Event::Reading(false) => connection.set_reading(now, Reading::Paused),
            Event::End => connection.handle_end(now),
        }
        let ended = drain(&mut connection, &mut found);
        assert!(end.is_none() || ended.is_none(), "two ends");
        end = end.or(ended);
    }
    assert!(expected.starts_with(&found));
    connection.close(now);
    connection.handle_timeout(now + TcpConfig::default().stall_timeout);
    assert_eq!(connection.state(), TcpState::Over);
    assert!(connection.is_over());
});
