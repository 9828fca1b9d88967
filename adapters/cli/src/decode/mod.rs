//! `rserpool decode`: the ASAP and ENRP messages of a capture.

pub(crate) mod json;

use std::fs::File;
use std::io::{self, Write};

use rserpool::wire::{PayloadProtocol, asap, enrp, padded};
use rserpool_capture::UserMessage;
use serde_json::{Map, Value};

use crate::args::DecodeArgs;
use crate::failure::Failure;

pub(crate) fn run(args: &DecodeArgs) -> Result<(), Failure> {
    let name = args.file.display();
    let messages = if args.file.as_os_str() == "-" {
        rserpool_capture::read(io::stdin().lock())
    } else {
        rserpool_capture::read(File::open(&args.file).map_err(|error| Failure::Failed(format!("{name}: {error}")))?)
    };
    let messages = messages.map_err(|error| Failure::Failed(format!("{name}: {error}")))?;
    let mut output = io::BufWriter::new(io::stdout().lock());
    for message in &messages {
        let Some(object) = describe(message) else { continue };
        let written = if args.json { writeln!(output, "{object}") } else { writeln!(output, "{}", line(&object)) };
        match written {
            Ok(()) => {}
            // Whoever read has enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
    output.flush()?;
    Ok(())
}

/// The object for a message; `None` if it is neither ASAP nor ENRP.
fn describe(message: &UserMessage) -> Option<Value> {
    let octets = message.octets.as_slice();
    let (protocol, name): (_, fn(u8) -> Option<&'static str>) = match PayloadProtocol(message.protocol) {
        PayloadProtocol::ASAP => ("asap", asap::message_name),
        PayloadProtocol::ENRP => ("enrp", enrp::message_name),
        _ => return None,
    };
    let message_type = octets.first().copied();
    let length = octets.get(2..).and_then(|field| field.first_chunk()).map(|field| u16::from_be_bytes(*field));
    let mut object = Map::new();
    object.insert("frame".into(), message.frame.into());
    object.insert("offset".into(), message.offset.into());
    object.insert("protocol".into(), protocol.into());
    object.insert("type".into(), message_type.into());
    object.insert("name".into(), message_type.and_then(name).into());
    object.insert("flags".into(), octets.get(1).copied().into());
    object.insert("length".into(), length.into());
    if message.is_retransmission {
        object.insert("retransmission".into(), true.into());
    }
    let (decoded, encoded) = if protocol == "asap" {
        match asap::Message::decode(octets) {
            Ok(decoded) => (Ok(json::asap(&decoded.message)), encode(|buffer| decoded.message.encode(buffer), octets)),
            Err(error) => (Err(error), None),
        }
    } else {
        match enrp::Message::decode(octets) {
            Ok(decoded) => (Ok(json::enrp(&decoded.message)), encode(|buffer| decoded.message.encode(buffer), octets)),
            Err(error) => (Err(error), None),
        }
    };
    match decoded {
        Ok(fields) => {
            object.insert("roundtrip".into(), encoded.is_some_and(|encoded| same(&encoded, octets)).into());
            object.extend(fields);
        }
        Err(error) => {
            object.insert("error".into(), error.to_string().into());
        }
    }
    Some(Value::Object(object))
}

fn encode<E>(write: impl FnOnce(&mut [u8]) -> Result<usize, E>, like: &[u8]) -> Option<Vec<u8>> {
    let mut buffer = vec![0; padded(like.len()) + 64];
    let length = write(&mut buffer).ok()?;
    buffer.truncate(length);
    Some(buffer)
}

/// Whether the octets are the same. The padding behind a message may be missing in the capture.
fn same(encoded: &[u8], captured: &[u8]) -> bool {
    encoded.starts_with(captured) && encoded.len() == padded(captured.len())
}

/// A message on one line, for people.
fn line(object: &Value) -> String {
    let text = |name: &str| match object.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
        None => String::new(),
    };
    let frame = text("frame");
    let mark = if object.get("retransmission").is_some() { "  (retransmission)" } else { "" };
    let name = text("name") + mark;
    match object.get("error") {
        Some(error) => format!("{frame:>6}  {name}  cannot be decoded: {error}"),
        None => {
            let skip =
                ["frame", "offset", "protocol", "type", "name", "flags", "length", "retransmission", "roundtrip"];
            let fields = object.as_object().into_iter().flatten().filter(|(name, _)| !skip.contains(&name.as_str()));
            let fields: Vec<_> = fields.map(|(name, value)| format!("{name}={value}")).collect();
            format!("{frame:>6}  {name}  {}", fields.join("  "))
        }
    }
}
