//! The `rserpool` program.

mod args;
mod config;
mod cookies;
mod counter;
mod csp;
mod decode;
mod demo;
mod driver;
mod element;
mod endpoint;
mod exchange;
mod failure;
mod log;
mod node;
mod policy;
mod proxy;
mod registrar;
mod resolve;
mod settings;
mod show;
mod simulate;
mod table;
mod troubles;
mod user;

use std::process::ExitCode;

use crate::args::Command;

fn main() -> ExitCode {
    let args = config::parse();
    log::start(&args.log);
    let result = match args.command {
        Command::Demo(args) => demo::run(&args),
        Command::Registrar(args) => registrar::run(&args),
        Command::Element(args) => element::run(&args),
        Command::User(args) => user::run(&args),
        Command::Resolve(args) => resolve::run(&args),
        Command::Table(args) => table::run(&args),
        Command::Decode(args) => decode::run(&args),
        Command::Simulate(args) => simulate::run_seeds(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("rserpool: {failure}");
            failure.exit_code()
        }
    }
}
