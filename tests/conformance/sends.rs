//! Messages to pools with their options, what comes back, and failovers in the application's hands (RFC 5352 §6.5, §6.7,
//! §6.9).

use std::time::Duration;

use rserpool::pool_user::{FailoverMode, SessionId, SessionOptions, Target, Updates, UserEvent};
use rserpool::wire::asap::message_type;
use rserpool::wire::{PeIdentifier, PoolHandle};
use rserpool::{
    Action, AssociationId, CloseReason, Endpoint, Failover, Input, Machine as _, OutgoingMessage, Progress, Protocol,
    SendBuffer, SendError,
};

use crate::events::event;
use crate::scripted_user::{ASAP, ScriptedUser, host, with_elements};

const POOL: PoolHandle<'static> = PoolHandle::new(b"pool");
const LOST: CloseReason = CloseReason::Lost;

/// A user that has resolved "pool".
fn with_pool(identifiers: &[u32]) -> ScriptedUser {
    let mut world = ScriptedUser::new();
    world.act(|user, now| user.resolve(now, POOL).unwrap());
    world.resolved(identifiers);
    world
}

/// A message that did not arrive.
#[derive(Debug, PartialEq)]
struct CameBack<'a> {
    session: Option<SessionId>,
    element: Option<u32>,
    progress: Progress,
    text: &'a str,
}

/// A message for the pool that was sent to no element.
fn unsent(text: &str) -> CameBack<'_> {
    CameBack { session: None, element: None, progress: Progress::Unsent, text }
}

impl ScriptedUser {
    fn say_to_pool(&mut self, target: Target, text: &str) {
        self.act(|user, now| user.send_to_pool(now, POOL, target, OutgoingMessage::new(text.as_bytes())).unwrap());
    }

    fn say_to_pool_only(&mut self, target: Target, text: &str) {
        let message = OutgoingMessage { failover: Failover::Forbidden, ..OutgoingMessage::new(text.as_bytes()) };
        self.act(|user, now| user.send_to_pool(now, POOL, target, message).unwrap());
    }

    fn session(&mut self, failover: FailoverMode) -> SessionId {
        let mut options = SessionOptions::default();
        options.failover = failover;
        self.act(|user, now| user.open_session_with(now, POOL, options).unwrap())
    }

    fn say(&mut self, session: SessionId, text: &str) {
        self.act(|user, _| user.send(session, OutgoingMessage::new(text.as_bytes())).unwrap());
    }

    /// The application's messages for "pool" that came back, in order.
    #[track_caller]
    fn came_back(&self) -> Vec<CameBack<'static>> {
        self.events.pick(|event| match event {
            UserEvent::Undelivered { pool_handle, session, identifier, progress, message } => {
                assert_eq!(pool_handle, POOL);
                let text = std::str::from_utf8(message.octets).unwrap();
                Some(CameBack { session, element: identifier.map(|identifier| identifier.0), progress, text })
            }
            _ => None,
        })
    }

    fn cookie(&mut self, association: AssociationId, cookie: &[u8]) {
        let octets = crate::scripted_user::encode(rserpool::wire::asap::Body::Cookie(cookie));
        self.asap(association, &octets);
    }
}

#[test]
fn messages_to_a_pool_go_to_its_elements_in_turn_and_associations_are_used_again() {
    let mut world = with_pool(&[1, 2]);
    for text in ["a", "b", "c", "d"] {
        world.say_to_pool(Target::Policy, text);
    }
    assert_eq!(world.wanted(), [1, 2]);
    let (first, second) = (world.opens(1), world.opens(2));
    world.say_to_pool(Target::Policy, "e");
    assert_eq!(world.texts(first), ["a", "c", "e"]);
    assert_eq!(world.texts(second), ["b", "d"]);
    assert_eq!(world.requests(), 1);
}

#[test]
fn messages_to_a_pool_that_is_not_known_wait_for_the_registrar() {
    let mut world = ScriptedUser::new();
    world.say_to_pool(Target::Policy, "a");
    world.say_to_pool(Target::Policy, "b");
    assert_eq!(world.requests(), 1);
    assert!(world.wanted().is_empty());
    world.resolved(&[7]);
    let seven = world.opens(7);
    assert_eq!(world.texts(seven), ["a", "b"]);
}

#[test]
fn messages_to_a_pool_that_does_not_exist_come_back() {
    let mut world = ScriptedUser::new();
    world.say_to_pool(Target::Policy, "a");
    world.unknown_pool();
    assert_eq!(world.came_back(), [unsent("a")]);
}

