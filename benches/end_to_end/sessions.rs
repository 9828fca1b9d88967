//! What users see: how much goes through a session, and how long a failover takes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rserpool::pool_user::UserEvent;
use rserpool_blocking::{User, UserOptions, UserSessionEvent};

use crate::server::Server;
use crate::{Error, asap};

/// Messages a second that come back from an element, with so many under way.
pub(crate) fn echoes(adapter: &str, length: usize, window: usize, time: Duration) -> Result<f64, Error> {
    let _registrar = Server::start("blocking", "registrar-1");
    let _element = Server::start(adapter, "element-1");
    let octets = Bytes::from(vec![7; length]);
    if adapter == "tokio" {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        return runtime.block_on(async {
            let user = rserpool_tokio::User::start(UserOptions::new([asap(1)])).await?;
            let session = user.open("bench").await?;
            for _ in 0..window {
                session.send(octets.clone()).await?;
            }
            let (start, mut answers) = (Instant::now(), 0_u32);
            while start.elapsed() < time {
                if let UserSessionEvent::Message { .. } = session.receive().await.ok_or("the user has ended")? {
                    answers += 1;
                    session.send(octets.clone()).await?;
                }
            }
            Ok(f64::from(answers) / start.elapsed().as_secs_f64())
        });
    }
    let user = User::start(UserOptions::new([asap(1)]))?;
    let session = user.open("bench")?;
    for _ in 0..window {
        session.send(octets.clone())?;
    }
    let (start, mut answers) = (Instant::now(), 0_u32);
    while start.elapsed() < time {
        if let UserSessionEvent::Message { .. } = session.receive().ok_or("the user has ended")? {
            answers += 1;
            session.send(octets.clone())?;
        }
    }
    Ok(f64::from(answers) / start.elapsed().as_secs_f64())
}

/// How long it takes from SIGKILL of the element that serves a session to the next answer, sorted.
pub(crate) fn element_kills(times: usize) -> Result<Vec<Duration>, Error> {
    let _registrar = Server::start("blocking", "registrar-1");
    let mut elements: Vec<Option<Server>> = vec![None];
    for number in 1..=3 {
        elements.push(Some(Server::start("blocking", &format!("element-{number}"))));
    }
    let user = User::start(UserOptions::new([asap(1)]))?;
    let session = user.open("bench")?;
    let (mut question, mut found) = (0_u32, Vec::new());
    session.send(question.to_string())?;
    let mut killed: Option<(usize, Instant)> = None;
    while found.len() < times {
        match session.receive().ok_or("the user has ended")? {
            UserSessionEvent::Message { identifier, message } if message.octets == question.to_string().as_bytes() => {
                if let Some((place, at)) = killed.take() {
                    found.push(at.elapsed());
                    elements[place] = Some(Server::start("blocking", &format!("element-{place}")));
                }
                question += 1;
                if question.is_multiple_of(40) {
                    // Not always at the same place of its timers.
                    std::thread::sleep(Duration::from_millis(u64::from(question % 97)));
                    let place = identifier.0 as usize;
                    elements[place].take().ok_or("a dead element answers")?.kill();
                    killed = Some((place, Instant::now()));
                }
                session.send(question.to_string())?;
            }
            // What the dead element took along is asked again.
            UserSessionEvent::Established { failovers: 1.., .. } => session.send(question.to_string())?,
            _ => {}
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// How long it takes from SIGKILL of the registrar that a user asks to the answer to the next request, sorted.
pub(crate) fn registrar_kills(times: usize) -> Result<Vec<Duration>, Error> {
    let mut registrars = [Some(Server::start("blocking", "registrar-1")), None];
    registrars[1] = Some(Server::start("blocking", "registrar-2"));
    let _element = Server::start("blocking", "element-1");
    let mut found = Vec::new();
    let mut turn = 0;
    while found.len() < times {
        let is_lost = Arc::new(AtomicBool::new(false));
        let mut options = UserOptions::new([asap(1), asap(2)]);
        options.config.stale_cache_value = Duration::ZERO;
        let heard = Arc::clone(&is_lost);
        options.listener = Some(Box::new(move |event| {
            heard.fetch_or(matches!(event, UserEvent::HomeLost), Ordering::Relaxed);
        }));
        let user = User::start(options)?;
        user.resolve("bench")?;
        registrars[turn].take().ok_or("a dead registrar")?.kill();
        let killed = Instant::now();
        user.resolve("bench")?;
        let taken = killed.elapsed();
        // It may have asked the other one.
        if is_lost.load(Ordering::Relaxed) {
            found.push(taken);
        }
        user.shut_down();
        registrars[turn] = Some(Server::start("blocking", &format!("registrar-{}", turn + 1)));
        turn = 1 - turn;
    }
    found.sort_unstable();
    Ok(found)
}
