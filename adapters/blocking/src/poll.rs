//! The one call of `polling` that cannot be checked by the compiler.

use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd};

use polling::{Event, Poller};

/// Adds a socket to a poller. The socket must not be dropped before the poller.
#[expect(unsafe_code, reason = "polling wants a promise that the socket outlives its registration")]
pub(crate) fn add(poller: &Poller, socket: BorrowedFd<'_>, event: Event) -> io::Result<()> {
    // SAFETY: the driver owns poller and sockets, never removes a socket, and drops the poller first.
    unsafe { poller.add(socket.as_raw_fd(), event) }
}
