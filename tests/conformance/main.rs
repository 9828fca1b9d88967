//! What the RFCs say, rule by rule, in virtual time and without a network.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod announcements;
mod asap_guard;
mod asap_registration;
mod asap_resolution;
mod asap_updates;
mod business_cards;
mod cookies;
mod defaults;
mod element_attempts;
mod element_config;
mod element_duties;
mod element_homes;
mod element_presence;
mod element_registration;
mod element_resolution;
mod enrp_arbitration;
mod enrp_audit;
mod enrp_identity;
mod enrp_mentor;
mod enrp_peers;
mod enrp_startup;
mod enrp_suggestions;
mod enrp_takeover;
mod enrp_words;
mod events;
mod hunt;
mod hunt_pace;
mod network;
mod no_registrar;
mod pool_policy;
mod profile;
mod registrar_shutdown;
mod registrar_stall;
mod registrar_words;
mod registration_warnings;
mod scripted;
mod scripted_element;
mod scripted_user;
mod sends;
mod sessions;
mod sizes;
mod tables;
mod trust;
mod user_reports;
mod user_resolution;
mod user_transports;
mod user_words;
mod wire_encoding;
mod wire_errors;
mod wire_figures;