#[test]
fn a_message_to_the_last_goes_where_the_one_before_went() {
    let mut world = with_pool(&[1, 2, 3]);
    world.say_to_pool(Target::Policy, "a");
    world.say_to_pool(Target::Policy, "b");
    world.say_to_pool(Target::Last, "c");
    world.opens(1);
    let second = world.opens(2);
    world.say_to_pool(Target::Last, "d");
    assert_eq!(world.texts(second), ["b", "c", "d"]);
    // Without it another one does.
    world.closes(second, LOST);
    world.say_to_pool(Target::Last, "e");
    assert_eq!(world.wanted(), [3]);
    let third = world.opens(3);
    world.say_to_pool(Target::Last, "f");
    assert_eq!(world.texts(third), ["e", "f"]);
}

#[test]
fn a_message_to_all_is_copied_to_each_but_the_sender_itself() {
    let mut world = with_pool(&[1, 2, 3]);
    with_elements(&[2], |elements| world.user.set_business_card(POOL, elements).unwrap());
    world.say_to_pool(Target::All, "a");
    assert_eq!(world.wanted(), [1, 3]);
    let (first, third) = (world.opens(1), world.opens(3));
    world.say_to_pool(Target::AllAndSelf, "b");
    assert_eq!(world.wanted(), [2]);
    let second = world.opens(2);
    assert_eq!(world.texts(first), ["a", "b"]);
    assert_eq!(world.texts(third), ["a", "b"]);
    assert_eq!(world.texts(second), ["b"]);
}

#[test]
fn of_a_message_to_all_no_copy_goes_to_an_element_that_has_got_one() {
    let mut world = with_pool(&[1, 2]);
    world.say_to_pool(Target::All, "a");
    let first = world.opens(1);
    world.fails(2);
    assert!(world.wanted().is_empty());
    assert_eq!(world.texts(first), ["a"]);
    assert_eq!(world.came_back(), [CameBack { element: Some(2), ..unsent("a") }]);
}

#[test]
fn a_message_to_an_element_goes_to_that_one() {
    let mut world = with_pool(&[1, 2, 3]);
    world.say_to_pool(Target::Element(PeIdentifier(3)), "a");
    let third = world.opens(3);
    assert_eq!(world.texts(third), ["a"]);
    // One that is not there is replaced, unless that is forbidden.
    world.say_to_pool_only(Target::Element(PeIdentifier(9)), "b");
    assert!(world.wanted().is_empty());
    assert_eq!(world.came_back(), [unsent("b")]);
    world.say_to_pool(Target::Element(PeIdentifier(9)), "c");
    assert_eq!(world.wanted(), [1]);
}

#[test]
fn a_message_whose_element_cannot_be_reached_goes_to_another_only_if_it_may() {
    let mut world = with_pool(&[1, 2]);
    world.say_to_pool(Target::Policy, "may");
    world.say_to_pool_only(Target::Last, "must not");
    world.fails(1);
    let second = world.opens(2);
    assert_eq!(world.texts(second), ["may"]);
    assert_eq!(world.came_back(), [CameBack { element: Some(1), ..unsent("must not") }]);
    assert_eq!(world.reports(), 1);
    // With none left there is no failover.
    world.say_to_pool(Target::Policy, "on its way");
    world.undelivered(second, "on its way", Progress::Unsent);
    world.closes(second, LOST);
    assert_eq!(world.came_back()[1..], [unsent("on its way")]);
}

#[test]
fn associations_without_work_make_room_for_others() {
    let mut world = with_pool(&[1, 2, 3, 4, 5, 6]);
    for number in 1..=4 {
        world.say_to_pool(Target::Element(PeIdentifier(number)), "a");
    }
    let first = world.opens(1);
    world.say_to_pool(Target::Element(PeIdentifier(5)), "b");
    assert_eq!(world.ended, [first]);
    assert_eq!(world.wanted(), [2, 3, 4, 5]);
    // All of these have something to do.
    world.say_to_pool(Target::Element(PeIdentifier(6)), "c");
    assert_eq!(world.came_back(), [CameBack { element: Some(6), ..unsent("c") }]);
    assert_eq!(world.act(|user, now| user.open_session(now, POOL)), Err(rserpool::pool_user::OpenError::NoRoom));
    world.opens(2);
    world.act(|user, now| user.open_session(now, POOL)).unwrap();
}

