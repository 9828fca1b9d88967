//! Writes each different message of a protocol in captures into a file of its own: seeds for fuzzing.
//!
//! `cargo run -p rserpool-capture --example extract -- PAYLOAD-PROTOCOL DIRECTORY CAPTURE…`

use std::collections::BTreeSet;
use std::error::Error;
use std::fs::{self, File};
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: extract PAYLOAD-PROTOCOL DIRECTORY CAPTURE…";
    let protocol: u32 = arguments.next().ok_or(usage)?.parse()?;
    let directory = PathBuf::from(arguments.next().ok_or(usage)?);
    fs::create_dir_all(&directory)?;
    let mut messages = BTreeSet::new();
    for capture in arguments {
        let all = rserpool_capture::read(File::open(capture)?)?;
        messages.extend(all.into_iter().filter(|message| message.protocol == protocol).map(|message| message.octets));
    }
    for (number, message) in messages.iter().enumerate() {
        fs::write(directory.join(format!("seed-{number:03}")), message)?;
    }
    println!("{} messages in {}", messages.len(), directory.display());
    Ok(())
}
