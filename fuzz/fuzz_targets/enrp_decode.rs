//! Any octets as an ENRP message.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| rserpool_fuzz::check_decode!(enrp, octets));