#[test]
fn answers_tell_their_element_and_can_be_answered() {
    let mut world = with_pool(&[1]);
    world.say_to_pool(Target::Policy, "a");
    let first = world.opens(1);
    world.input(Input::Message { association: first, protocol: OutgoingMessage::new(b"x").protocol, octets: b"well?" });
    let answers = world.events.pick(|event| match event {
        UserEvent::Data { session, identifier, message } => Some((session, identifier, message.octets)),
        _ => None,
    });
    let [(session, PeIdentifier(1), b"well?")] = answers[..] else { panic!("{answers:?}") };
    // Sessions are not told of: the application has not opened any.
    assert!(!world.events.has(event!(UserEvent::Established { .. })));
    world.say(session, "yes");
    assert_eq!(world.texts(first), ["a", "yes"]);
}

#[test]
fn what_was_not_sent_goes_to_the_next_element_and_what_was_comes_back() {
    let mut world = with_pool(&[1, 2]);
    let session = world.session(FailoverMode::Automatic);
    let first = world.opens(1);
    world.cookie(first, b"state");
    for text in ["sent", "queued 1", "queued 2"] {
        world.say(session, text);
    }
    world.undelivered(first, "sent", Progress::Unacknowledged);
    // From now on the association takes nothing any more, though its end is not told yet.
    world.say(session, "later");
    world.undelivered(first, "queued 1", Progress::Unsent);
    assert_eq!(world.texts(first), ["sent", "queued 1", "queued 2"]);
    world.closes(first, LOST);
    let second = world.opens(2);
    assert_eq!(world.texts(second), ["later", "queued 1"]);
    assert_eq!(
        world.came_back(),
        [CameBack { session: Some(session), element: Some(1), progress: Progress::Unacknowledged, ..unsent("sent") }]
    );
    // RFC 5352 §3.8: the cookie ahead of all.
    let to_second: Vec<_> = world.sent.iter().filter(|sent| sent.to == second).collect();
    assert_eq!((to_second[0].protocol, to_second[0].octets[0]), (ASAP, message_type::COOKIE_ECHO));
}

#[test]
fn a_message_of_a_session_whose_failover_is_forbidden_comes_back() {
    let mut world = with_pool(&[1, 2]);
    let session = world.session(FailoverMode::Automatic);
    let message = OutgoingMessage { failover: Failover::Forbidden, ..OutgoingMessage::new(b"only you") };
    world.act(|user, _| user.send(session, message).unwrap());
    world.fails(1);
    let second = world.opens(2);
    assert!(world.texts(second).is_empty());
    assert_eq!(world.came_back(), [CameBack { session: Some(session), element: Some(1), ..unsent("only you") }]);
}

#[test]
fn what_a_given_up_element_has_not_got_is_known_only_afterwards_and_goes_the_same_ways() {
    let mut world = with_pool(&[1, 2]);
    let session = world.session(FailoverMode::Automatic);
    let first = world.opens(1);
    world.act(|user, now| user.report_failure(now, session));
    let second = world.opens(2);
    let message = OutgoingMessage { failover: Failover::Forbidden, ..OutgoingMessage::new(b"only you") };
    let progress = Progress::Unsent;
    world.input(Input::Undelivered { association: first, message, progress });
    assert!(world.texts(second).is_empty());
    assert_eq!(world.came_back(), [CameBack { session: Some(session), element: Some(1), ..unsent("only you") }]);
    world.undelivered(first, "or anybody", Progress::Unsent);
    assert_eq!(world.texts(second), ["or anybody"]);
}

#[test]
fn what_the_adapter_has_not_fetched_when_the_element_dies_goes_to_the_next() {
    let mut world = with_pool(&[1, 2]);
    let session = world.session(FailoverMode::Automatic);
    let first = world.opens(1);
    world.user.send(session, OutgoingMessage::new(b"not fetched")).unwrap();
    world.closes(first, LOST);
    assert!(world.texts(first).is_empty());
    let second = world.opens(2);
    assert_eq!(world.texts(second), ["not fetched"]);
}

#[test]
fn after_a_supervised_failover_the_application_speaks_first() {
    let mut world = with_pool(&[1, 2]);
    let session = world.session(FailoverMode::Supervised);
    let first = world.opens(1);
    world.say(session, "before");
    assert_eq!(world.texts(first), ["before"]);
    world.closes(first, LOST);
    world.say(session, "held back");
    let second = world.opens(2);
    assert!(world.texts(second).is_empty());
    world.say(session, "what was so far");
    world.act(|user, _| user.resume(session));
    world.say(session, "after");
    assert_eq!(world.texts(second), ["what was so far", "held back", "after"]);
}

