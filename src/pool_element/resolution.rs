//! What an element asks its home registrar: who else is in its pool, or in another (RFC 5352 §3.3). An element that is a
//! user as well resolves here, over the association on which it has registered.

use core::fmt;

use heapless::Vec;

use super::{PoolElement, Record};
use crate::client::send;
use crate::client::sizes::PoolHandleBuf;
use crate::machine::AssociationId;
use crate::pool_user::ResolutionFailure;
use crate::time::Instant;
use crate::wire::PoolHandle;
use crate::wire::asap::{Body, HandleResolution, HandleResolutionResponse};

/// A request that has no answer yet.
#[derive(Clone, Debug)]
pub(super) struct Query {
    pool_handle: PoolHandleBuf,
    pub(super) t1: Instant,
}

/// Why a pool cannot be resolved now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResolveError {
    /// The element has no home registrar at the moment.
    NoHome,
    /// The answer to another request has not come yet.
    Busy,
    /// The pool handle is longer than [`MAX_POOL_HANDLE`](super::MAX_POOL_HANDLE).
    PoolHandleTooLong,
}

impl fmt::Display for ResolveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoHome => "there is no home registrar",
            Self::Busy => "another pool is being resolved",
            Self::PoolHandleTooLong => "the pool handle is too long",
        })
    }
}

impl core::error::Error for ResolveError {}

impl<const SESSIONS: usize, const OCTETS: usize> PoolElement<SESSIONS, OCTETS> {
    /// Asks the home registrar for the elements of a pool. The answer comes as
    /// [`ElementEvent::Resolved`](super::ElementEvent::Resolved) or
    /// [`ElementEvent::ResolutionFailed`](super::ElementEvent::ResolutionFailed).
    ///
    /// # Errors
    ///
    /// It is not asked.
    pub fn resolve(&mut self, now: Instant, pool_handle: PoolHandle<'_>) -> Result<(), ResolveError> {
        let home = self.home_association().ok_or(ResolveError::NoHome)?;
        if self.query.is_some() {
            return Err(ResolveError::Busy);
        }
        let octets = Vec::from_slice(pool_handle.octets()).map_err(|_| ResolveError::PoolHandleTooLong)?;
        self.query = Some(Query { pool_handle: octets, t1: now + self.config.t1_enrp_request });
        let request = HandleResolution { pool_handle, send_updates: false, items: None };
        // Without room for it T1 expires.
        let _ = send(&mut self.outbox, home, &Body::HandleResolution(request).into());
        Ok(())
    }

    pub(super) fn resolution_response(
        &mut self,
        association: AssociationId,
        octets: &[u8],
        response: &HandleResolutionResponse<'_>,
    ) {
        let is_its = |query: &mut Query| PoolHandle::new(&query.pool_handle) == response.pool_handle;
        if self.home_association() != Some(association) || self.query.take_if(is_its).is_none() {
            return;
        }
        match response.error {
            None => _ = self.outbox.push_octets(Record::Resolved, octets),
            Some(causes) => {
                let failure = ResolutionFailure::Rejected(causes.first().map(|cause| cause.code));
                let _ = self.outbox.push_octets(Record::ResolutionFailed(failure), response.pool_handle.octets());
            }
        }
    }

    /// The answer has not come in time, or will not come any more.
    pub(super) fn resolution_failed(&mut self) {
        if let Some(query) = self.query.take() {
            let failure = ResolutionFailure::NoAnswer;
            let _ = self.outbox.push_octets(Record::ResolutionFailed(failure), &query.pool_handle);
        }
    }
}
