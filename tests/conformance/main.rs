//! What the RFCs say, rule by rule, in virtual time and without a network.

mod asap_registration;
mod asap_resolution;
mod enrp_peers;
mod enrp_startup;
mod enrp_takeover;
mod hunt;
mod network;
mod sessions;
mod wire_encoding;
mod wire_errors;