#[test]
fn a_manual_failover_waits_for_the_applications_word() {
    let mut world = with_pool(&[1, 2]);
    let session = world.session(FailoverMode::Manual);
    // Before the first element there is nothing to decide.
    world.fails(1);
    let second = world.opens(2);
    world.closes(second, LOST);
    assert_eq!(
        world.events.all(event!(UserEvent::Failover { .. })),
        [(1, None), (2, Some(LOST))].map(|(identifier, reason)| {
            UserEvent::Failover { session, identifier: PeIdentifier(identifier), reason }
        })
    );
    world.wait(Duration::from_secs(60));
    assert!(world.wanted().is_empty());
    world.act(|user, now| user.fail_over(now, session));
    world.resolved(&[3]);
    world.opens(3);
    assert_eq!(
        world.events.all(event!(UserEvent::Established { .. })),
        [(2, 1), (3, 2)].map(|(identifier, failovers)| {
            UserEvent::Established { session, identifier: PeIdentifier(identifier), failovers }
        })
    );
}

#[test]
fn an_element_that_ends_a_session_in_order_is_left_but_not_reported() {
    let mut world = with_pool(&[1, 2]);
    world.session(FailoverMode::Automatic);
    let first = world.opens(1);
    world.closes(first, CloseReason::Shutdown);
    assert_eq!(world.wanted(), [2]);
    assert_eq!(world.reports(), 0);
}

#[test]
fn a_session_may_begin_with_a_certain_element() {
    let mut world = ScriptedUser::new();
    let mut options = SessionOptions::default();
    options.element = Some(PeIdentifier(3));
    let session = world.act(|user, now| user.open_session_with(now, POOL, options).unwrap());
    world.resolved(&[1, 2, 3]);
    world.opens(3);
    assert_eq!(world.user.element_of(session), Some((POOL, PeIdentifier(3))));
    // One that is not there is no reason to fail.
    options.element = Some(PeIdentifier(9));
    world.act(|user, now| user.open_session_with(now, POOL, options).unwrap());
    assert_eq!(world.wanted(), [1]);
}

#[test]
fn a_pool_can_be_used_without_sessions_element_by_element() {
    let mut world = ScriptedUser::new();
    assert_eq!(world.act(|user, now| user.primary(now, POOL)), None);
    world.act(|user, now| user.resolve(now, POOL).unwrap());
    world.resolved(&[1, 2]);
    let primary = world.act(|user, now| user.primary(now, POOL)).unwrap();
    assert_eq!(primary.identifier, PeIdentifier(1));
    assert_eq!(primary.transport.unwrap().to_string(), "sctp://10.1.0.1:7000");
    assert!(world.wanted().is_empty());
    world.act(|user, now| user.report_unreachable(now, POOL, PeIdentifier(1)));
    assert_eq!(world.reports(), 1);
    let (user, now) = (&world.user, world.now);
    assert_eq!(user.elements(now, POOL).map(|element| element.identifier.0).collect::<Vec<_>>(), [2]);
    assert_eq!(world.act(|user, now| user.primary(now, POOL)).unwrap().identifier, PeIdentifier(2));
}

#[test]
fn an_element_that_nothing_was_sent_to_is_not_reported() {
    let mut world = with_pool(&[1, 2]);
    world.act(|user, now| user.report_unreachable(now, POOL, PeIdentifier(2)));
    world.act(|user, now| user.report_unreachable(now, PoolHandle::new(b"other"), PeIdentifier(1)));
    assert_eq!(world.reports(), 0);
    // And one that was is reported once.
    world.act(|user, now| user.primary(now, POOL)).unwrap();
    world.act(|user, now| user.report_unreachable(now, POOL, PeIdentifier(1)));
    world.act(|user, now| user.report_unreachable(now, POOL, PeIdentifier(1)));
    assert_eq!(world.reports(), 1);
}

#[test]
fn a_purged_pool_is_asked_for_again() {
    let mut world = with_pool(&[1, 2]);
    world.user.purge(POOL);
    assert_eq!(world.user.elements(world.now, POOL).count(), 0);
    world.session(FailoverMode::Automatic);
    assert_eq!(world.requests(), 2);
    world.resolved(&[1]);
    assert_eq!(world.wanted(), [1]);
}

