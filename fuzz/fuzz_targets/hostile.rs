//! Two registrars, some elements and users, and in the place of a third registrar anything at all. While it is there the two
//! stay within their limits; once it is gone they find together again, with all elements and nothing else.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use rserpool_fuzz::messages::{AsapMessage, EnrpMessage};
use rserpool_simulator::{Hostility, How, NodeId, Scenario, run};

#[derive(Arbitrary, Debug)]
enum Say {
    Enrp(EnrpMessage),
    Asap(AsapMessage),
    Announcement(EnrpMessage),
    Octets(bool, Vec<u8>),
    Abort,
}

#[derive(Arbitrary, Debug)]
struct Input {
    seed: u8,
    namesakes: bool,
    announced: bool,
    says: Vec<(u16, u8, Say)>,
}

fuzz_target!(|input: Input| {
    let mut scenario = Scenario::calm(input.seed.into(), 3, 4, 1);
    scenario.faults_until_us = 100_000_000;
    if input.announced {
        scenario.discovery = rserpool_simulator::Discovery::Announced;
    }
    let mut at_us = 0;
    for (wait_ms, to, say) in input.says.into_iter().take(100) {
        // Waits of up to 6 s, most of them short.
        at_us += u64::from(wait_ms) * u64::from(wait_ms) / 700;
        let mut encoded = vec![0; 70_000];
        let length = match &say {
            Say::Enrp(message) | Say::Announcement(message) => {
                message.with(|message| message.encode(&mut encoded).unwrap_or(0))
            }
            Say::Asap(message) => message.with(|message| message.encode(&mut encoded).unwrap_or(0)),
            Say::Octets(_, octets) => {
                encoded.clone_from(octets);
                octets.len()
            }
            Say::Abort => 0,
        };
        encoded.truncate(length);
        let how = match say {
            Say::Enrp(_) | Say::Octets(false, _) => How::Enrp,
            Say::Asap(_) | Say::Octets(true, _) => How::Asap,
            Say::Announcement(_) => How::Announcement,
            Say::Abort => How::Abort,
        };
        if (encoded.is_empty() && how != How::Abort) || at_us >= scenario.faults_until_us {
            continue;
        }
        scenario.hostile.push(Hostility { at_us, to: NodeId(usize::from(to % 3)), how, octets: encoded });
    }
    if input.namesakes {
        scenario.namesakes = 2;
    }
    let report = run(&scenario);
    assert!(report.violations.is_empty(), "{:#?}\n{:#?}", report.violations, scenario.hostile);
});
