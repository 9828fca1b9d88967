//! Runs the contract's scenarios: all of them, or some by name.
//!
//! ```text
//! cargo run -p rserpool-contract --example contract -- --adapter tokio
//! ```

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Parser, Subcommand};
use rserpool_contract::face::Adapter;
use rserpool_contract::scenarios::{self, ALL};
use rserpool_contract::world::{Outcome, Over, World};

/// How long an element waits to be killed.
const LIMIT: Duration = Duration::from_secs(120);

#[derive(Parser)]
#[command(about = "What every adapter has to do over every transport")]
struct Args {
    /// Which adapter
    #[arg(long, value_enum, default_value_t = Adapter::Blocking)]
    adapter: Adapter,
    /// Over what
    #[arg(long, value_enum, default_value_t = Over::SctpOverUdp)]
    transport: Over,
    /// Only scenarios with this in their names
    #[arg(long, default_value = "")]
    only: String,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// An element that sends back what comes, to be killed
    Element {
        /// Its number
        number: u8,
        /// The first three octets of all addresses
        network: String,
        /// The registrars' numbers
        registrars: Vec<u8>,
    },
}

fn element(args: &Args, number: u8, network: &str, registrars: &[u8]) -> Outcome {
    let mut octets = network.split('.').map(str::parse);
    let mut next = || octets.next().ok_or("three octets, please");
    let network = [next()??, next()??, next()??];
    let world = World::of(args.adapter, args.transport, network)?;
    let _element = world.echo(number, registrars)?;
    println!("registered");
    std::thread::sleep(LIMIT);
    Ok(())
}

fn run(args: &Args) -> Outcome<usize> {
    if let Some(Command::Element { number, network, registrars }) = &args.command {
        element(args, *number, network, registrars)?;
        return Ok(0);
    }
    let mut failed = 0;
    for (name, scenario) in ALL.iter().filter(|(name, _)| name.contains(&args.only)) {
        let world = World::new(args.adapter, args.transport, std::env::current_exe()?)?;
        let start = Instant::now();
        let outcome = scenarios::run(*scenario, world);
        let milliseconds = start.elapsed().as_millis();
        match outcome {
            Ok(()) => println!("ok      {name} ({milliseconds} ms)"),
            Err(error) => {
                println!("FAILED  {name} ({milliseconds} ms): {error}");
                failed += 1;
            }
        }
    }
    Ok(failed)
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