#[test]
fn without_room_a_message_to_a_pool_is_refused() {
    let mut world = with_pool(&[1]);
    let large = vec![0; 3_000];
    let now = world.now;
    assert_eq!(world.user.send_to_pool(now, POOL, Target::Policy, OutgoingMessage::new(&large)), Err(SendError::Full));
    let long = [b'x'; 65];
    assert_eq!(
        world.user.send_to_pool(now, PoolHandle::new(&long), Target::Policy, OutgoingMessage::new(b"a")),
        Err(SendError::PoolHandleTooLong)
    );
    assert_eq!(world.user.send_to_pool(now, POOL, Target::Policy, OutgoingMessage::new(b"")), Err(SendError::Empty));
}

#[test]
fn a_user_that_is_told_of_changes_asks_no_more_until_its_registrar_is_lost() {
    let mut world = ScriptedUser::with(|config| config.updates = Updates::Asked);
    world.act(|user, now| user.resolve(now, POOL).unwrap());
    let request = world.sent.iter().find(|sent| sent.octets[0] == message_type::HANDLE_RESOLUTION).unwrap();
    assert_eq!(request.octets[1], 1, "the S bit");
    world.resolved_with(&[1], true);
    world.wait(Duration::from_secs(3600));
    // It has changed.
    world.resolved_with(&[2], true);
    world.session(FailoverMode::Automatic);
    assert_eq!((world.requests(), world.wanted()), (1, vec![2]));
    // What is known lasts as long as any other knowledge once nobody tells of changes, and is asked for anew then.
    let home = world.home.unwrap();
    world.closes(home, LOST);
    world.wait(Duration::from_secs(29));
    assert_eq!(world.user.elements(world.now, POOL).count(), 1);
    world.wait(Duration::from_secs(2));
    assert_eq!(world.user.elements(world.now, POOL).count(), 0);
}

#[test]
fn updates_that_nobody_asked_for_are_not_heeded() {
    let mut world = with_pool(&[1]);
    world.resolved(&[2]);
    world.session(FailoverMode::Automatic);
    assert_eq!(world.wanted(), [1]);
}

#[test]
fn a_waiting_session_goes_on_as_soon_as_it_is_told_of_an_element() {
    let mut world = ScriptedUser::with(|config| config.updates = Updates::Asked);
    world.session(FailoverMode::Automatic);
    world.resolved_with(&[1], true);
    world.fails(1);
    assert!(world.wanted().is_empty());
    world.resolved_with(&[2], true);
    assert_eq!(world.wanted(), [2]);
}

#[test]
fn elements_that_send_a_user_away_are_not_asked_as_fast_as_the_network_allows() {
    let mut world = with_pool(&[1, 2]);
    world.session(FailoverMode::Automatic);
    for _ in 0..2 {
        let number = world.wanted()[0];
        let association = world.opens(number);
        world.closes(association, CloseReason::Shutdown);
    }
    assert!(world.wanted().is_empty());
    world.wait(Duration::from_millis(499));
    assert_eq!(world.requests(), 1);
    world.wait(Duration::from_millis(1));
    assert_eq!(world.requests(), 2);
    world.resolved(&[1]);
    let first = world.opens(1);
    world.closes(first, CloseReason::Shutdown);
    // The second time it waits twice as long.
    world.wait(Duration::from_millis(999));
    assert_eq!(world.requests(), 2);
    world.wait(Duration::from_millis(1));
    world.resolved(&[1]);
    let first = world.opens(1);
    // Who gets an answer goes on at once.
    world.input(Input::Message { association: first, protocol: OutgoingMessage::new(b"x").protocol, octets: b"yes" });
    world.closes(first, CloseReason::Lost);
    assert_eq!(world.requests(), 4);
}

#[test]
fn what_was_never_a_message_is_not_sent_again() {
    let mut world = with_pool(&[1, 2]);
    world.session(FailoverMode::Automatic);
    let first = world.opens(1);
    world.undelivered(first, "", Progress::Unsent);
    let control = OutgoingMessage { protocol: ASAP, ..OutgoingMessage::new(b"control") };
    world.input(Input::Undelivered { association: first, message: control, progress: Progress::Unsent });
    world.closes(first, LOST);
    let second = world.opens(2);
    assert!(world.sent.iter().all(|sent| sent.to != second));
}

