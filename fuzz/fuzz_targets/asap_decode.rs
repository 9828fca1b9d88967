//! Any octets as an ASAP message.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| rserpool_fuzz::check_decode!(asap, octets));
