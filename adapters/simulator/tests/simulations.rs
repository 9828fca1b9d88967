//! Clusters that have to stay, or become, as they should.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use rserpool::CloseReason;
use rserpool_simulator::{
    Discovery, Fault, FaultKind, Happening, Hostility, How, NodeId, Report, Scenario, run, run_with_trace, shrink,
};

const SECOND: u64 = 1_000_000;

#[track_caller]
fn sound(scenario: &Scenario) -> Report {
    let report = run(scenario);
    assert!(report.violations.is_empty(), "seed {}: {:#?}", scenario.seed, report.violations);
    report
}

#[test]
fn a_calm_cluster_answers_every_request() {
    let report = sound(&Scenario::calm(1, 3, 20, 5));
    // One request every five seconds and each user, the last one maybe still on its way.
    assert!(report.requests >= 5 * 85, "{report:?}");
    assert!(report.requests - report.answered <= 5, "{report:?}");
}

#[test]
fn the_same_scenario_gives_the_same_trace() {
    for seed in 0..5 {
        let scenario = Scenario::random(seed);
        let (one, other) = (run_with_trace(&scenario), run_with_trace(&scenario));
        assert_eq!(one.trace, other.trace);
        assert_eq!(one.digest, run(&scenario).digest);
    }
    assert_ne!(run(&Scenario::random(1)).digest, run(&Scenario::random(2)).digest);
}

#[test]
fn any_faults_leave_a_cluster_that_finds_together_again() {
    for seed in 0..30 {
        sound(&Scenario::random(seed));
    }
}

#[test]
fn all_registrars_may_die_and_come_back_with_empty_tables() {
    let mut scenario = Scenario::calm(3, 3, 10, 3);
    for registrar in 0..3 {
        let at_us = (30 + registrar as u64) * SECOND;
        scenario.faults.push(Fault { at_us, kind: FaultKind::Crash(NodeId(registrar)) });
        let kind = FaultKind::RestartAnew(NodeId(registrar));
        scenario.faults.push(Fault { at_us: at_us + 20 * SECOND, kind });
    }
    sound(&scenario);
}

#[test]
fn the_last_registrar_standing_keeps_the_pools() {
    let mut scenario = Scenario::calm(4, 5, 20, 5);
    for registrar in 0..4 {
        let at_us = (20 + registrar as u64) * SECOND;
        scenario.faults.push(Fault { at_us, kind: FaultKind::Crash(NodeId(registrar)) });
    }
    sound(&scenario);
}

#[test]
fn registrars_with_the_same_identifier_part() {
    for (seed, discovery) in [(1, Discovery::Configured), (2, Discovery::Announced), (3, Discovery::Configured)] {
        let mut scenario = Scenario::calm(seed, 4, 20, 2);
        (scenario.namesakes, scenario.discovery) = (3, discovery);
        sound(&scenario);
    }
}

#[test]
fn registrars_with_thousands_of_elements_take_each_other_over_step_by_step() {
    // They do not hear each other, but the elements hear both.
    let mut scenario = Scenario::calm(1, 2, 6_000, 0);
    for (from, to) in [(0, 1), (1, 0)] {
        scenario.faults.push(Fault { at_us: 60 * SECOND, kind: FaultKind::Cut(NodeId(from), NodeId(to)) });
    }
    sound(&scenario);
}

#[test]
fn a_dead_registrar_is_taken_over_by_one_other_even_if_all_miss_it_at_the_same_time() {
    for seed in 0..10 {
        let mut scenario = Scenario::calm(seed, 6, 30, 0);
        scenario.faults_until_us = 600 * SECOND;
        scenario.faults.push(Fault { at_us: 500 * SECOND, kind: FaultKind::Crash(NodeId(0)) });
        sound(&scenario);
    }
}

#[test]
fn slow_links_and_small_buffers_cost_associations_but_no_elements() {
    let mut scenario = Scenario::calm(2, 3, 60, 5);
    scenario.buffer = 1_000;
    for (a, b) in [(0, 1), (1, 0), (2, 0)] {
        scenario.faults.push(Fault { at_us: 30 * SECOND, kind: FaultKind::Slow(NodeId(a), NodeId(b)) });
    }
    for element in 3..63 {
        let at_us = 40 * SECOND;
        scenario.faults.push(Fault { at_us, kind: FaultKind::Load(NodeId(element), 1 << 20) });
    }
    scenario.faults.sort_by_key(|fault| fault.at_us);
    let report = run_with_trace(&scenario);
    assert_eq!(report.violations, [] as [String; 0]);
    let lost =
        report.trace.iter().filter(|entry| matches!(entry.what, Happening::Closed(_, CloseReason::Lost))).count();
    assert!(lost > 0, "the buffers were never full");
}

