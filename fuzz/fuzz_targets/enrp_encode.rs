//! Any well-formed ENRP message.
#![no_main]

libfuzzer_sys::fuzz_target!(|message: rserpool_fuzz::messages::EnrpMessage| rserpool_fuzz::check_encode!(
    enrp, message
));
