//! Gives a role the thread in which it runs: an application that is busy does not keep it from answering keep-alives.

use std::io;
use std::sync::mpsc::{SyncSender, sync_channel};

use rserpool_sessions::{Role, STACK};

use crate::driver::Driver;

/// Starts a role, and returns as soon as its addresses are bound.
pub(crate) fn start<R: Role>(role: R) -> io::Result<R::Handle> {
    let (sender, started) = sync_channel(1);
    let thread = std::thread::Builder::new().name(R::NAME.into()).stack_size(STACK);
    thread.spawn(move || run(role, &sender))?;
    started.recv().unwrap_or_else(|_| Err(io::Error::other("the thread has ended")))
}

fn run<R: Role>(role: R, started: &SyncSender<io::Result<R::Handle>>) {
    let limit = role.shutdown_time();
    let (mut driver, mut application) = match prepare(role) {
        Ok((driver, handle, application)) => {
            let _ = started.send(Ok(handle));
            (driver, application)
        }
        Err(error) => {
            let _ = started.send(Err(error));
            return;
        }
    };
    if let Err(error) = driver.run(&mut application).and_then(|()| driver.finish(limit)) {
        tracing::error!(%error, "a {} has ended", R::NAME);
    }
    // Who waits for the end learns of it when the application is dropped; the addresses are free then.
    drop(driver);
    drop(application);
}

type Prepared<R> = (Driver<<R as Role>::Machine>, <R as Role>::Handle, <R as Role>::Application);

fn prepare<R: Role>(role: R) -> io::Result<Prepared<R>> {
    let mut driver = Driver::new(role.machine()?, role.options())?;
    let now = driver.now();
    let (handle, application) = role.start(now, driver.host())?;
    Ok((driver, handle, application))
}