#[test]
fn an_element_that_hangs_or_leaves_in_a_calm_cluster_is_soon_listed_nowhere() {
    let mut scenario = Scenario::calm(3, 3, 20, 5);
    scenario.faults_until_us = 700 * SECOND;
    for (element, kind) in [(5, FaultKind::Hang(NodeId(5))), (9, FaultKind::Deregister(NodeId(9)))] {
        scenario.faults.push(Fault { at_us: (500 + element) * SECOND, kind });
    }
    sound(&scenario);
}

#[test]
fn five_registrars_with_a_thousand_elements_send_what_their_timers_imply() {
    let scenario = Scenario::calm(5, 5, 1_000, 10);
    let report = sound(&scenario);
    let seconds = report.virtual_us / SECOND;
    let sent: u64 = report.sent[..5].iter().sum();
    // 20 presences every 30 s; a keep-alive for each element every 30 s, and its registration, told to all, every 280 s.
    let a_second = 20.0 / 30.0 + 1_000.0 / 30.0 + 1_000.0 * 5.0 / 280.0;
    // The beginning costs a registration of all.
    let implied = (seconds as f64 * a_second) as u64 + 5_000;
    assert!((implied * 8 / 10..implied * 12 / 10).contains(&sent), "{sent} messages, {implied} are implied");
}

#[test]
fn a_hostile_registrar_is_survived() {
    let mut scenario = Scenario::calm(7, 3, 10, 3);
    let target = |id: u32| {
        // ENRP_TAKEOVER_SERVER from 0x01000003, for `id`.
        let mut octets = vec![9, 0, 0, 16, 1, 0, 0, 3, 0, 0, 0, 0];
        octets.extend(id.to_be_bytes());
        octets
    };
    for second in 20..60 {
        let to = NodeId(second as usize % 2);
        let octets = match second % 4 {
            0 => target(0x0100_0001),
            1 => target(0x0100_0002),
            2 => b"no ENRP at all".to_vec(),
            // ENRP_LIST_REQUEST under the identifier of the one that it is sent to.
            _ => vec![5, 0, 0, 12, 1, 0, 0, to.0 as u8 + 1, 0, 0, 0, 0],
        };
        scenario.hostile.push(Hostility { at_us: second * SECOND, to, how: How::Enrp, octets });
    }
    sound(&scenario);
}

/// What went wrong once, as small as it could be made.
mod once {
    use super::*;

    /// Two registrars were both taken over by others, though they lived. An association between them was left that neither
    /// used.
    #[test]
    fn two_registrars_forgot_each_other() {
        let mut scenario = Scenario::calm(1270, 8, 7, 3);
        scenario.delay_us = 200..5000;
        scenario.loss_ppm = 25;
        scenario.faults_until_us = 373000000;
        for (from, to) in [(0, 7), (3, 1), (3, 2), (3, 6), (5, 7)] {
            scenario.faults.push(Fault { at_us: 347926580, kind: FaultKind::Cut(NodeId(from), NodeId(to)) });
        }
        sound(&scenario);
    }

    /// A registrar had changed its identifier, and one of two associations with a peer went on to be that of its namesake.
    #[test]
    fn a_peer_spoke_to_a_namesake_on_an_association_that_was_anothers() {
        let mut scenario = Scenario::calm(9165, 7, 180, 25);
        scenario.discovery = Discovery::Announced;
        scenario.delay_us = 200..5000;
        scenario.loss_ppm = 14482;
        scenario.namesakes = 3;
        scenario.faults_until_us = 0;
        sound(&scenario);
    }

    /// All namesakes had changed their identifiers; the old one, that nobody had any more, was taken over, and with it an
    /// association went.
    #[test]
    fn an_identifier_that_nobody_had_any_more_took_an_association_with_it() {
        let mut scenario = Scenario::calm(29089, 6, 17, 1);
        scenario.discovery = Discovery::Announced;
        scenario.delay_us = 200..5000;
        scenario.namesakes = 3;
        scenario.faults_until_us = 257000000;
        scenario.faults.push(Fault { at_us: 20109845, kind: FaultKind::Deregister(NodeId(12)) });
        sound(&scenario);
    }

