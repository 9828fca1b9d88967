//! A new configuration for a registrar that runs.

use super::peers::ConfiguredPeer;
use super::startup::Phase;
use super::{Registrar, RegistrarConfig};
use crate::handlespace::HandlespaceLimits;
use crate::time::Instant;

/// An element that is taken has to fit into a message to the peers.
pub(super) fn handlespace_limits(config: &RegistrarConfig) -> HandlespaceLimits {
    let limits = config.limits.handlespace;
    HandlespaceLimits { pool_handle: limits.pool_handle.min(16_384), element: limits.element.min(32_768), ..limits }
}

impl Registrar {
    /// Takes the timers, thresholds, limits, address check and peers of another configuration. Its identifier, seed,
    /// endpoints, announcements and profile do not count: they stay as they are, and so do timers that run.
    ///
    /// Peers that are new are spoken to at once; others are peers as long as they live. What is already there beyond a limit
    /// stays, too.
    pub fn reconfigure(&mut self, now: Instant, config: RegistrarConfig) {
        let before = &self.config;
        self.config = RegistrarConfig {
            identifier: before.identifier,
            seed: before.seed,
            enrp: before.enrp.clone(),
            asap: before.asap.clone(),
            announcements: before.announcements,
            profile: before.profile,
            ..config
        };
        self.handlespace.set_limits(handlespace_limits(&self.config));
        let peers = &self.config.peers;
        self.configured.retain(|known| peers.contains(&known.endpoint));
        for peer in peers {
            if !self.configured.iter().any(|known| known.endpoint == *peer) {
                self.configured.push(ConfiguredPeer::new(peer.clone()));
            }
        }
        if self.phase == Phase::Serving {
            self.reconnect(now);
        }
    }
}
