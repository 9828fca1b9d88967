//! `rserpool table`: a registrar's whole handlespace.

mod reader;

use std::io::Write as _;

use rserpool::wire::ServerIdentifier;
use rserpool::{Instant, Profile, Purpose};
use rserpool_blocking::{Application, Flow};

use crate::args::TableArgs;
use crate::endpoint::{ENRP_PORT, EndpointArg};
use crate::failure::Failure;
use crate::node;
use crate::settings;
use crate::show::Show;
use reader::{Progress, Reader};

pub(crate) fn run(args: &TableArgs) -> Result<(), Failure> {
    let mut options = node::options(&args.node);
    settings::transport(&args.node.settings, &mut options)?;
    let endpoint = args.registrar.to_endpoint(ENRP_PORT)?;
    let random = node::random()?;
    // Zero is no identifier.
    let identifiers = [random >> 32, random & 0xffff_ffff]
        .map(|half| ServerIdentifier(u32::try_from(half).unwrap_or_default().max(1)));
    let show = Show { json: args.json, profile: args.node.profile.profile() };
    // rsplib's registrars want to know where a peer is, and that it comes from there.
    let own = match args.node.profile.profile() {
        Profile::Rsplib => {
            let address = node::address_towards(args.registrar.address()?)?;
            let port = 49_152 + u16::try_from(random % 16_000).unwrap_or_default();
            Some(EndpointArg {
                scheme: args.registrar.scheme,
                addresses: vec![address],
                port: Some(port),
                udp_port: Some(0),
            })
        }
        _ => None,
    };
    let at = own.as_ref().map(|own| own.to_endpoint(ENRP_PORT)).transpose()?;
    let reader = Reader::new(endpoint, identifiers, at.as_ref(), show);
    let mut driver = node::driver(&args.node, reader, &options, [&args.registrar])?;
    if let Some(own) = &own {
        node::listen(&mut driver, own, ENRP_PORT, args.node.encap_port, &[Purpose::Enrp])?;
    }
    node::registrars(&mut driver, std::slice::from_ref(&args.registrar), ENRP_PORT)?;
    let deadline = driver.now() + args.timeout;
    let mut app = App { deadline, out: std::io::BufWriter::new(std::io::stdout().lock()), result: None };
    driver.run(&mut app)?;
    app.out.flush()?;
    let result = app.result.unwrap_or_else(|| Err(format!("no answer within {:?}", args.timeout)));
    result.map_err(|reason| Failure::Failed(format!("{}: {reason}", args.registrar)))
}

struct App<W> {
    deadline: Instant,
    out: W,
    result: Option<Result<(), String>>,
}

impl<W: std::io::Write> Application<Reader> for App<W> {
    fn event(&mut self, _now: Instant, event: &Progress) {
        match event {
            Progress::Element(line) => {
                if let Err(error) = writeln!(self.out, "{line}") {
                    self.result = Some(Err(format!("standard output: {error}")));
                }
            }
            Progress::Complete => self.result = Some(Ok(())),
            Progress::Failed(reason) => self.result = Some(Err((*reason).into())),
        }
    }

    fn commands(&mut self, now: Instant, _reader: &mut Reader) -> Flow {
        if self.result.is_some() || now >= self.deadline { Flow::Stop } else { Flow::Continue }
    }

    fn deadline(&self) -> Option<Instant> {
        Some(self.deadline)
    }
}
