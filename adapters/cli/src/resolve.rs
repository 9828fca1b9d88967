//! `rserpool resolve`: the elements of a pool.

use std::time::Duration;

use rserpool::Instant;
use rserpool::pool_user::{ResolutionFailure, UserConfig, UserEvent};
use rserpool::wire::PoolHandle;
use rserpool::wire::asap::HandleResolutionResponse;
use rserpool_blocking::{Application, Flow};

use crate::args::ResolveArgs;
use crate::driver::Driver;
use crate::failure::Failure;
use crate::node;
use crate::show::{Show, Shown};
use crate::user::{self, User};

pub(crate) fn run(args: &ResolveArgs) -> Result<(), Failure> {
    node::check_pool_handle(&args.name, &args.node)?;
    let mut config = UserConfig::default();
    config.items = args.items;
    let mut driver: Driver<User> = user::driver(&args.node, &args.registrar, args.transport, config)?;
    let now = driver.now();
    driver
        .machine()
        .resolve(now, PoolHandle::from(args.name.as_str()))
        .map_err(|error| Failure::Usage(format!("{}: {error}", args.name)))?;
    let show = Show { json: args.json, profile: args.node.profile.profile() };
    let mut app = App {
        name: args.name.clone(),
        show,
        timeout: args.timeout,
        deadline: now + args.timeout,
        left: args.times.get(),
        asked: true,
        result: None,
    };
    driver.run(&mut app)?;
    app.result.unwrap_or_else(|| Err(Failure::Failed(format!("{}: no answer within {:?}", args.name, args.timeout))))
}

struct App {
    name: String,
    show: Show,
    timeout: Duration,
    deadline: Instant,
    /// How many answers are to come.
    left: u32,
    /// Whether one of them is under way.
    asked: bool,
    result: Option<Result<(), Failure>>,
}

impl App {
    fn show_all(&self, response: &HandleResolutionResponse<'_>) {
        for element in &response.pool_elements {
            println!("{}", self.show.element(response.pool_handle, &element, Shown::ForUsers));
        }
    }
}

impl Application<User> for App {
    fn event(&mut self, _now: Instant, event: UserEvent<'_>) {
        match event {
            UserEvent::Resolved(response) => {
                self.show_all(&response);
                self.left = self.left.saturating_sub(1);
                self.asked = false;
                if self.left == 0 {
                    self.result = Some(Ok(()));
                } else if !self.show.json {
                    println!();
                }
            }
            UserEvent::ResolutionFailed { failure, .. } => {
                let reason = match failure {
                    ResolutionFailure::NoAnswer => "no registrar answers".into(),
                    ResolutionFailure::Rejected(Some(cause)) => cause.name().to_string(),
                    ResolutionFailure::Rejected(None) => "the registrar gives no reason".into(),
                };
                self.result = Some(Err(Failure::Failed(format!("{}: {reason}", self.name))));
            }
            _ => {}
        }
    }

    fn commands(&mut self, now: Instant, user: &mut User) -> Flow {
        if self.result.is_none() && !self.asked {
            (self.asked, self.deadline) = (true, now + self.timeout);
            // The pool is known, so there is room for it.
            let _ = user.resolve(now, PoolHandle::from(self.name.as_str()));
        }
        if self.result.is_some() || now >= self.deadline { Flow::Stop } else { Flow::Continue }
    }

    fn deadline(&self) -> Option<Instant> {
        Some(self.deadline)
    }
}
