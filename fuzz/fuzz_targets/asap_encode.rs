//! Any well-formed ASAP message.
#![no_main]

libfuzzer_sys::fuzz_target!(|message: rserpool_fuzz::messages::AsapMessage| rserpool_fuzz::check_encode!(
    asap, message
));
