//! Gives a role the thread and the runtime in which it runs: a stalled task of the application does not keep it from answering
//! keep-alives, and SCTP's associations cannot move from one thread to another.

use std::io;

use rserpool_sessions::{Role, STACK};
use tokio::sync::oneshot::{Sender, channel};

use crate::driver::Driver;

/// Starts a role, and is ready as soon as its addresses are bound.
pub(crate) async fn start<R: Role>(role: R) -> io::Result<R::Handle> {
    let (sender, started) = channel();
    let thread = std::thread::Builder::new().name(R::NAME.into()).stack_size(STACK);
    thread.spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build();
        match runtime {
            Ok(runtime) => runtime.block_on(run(role, sender)),
            Err(error) => _ = sender.send(Err(error)),
        }
    })?;
    started.await.unwrap_or_else(|_| Err(io::Error::other("the thread has ended")))
}

async fn run<R: Role>(role: R, started: Sender<io::Result<R::Handle>>) {
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
    let mut result = driver.run(&mut application).await;
    if result.is_ok() {
        result = driver.finish(limit).await;
    }
    if let Err(error) = result {
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