#[test]
fn a_message_to_more_elements_than_there_is_room_for_at_a_time_reaches_all() {
    let mut world = with_pool(&[1, 2, 3, 4, 5, 6]);
    // The queue of actions is nearly full, and the adapter has not fetched any.
    let session = world.session(FailoverMode::Automatic);
    world.opens(1);
    for _ in 0..14 {
        world.user.send(session, OutgoingMessage::new(b"x")).unwrap();
    }
    let now = world.now;
    world.user.send_to_pool(now, POOL, Target::All, OutgoingMessage::new(b"all")).unwrap();
    world.act(|_, _| ());
    // Three find room for an association beside the session; the others are told of.
    let wanted = world.wanted();
    assert_eq!(wanted, [1, 2, 3]);
    for number in wanted {
        let association = world.opens(number);
        assert_eq!(world.texts(association), ["all"]);
    }
    assert_eq!(world.came_back(), [4, 5, 6].map(|element| CameBack { element: Some(element), ..unsent("all") }));
}

#[test]
fn an_association_that_there_is_no_room_to_ask_for_is_asked_for_later() {
    let mut world = with_pool(&[1, 2]);
    let session = world.session(FailoverMode::Automatic);
    world.opens(1);
    for _ in 0..16 {
        world.user.send(session, OutgoingMessage::new(b"x")).unwrap();
    }
    let now = world.now;
    let other = world.user.open_session(now, POOL).unwrap();
    world.user.send(other, OutgoingMessage::new(b"y")).unwrap();
    world.act(|_, _| ());
    assert!(world.wanted().is_empty());
    world.wait(Duration::from_secs(1));
    world.resolved(&[2]);
    let second = world.opens(2);
    assert_eq!(world.texts(second), ["y"]);
}

/// What is sent to an element waits for it, or does so no longer.
fn send_buffer(association: AssociationId, state: SendBuffer) -> Input<'static> {
    Input::SendBuffer { association, state }
}

#[test]
fn a_session_whose_element_takes_less_than_is_sent_takes_no_more_until_there_is_room_or_another_element() {
    let mut world = with_pool(&[1, 2]);
    let session = world.session(FailoverMode::Automatic);
    let first = world.opens(1);
    let say = |world: &mut ScriptedUser, text: &str| {
        world.act(|user, _| user.send(session, OutgoingMessage::new(text.as_bytes())))
    };
    world.input(send_buffer(first, SendBuffer::Full));
    assert_eq!(say(&mut world, "too early"), Err(SendError::Congested));
    world.input(send_buffer(first, SendBuffer::HasRoom));
    assert_eq!(world.events.all(event!(UserEvent::Ready { .. })), [UserEvent::Ready { session }]);
    assert_eq!(say(&mut world, "in time"), Ok(()));
    assert_eq!(world.texts(first), ["in time"]);

    world.input(send_buffer(first, SendBuffer::Full));
    world.closes(first, LOST);
    assert_eq!(say(&mut world, "for the next"), Ok(()));
    let second = world.opens(2);
    assert_eq!(say(&mut world, "and this"), Ok(()));
    assert_eq!(world.texts(second), ["for the next", "and this"]);
    assert_eq!(world.events.all(event!(UserEvent::Ready { .. })), [UserEvent::Ready { session }]);
}

#[test]
fn messages_to_a_pool_wait_for_an_element_that_takes_less_than_is_sent() {
    let mut world = with_pool(&[1]);
    world.say_to_pool(Target::Policy, "a");
    let first = world.opens(1);
    world.input(send_buffer(first, SendBuffer::Full));
    world.say_to_pool(Target::Policy, "b");
    world.say_to_pool(Target::Policy, "c");
    assert_eq!(world.texts(first), ["a"]);
    world.input(send_buffer(first, SendBuffer::HasRoom));
    assert_eq!(world.texts(first), ["a", "b", "c"]);
}

#[test]
fn a_message_does_not_overtake_those_that_still_wait_for_the_queue() {
    let mut world = with_pool(&[1]);
    let session = world.session(FailoverMode::Automatic);
    let numbers: Vec<String> = (0..16).map(|number| number.to_string()).collect();
    for number in &numbers {
        world.say(session, number);
    }
    // The element opens, and of the actions only some are fetched before the application goes on.
    let association = world.take_opening(1);
    let addresses = [host(1)];
    let peer = Endpoint { protocol: Protocol::Sctp, addresses: &addresses, port: 7000 };
    world.user.handle(world.now, Input::Opened { association, peer });
    let mut sent = Vec::new();
    for _ in 0..4 {
        if let Some(Action::Send { message, .. }) = world.user.poll_action() {
            sent.push(String::from_utf8_lossy(message.octets).into_owned());
        }
    }
    world.say(session, "last");
    sent.extend(world.texts(association));
    assert_eq!(sent, [&numbers[..], &["last".to_owned()]].concat());
}