    /// A registrar came back under an identifier that a namesake had had before it.
    #[test]
    fn a_registrar_came_back_under_the_identifier_that_its_namesake_had_given_up() {
        let mut scenario = Scenario::calm(57385, 7, 18, 2);
        scenario.delay_us = 200..5000;
        scenario.loss_ppm = 17526;
        scenario.namesakes = 3;
        scenario.faults_until_us = 9502535;
        scenario.faults.push(Fault { at_us: 5433805, kind: FaultKind::Crash(NodeId(2)) });
        scenario.faults.push(Fault { at_us: 9502534, kind: FaultKind::Restart(NodeId(2)) });
        sound(&scenario);
    }

    /// A registrar that changed its identifier called an element back that had another home, and let it expire.
    #[test]
    fn an_element_was_called_back_and_expired() {
        let mut scenario = Scenario::calm(70680, 4, 16, 0);
        scenario.delay_us = 200..5000;
        scenario.loss_ppm = 33987;
        scenario.namesakes = 3;
        scenario.faults_until_us = 185000000;
        for (from, to) in [(2, 18), (2, 19), (3, 0), (3, 2)] {
            scenario.faults.push(Fault { at_us: 105113945, kind: FaultKind::Cut(NodeId(from), NodeId(to)) });
        }
        scenario.faults.push(Fault { at_us: 175504867, kind: FaultKind::Load(NodeId(18), 613261822) });
        scenario.faults.push(Fault { at_us: 177776750, kind: FaultKind::Crash(NodeId(1)) });
        scenario.faults.push(Fault { at_us: 185000000, kind: FaultKind::Restart(NodeId(1)) });
        sound(&scenario);
    }

    /// An element whose home had died registered with one registrar while another took it over. Each took the other for
    /// its home, and none was left.
    #[test]
    fn an_element_that_registered_with_two_at_once_was_lost() {
        let mut scenario = Scenario::calm(1, 10, 2_000, 0);
        scenario.faults_until_us = 60 * SECOND + 1;
        for registrar in [0, 1] {
            scenario.faults.push(Fault { at_us: 60 * SECOND, kind: FaultKind::Crash(NodeId(registrar)) });
        }
        sound(&scenario);
    }
}

#[test]
fn a_scenario_that_goes_wrong_is_made_smaller_and_written_as_a_test() {
    // Nobody has time to find together again after this one.
    let mut scenario = Scenario::calm(9, 4, 12, 4);
    for (at, node) in [(20, 5), (40, 7), (60, 2), (119, 0)] {
        scenario.faults.push(Fault { at_us: at * SECOND, kind: FaultKind::Crash(NodeId(node)) });
    }
    scenario.quiet_us = SECOND / 10;
    assert!(!run(&scenario).violations.is_empty());
    let smallest = shrink(&scenario);
    assert!(!run(&smallest).violations.is_empty());
    assert!(smallest.faults.len() <= 1 && smallest.registrars <= 2, "{smallest:?}");
    let test = smallest.as_test();
    assert!(test.starts_with("#[test]\nfn scenario_9() {"), "{test}");
    assert!(test.contains("Scenario::calm(9, "), "{test}");
}

#[test]
fn a_scenario_that_goes_well_is_left_alone() {
    let scenario = Scenario::calm(1, 2, 2, 1);
    assert_eq!(shrink(&scenario), scenario);
}

#[test]
fn an_element_that_comes_back_under_another_identifier_may_get_a_message_to_all_for_each_of_them() {
    let mut scenario = Scenario::calm(42919, 3, 5, 3);
    scenario.discovery = Discovery::Announced;
    scenario.delay_us = 20_000..150_000;
    scenario.loss_ppm = 70_000;
    scenario.faults_until_us = 200 * SECOND;
    scenario.faults.push(Fault { at_us: 0, kind: FaultKind::Crash(NodeId(0)) });
    scenario.faults.push(Fault { at_us: 12_199_000, kind: FaultKind::RestartAnew(NodeId(7)) });
    for restart in 0..12 {
        if restart == 3 {
            scenario.faults.push(Fault { at_us: 128_757_000, kind: FaultKind::Crash(NodeId(7)) });
        }
        scenario.faults.push(Fault { at_us: 128_757_000, kind: FaultKind::RestartAnew(NodeId(7)) });
    }
    assert_eq!(run(&scenario).violations, [] as [String; 0]);
}
