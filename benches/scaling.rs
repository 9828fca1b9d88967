//! What an operation costs as the elements of a pool grow from 1,000 to 1,000,000, drawn as `docs/scaling.svg`.
//!
//! `cargo bench --bench scaling`; `-- --quick` stops at 100,000 elements and draws to the target directory.

#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    reason = "a benchmark"
)]

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::Instant;

use plotters::prelude::*;
use rserpool::handlespace::{Handlespace, HandlespaceLimits};
use rserpool::wire::{
    PeIdentifier, Policy, PolicyType, PoolElement, PoolHandle, RegistrationLife, ServerIdentifier, Transport,
    TransportUse, Unknown,
};

const POOL: PoolHandle<'static> = PoolHandle::new(b"pool");
const OPERATIONS: [&str; 4] = ["register", "resolve, 3 items", "register again", "deregister"];
const POLICIES: [(PolicyType, RGBColor); 4] = [
    (PolicyType::ROUND_ROBIN, RGBColor(0x1b, 0x7f, 0x4d)),
    (PolicyType::WEIGHTED_ROUND_ROBIN, RGBColor(0x2b, 0x5f, 0xb4)),
    (PolicyType::WEIGHTED_RANDOM, RGBColor(0xb8, 0x5c, 0x00)),
    (PolicyType::LEAST_USED, RGBColor(0x9c, 0x27, 0x6d)),
];

/// xorshift.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

fn policy(policy_type: PolicyType, numbers: &mut Numbers) -> Policy<'static> {
    let value = numbers.next() as u32;
    match policy_type {
        PolicyType::WEIGHTED_ROUND_ROBIN => Policy::WeightedRoundRobin { weight: 1 + value % 10 },
        PolicyType::WEIGHTED_RANDOM => Policy::WeightedRandom { weight: 1 + value % 10 },
        PolicyType::LEAST_USED => Policy::LeastUsed { load: value },
        _ => Policy::RoundRobin,
    }
}

/// Nanoseconds an operation, for each of [`OPERATIONS`].
fn measure(policy_type: PolicyType, elements: u32) -> [f64; 4] {
    let mut numbers = Numbers(88_172_645_463_325_252);
    let mut space = Handlespace::new(HandlespaceLimits::default(), 1);
    let mut identifiers: Vec<u32> = (0..elements).map(|number| number.wrapping_mul(0x9e37_79b1)).collect();
    let shuffle = |identifiers: &mut [u32], numbers: &mut Numbers| {
        for last in (1..identifiers.len()).rev() {
            identifiers.swap(last, (numbers.next() % (last as u64 + 1)) as usize);
        }
    };
    let register = |space: &mut Handlespace, identifier: u32, numbers: &mut Numbers| {
        let address = [IpAddr::V4(Ipv4Addr::from(identifier))];
        let element = PoolElement {
            identifier: PeIdentifier(identifier),
            home: ServerIdentifier(1),
            life: RegistrationLife(300),
            user_transport: Transport::sctp(7, TransportUse::DataOnly, &address),
            policy: policy(policy_type, numbers),
            asap_transport: Some(Transport::sctp(3863, TransportUse::DataOnly, &address)),
            unknown: Unknown::NONE,
        };
        space.register(POOL, &element).expect("there is room");
    };
    let each = |start: Instant, count: u32| start.elapsed().as_secs_f64() * 1e9 / f64::from(count);
    shuffle(&mut identifiers, &mut numbers);
    let start = Instant::now();
    for identifier in &identifiers {
        register(&mut space, *identifier, &mut numbers);
    }
    let new = each(start, elements);
    let resolutions = 200_000;
    let start = Instant::now();
    for _ in 0..resolutions {
        black_box(space.resolve(POOL, 3).expect("the pool is there").elements().last());
    }
    let resolve = each(start, resolutions);
    shuffle(&mut identifiers, &mut numbers);
    let start = Instant::now();
    for identifier in &identifiers {
        register(&mut space, *identifier, &mut numbers);
    }
    let again = each(start, elements);
    shuffle(&mut identifiers, &mut numbers);
    let start = Instant::now();
    for identifier in &identifiers {
        let index = space.find(POOL, PeIdentifier(*identifier)).expect("it is there");
        space.remove(index);
    }
    [new, resolve, again, each(start, elements)]
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (powers, file) =
        if quick { (6..=10, root.join("target/scaling.svg")) } else { (6..=15, root.join("docs/scaling.svg")) };
    let sizes: Vec<u32> = powers
        .map(|power| if power == 6 { 1_000 } else { 1_000 * (1 << (power - 6)) })
        .chain(if quick { None } else { Some(1_000_000) })
        .collect();
    let most = f64::from(*sizes.last().expect("there are some"));
    let measured = POLICIES.map(|(policy_type, _)| {
        let figures: Vec<[f64; 4]> = sizes.iter().map(|size| measure(policy_type, *size)).collect();
        for (size, figures) in sizes.iter().zip(&figures) {
            println!(
                "{:22} {size:>8} {:>7.0} {:>7.0} {:>7.0} {:>7.0} ns",
                policy_type.name(),
                figures[0],
                figures[1],
                figures[2],
                figures[3]
            );
        }
        figures
    });
    let highest = measured.iter().flatten().flatten().fold(0.0f64, |a, b| a.max(*b)) * 1.05;
    let area = SVGBackend::new(&file, (960, 720)).into_drawing_area();
    area.fill(&WHITE)?;
    for (operation, (name, panel)) in OPERATIONS.iter().zip(area.split_evenly((2, 2))).enumerate() {
        let mut chart = ChartBuilder::on(&panel)
            .caption(format!("{name}: nanoseconds"), ("sans-serif", 18))
            .margin(12)
            .x_label_area_size(34)
            .y_label_area_size(48)
            .build_cartesian_2d((1_000.0..most).log_scale(), 0.0..highest)?;
        chart.configure_mesh().x_desc("elements of the pool").light_line_style(WHITE).draw()?;
        for ((policy_type, colour), figures) in POLICIES.iter().zip(&measured) {
            let points: Vec<(f64, f64)> =
                sizes.iter().zip(figures).map(|(size, figures)| (f64::from(*size), figures[operation])).collect();
            chart
                .draw_series(LineSeries::new(points, colour.stroke_width(2)))?
                .label(policy_type.name())
                .legend(|(x, y)| PathElement::new([(x, y), (x + 16, y)], colour.stroke_width(2)));
        }
        if operation == 0 {
            chart.configure_series_labels().position(SeriesLabelPosition::UpperLeft).background_style(WHITE).draw()?;
        }
    }
    area.present()?;
    println!("{}", file.display());
    Ok(())
}
