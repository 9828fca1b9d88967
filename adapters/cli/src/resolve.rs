//! `rserpool resolve`: the elements of a pool.

use rserpool::pool_user::{ResolutionFailure, UserConfig, UserEvent};
use rserpool::wire::asap::HandleResolutionResponse;
use rserpool::wire::{PoolElement, PoolHandle};
use rserpool::{Instant, Profile};
use rserpool_blocking::{Application, Flow};
use serde_json::json;

use crate::args::ResolveArgs;
use crate::decode::json::{policy, transport};
use crate::failure::Failure;
use crate::node;
use crate::settings;
use crate::user::User;

pub(crate) fn run(args: &ResolveArgs) -> Result<(), Failure> {
    let mut config = UserConfig::default();
    config.items = args.items;
    let mut options = node::options(&args.node);
    settings::user(&args.node.settings, &mut config, &mut options)?;
    let mut driver = node::driver(&args.node, User::new(config), &options, &args.registrar)?;
    node::find_registrars(&mut driver, &args.node, &args.registrar, |machine, endpoint| {
        machine.add_registrar(endpoint)
    })?;
    let now = driver.now();
    driver
        .machine()
        .resolve(now, PoolHandle::from(args.name.as_str()))
        .map_err(|error| Failure::Usage(format!("{}: {error}", args.name)))?;
    let (json, profile) = (args.json, args.node.profile.profile());
    let mut app = App { name: args.name.clone(), json, profile, deadline: now + args.timeout, result: None };
    driver.run(&mut app)?;
    app.result.unwrap_or_else(|| Err(Failure::Failed(format!("{}: no answer within {:?}", args.name, args.timeout))))
}

struct App {
    name: String,
    json: bool,
    profile: Profile,
    deadline: Instant,
    result: Option<Result<(), Failure>>,
}

impl App {
    fn show(&self, response: &HandleResolutionResponse<'_>) {
        for element in &response.pool_elements {
            println!("{}", if self.json { self.object(&element) } else { self.line(&element) });
        }
    }

    fn object(&self, element: &PoolElement<'_>) -> String {
        json!({
            "pool": self.name,
            "id": element.identifier.to_string(),
            "policy": policy(&element.policy),
            "transport": transport(&element.user_transport),
            "life_s": self.profile.life_from_wire(element.life).map(|life| life.as_secs_f64()),
        })
        .to_string()
    }

    fn line(&self, element: &PoolElement<'_>) -> String {
        let addresses: Vec<_> = element.user_transport.addresses().map(|address| address.to_string()).collect();
        let port = element.user_transport.port().map(|port| port.to_string()).unwrap_or_default();
        let protocol = format!("{:?}", element.user_transport.protocol()).to_lowercase();
        let policy = element.policy.policy_type().name();
        format!("{}  {protocol}  {}  {port}  {policy}", element.identifier, addresses.join(","))
    }
}

impl Application<User> for App {
    fn event(&mut self, _now: Instant, event: UserEvent<'_>) {
        match event {
            UserEvent::Resolved(response) => {
                self.show(&response);
                self.result = Some(Ok(()));
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

    fn commands(&mut self, now: Instant, _user: &mut User) -> Flow {
        if self.result.is_some() || now >= self.deadline { Flow::Stop } else { Flow::Continue }
    }

    fn deadline(&self) -> Option<Instant> {
        Some(self.deadline)
    }
}
