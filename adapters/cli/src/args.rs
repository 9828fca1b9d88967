//! The command line.

use std::net::{Ipv4Addr, SocketAddr, ToSocketAddrs as _};
use std::num::NonZeroU32;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use rserpool::AddressRange;
use rserpool::Profile;
use rserpool::wire::Policy;

use crate::driver::Adapter;
use crate::endpoint::{EndpointArg, Scheme};
use crate::log::LogArgs;
use crate::policy;
use crate::settings::Setting;
use crate::simulate::{self, Strike};

/// Reliable Server Pooling (RFC 5351-5356)
///
/// Endpoints are written sctp+udp://ADDRESS[:PORT][/UDP-PORT], for example sctp+udp://127.0.0.1:3863 or
/// sctp+udp://[::1]:3863/9899. Without a port it is 3863 for ASAP and 9901 for ENRP; without a UDP port it is 9899.
///
/// Exit status: 0 done; 1 what was asked for failed; 2 wrong usage; 3 a transport is not available.
#[derive(Parser, Debug)]
#[command(name = "rserpool", version, verbatim_doc_comment)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) log: LogArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Run a whole pool as processes on loopback, and kill some of them on the way
    Demo(DemoArgs),
    /// Run a registrar
    Registrar(RegistrarArgs),
    /// Run a pool element that serves a pool
    Element(ElementArgs),
    /// Send standard input's lines to a pool, one at a time, and write the answers to standard output
    User(UserArgs),
    /// Ask a registrar for the elements of a pool
    Resolve(ResolveArgs),
    /// Show a registrar's whole handlespace, fetched by ENRP
    Table(TableArgs),
    /// Show the ASAP and ENRP messages of a network capture; what was sent again is marked
    Decode(DecodeArgs),
    /// Run whole clusters on a virtual network and clock, and check that they keep their promises
    Simulate(SimulateArgs),
}

#[derive(ClapArgs, Debug)]
pub(crate) struct SimulateArgs {
    /// The seed of one cluster, its network and its faults [default: random]
    #[arg(long, value_name = "N", conflicts_with = "seeds")]
    pub(crate) seed: Option<u64>,
    /// All seeds from A up to, but without, B
    #[arg(long, value_name = "A..B", value_parser = simulate::parse_seeds)]
    pub(crate) seeds: Option<Range<u64>>,
    /// So many registrars, and no faults [default: 3, if elements, users or a duration are given]
    #[arg(long, value_name = "N")]
    pub(crate) registrars: Option<usize>,
    /// So many elements, and no faults [default: 10, if registrars, users or a duration are given]
    #[arg(long, value_name = "N")]
    pub(crate) elements: Option<usize>,
    /// So many users, and no faults [default: 5, if registrars, elements or a duration are given]
    #[arg(long, value_name = "N")]
    pub(crate) users: Option<usize>,
    /// For so long, and no faults
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(crate) duration: Option<Duration>,
    /// How many packets are lost, in percent
    #[arg(long, value_name = "PERCENT", value_parser = simulate::parse_loss)]
    pub(crate) loss: Option<u32>,
    /// How long packets take, from A to B at random
    #[arg(long, value_name = "A..B", value_parser = simulate::parse_delay)]
    pub(crate) delay: Option<Range<u64>>,
    /// Let nodes die, and come back if a second time is given: NODES@TIME or NODES@TIME..TIME. Nodes are numbers or A-B,
    /// registrars first, then elements, then users
    #[arg(long, value_name = "NODES@TIME", value_parser = simulate::parse_strike)]
    pub(crate) crash: Vec<Strike>,
    /// Let nodes reach none of the others, and not be reached, for a while: NODES@TIME..TIME
    #[arg(long, value_name = "NODES@TIME..TIME", value_parser = simulate::parse_strike)]
    pub(crate) partition: Vec<Strike>,
    /// Write one JSON object a seed, and one a line of the trace
    #[arg(long)]
    pub(crate) json: bool,
    /// Write all that happens
    #[arg(long)]
    pub(crate) trace: bool,
    /// Look for the smallest cluster and the fewest faults that go wrong in the same way, and write them as a test
    #[arg(long)]
    pub(crate) shrink: bool,
}

#[derive(ClapArgs, Debug)]
pub(crate) struct DemoArgs {
    /// Write one JSON object at the end, and nothing else, to standard output
    #[arg(long)]
    pub(crate) json: bool,
    /// For the moments of the kills; another one each time unless given
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// For how long the user sends requests
    #[arg(long, value_name = "TIME", default_value = "20s", value_parser = humantime::parse_duration)]
    pub(crate) duration: Duration,
    /// What the processes speak over
    #[arg(long, value_enum, default_value_t = TransportArg::SctpOverUdp)]
    pub(crate) transport: TransportArg,
    /// What runs the processes
    #[arg(long, value_enum, default_value_t = Adapter::Blocking)]
    pub(crate) adapter: Adapter,
    /// How much time lies between requests
    #[arg(long, value_name = "TIME", default_value = "5ms", value_parser = humantime::parse_duration)]
    pub(crate) pause: Duration,
}

#[derive(ClapArgs, Debug)]
pub(crate) struct RegistrarArgs {
    /// Where to serve elements and users, over TCP users only; may be given several times [default:
    /// sctp+udp://127.0.0.1:3863]
    #[arg(long, value_name = "EP")]
    pub(crate) asap: Vec<EndpointArg>,
    /// Where to speak with other registrars [default: the first ASAP address with SCTP, port 9901]
    #[arg(long, value_name = "EP", value_parser = parse_sctp)]
    pub(crate) enrp: Vec<EndpointArg>,
    /// The ENRP endpoint of another registrar; may be given several times
    #[arg(long, value_name = "EP", value_parser = parse_sctp)]
    pub(crate) peer: Vec<EndpointArg>,
    /// Speak ENRP with nobody but the registrars named by --peer, as their IP addresses tell, and those in the ranges of --peer-from
    /// [default: with anyone]
    #[arg(long)]
    pub(crate) peer_only: bool,
    /// Speak ENRP with registrars whose IP addresses are in this range as well, for example 10.1.0.0/16, and otherwise with
    /// those named by --peer only; may be given several times
    #[arg(long, value_name = "CIDR")]
    pub(crate) peer_from: Vec<AddressRange>,
    /// Its identifier, up to eight hexadecimal digits, not zero [default: random]
    #[arg(long, value_name = "HEX", value_parser = parse_identifier)]
    pub(crate) id: Option<u32>,
    /// Announce itself by multicast to elements, users and other registrars, and hear those that do so
    #[arg(long)]
    pub(crate) announce: bool,
    /// Take elements whose addresses are not those of their associations, as behind address translation
    #[arg(long)]
    pub(crate) any_address: bool,
    /// Let elements move to registrars with fewer of them: suggest it to peers, and follow their suggestions; an extension that
    /// rsplib has, too (-supporttakeoversuggestion)
    #[arg(long)]
    pub(crate) takeover_suggestions: bool,
    #[command(flatten)]
    pub(crate) monitor: MonitorArgs,
    #[command(flatten)]
    pub(crate) node: NodeArgs,
}

#[derive(ClapArgs, Debug)]
pub(crate) struct ElementArgs {
    /// The pool to join
    #[arg(long, value_name = "NAME")]
    pub(crate) pool: String,
    #[arg(long, value_name = "P", default_value = "rr", value_parser = policy::parse, help = policy::help())]
    pub(crate) policy: Policy<'static>,
    /// The ASAP endpoint of a registrar; may be given several times [default: those that announce themselves]
    #[arg(long, value_name = "EP", value_parser = parse_sctp)]
    pub(crate) registrar: Vec<EndpointArg>,
    /// Where users and registrars reach it [default: the address towards the registrar, or towards the announcements, any
    /// SCTP port, UDP port 9899]
    #[arg(long, value_name = "EP", value_parser = parse_sctp)]
    pub(crate) listen: Option<EndpointArg>,
    /// Its identifier in the pool, up to eight hexadecimal digits, not zero [default: random]
    #[arg(long, value_name = "HEX", value_parser = parse_identifier)]
    pub(crate) id: Option<u32>,
    /// For how many seconds a registration is valid
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    pub(crate) life: u32,
    /// What it does for its users
    #[arg(long, value_enum, required_unless_present = "proxy", conflicts_with = "proxy")]
    pub(crate) serve: Option<Service>,
    /// Make the TCP service at HOST:PORT an element of the pool; its clients come by way of `rserpool user --listen`
    #[arg(long, value_name = "HOST:PORT", value_parser = parse_tcp)]
    pub(crate) proxy: Option<SocketAddr>,
    /// With --proxy: how often it is seen whether the service takes connections. The element leaves its pool while the service takes none,
    /// twice in a row, and comes back when it does
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = humantime::parse_duration)]
    pub(crate) check_interval: Duration,
    /// With --proxy: after how much time without a single octet in either direction a connection ends
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = humantime::parse_duration)]
    pub(crate) idle_timeout: Duration,
    /// Its load, for policies that use one, in percent; the same as in --policy
    #[arg(long, value_name = "0..100%", value_parser = policy::percent)]
    pub(crate) load: Option<u32>,
    /// A file with the key that the pool's elements share, 64 hexadecimal digits: they sign the cookies of their sessions, and
    /// accept no others
    #[arg(long, value_name = "FILE")]
    pub(crate) cookie_key: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) monitor: MonitorArgs,
    #[command(flatten)]
    pub(crate) node: NodeArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Service {
    /// Sends each message back
    Echo,
    /// Takes each message, and says nothing
    Discard,
    /// Answers each message with the date and time (RFC 867)
    Daytime,
    /// Answers each message with a line of characters, another one each time (RFC 864)
    Chargen,
    /// Answers each request with a running number of its session, which survives failovers in the session's cookie
    Counter,
}

#[derive(ClapArgs, Debug)]
pub(crate) struct UserArgs {
    /// The pool to use
    #[arg(long, value_name = "NAME")]
    pub(crate) pool: String,
    /// The ASAP endpoint of a registrar; may be given several times [default: those that announce themselves]
    #[arg(long, value_name = "EP")]
    pub(crate) registrar: Vec<EndpointArg>,
    /// What it speaks over when it is told of no registrar
    #[arg(long, value_enum, default_value_t = TransportArg::SctpOverUdp, conflicts_with = "registrar")]
    pub(crate) transport: TransportArg,
    /// Let TCP clients into the pool at HOST:PORT, in place of standard input; the elements run with --proxy. A connection moves to
    /// another element only while nothing of what its client has said was passed on; if its element dies later the client sees
    /// a broken connection, and nothing is said twice
    #[arg(long, value_name = "HOST:PORT", value_parser = parse_tcp)]
    pub(crate) listen: Option<SocketAddr>,
    /// With --listen: say what a client has said again to another element, if its own dies or its service breaks the connection
    /// before it has answered; three times at most, after 0.25, 0.5 and 1 s. The service may do the same thing several times, so this
    /// is for services where that does no harm
    #[arg(long, requires = "listen")]
    pub(crate) replay: bool,
    /// With --listen: after how much time without a single octet in either direction a connection ends. When all 256 places for
    /// connections are taken, a new one takes the place of the one on which nothing has moved for longest, if that is 10 s or more, or
    /// half of this time
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = humantime::parse_duration)]
    pub(crate) idle_timeout: Duration,
    /// After how much time without an answer another element is tried
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = humantime::parse_duration)]
    pub(crate) answer_timeout: Duration,
    /// After how much time without an answer the request counts as lost and the program fails. With --listen: after how much time a
    /// connection ends for which no element could be found
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = humantime::parse_duration)]
    pub(crate) timeout: Duration,
    #[command(flatten)]
    pub(crate) monitor: MonitorArgs,
    #[command(flatten)]
    pub(crate) node: NodeArgs,
}

#[derive(ClapArgs, Debug)]
pub(crate) struct ResolveArgs {
    /// The pool
    pub(crate) name: String,
    /// The ASAP endpoint of a registrar; may be given several times [default: those that announce themselves]
    #[arg(long, value_name = "EP")]
    pub(crate) registrar: Vec<EndpointArg>,
    /// What it speaks over when it is told of no registrar
    #[arg(long, value_enum, default_value_t = TransportArg::SctpOverUdp, conflicts_with = "registrar")]
    pub(crate) transport: TransportArg,
    /// How many elements to ask for [default: as many as the registrar gives]
    #[arg(long, value_name = "N")]
    pub(crate) items: Option<u32>,
    /// Ask so many times, to see how the pool's policy chooses; --timeout is for each answer
    #[arg(long, value_name = "N", default_value = "1")]
    pub(crate) times: NonZeroU32,
    /// Write one JSON object an element
    #[arg(long)]
    pub(crate) json: bool,
    /// For how long to wait for an answer
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = humantime::parse_duration)]
    pub(crate) timeout: Duration,
    #[command(flatten)]
    pub(crate) node: NodeArgs,
}

#[derive(ClapArgs, Debug)]
pub(crate) struct TableArgs {
    /// The ENRP endpoint of the registrar
    #[arg(long, value_name = "EP", value_parser = parse_sctp)]
    pub(crate) registrar: EndpointArg,
    /// Write one JSON object an element
    #[arg(long)]
    pub(crate) json: bool,
    /// For how long to wait for the whole
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = humantime::parse_duration)]
    pub(crate) timeout: Duration,
    #[command(flatten)]
    pub(crate) node: NodeArgs,
}

#[derive(ClapArgs, Debug)]
pub(crate) struct DecodeArgs {
    /// A pcap or pcapng file; - for standard input
    pub(crate) file: PathBuf,
    /// Write one JSON object a message
    #[arg(long)]
    pub(crate) json: bool,
}

/// Who is told how it is.
#[derive(ClapArgs, Debug)]
pub(crate) struct MonitorArgs {
    /// Report by the Component Status Protocol to a monitor, such as rsplib's cspmonitor, at ADDRESS:PORT
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) csp_server: Option<SocketAddr>,
    /// How often it reports
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = humantime::parse_duration)]
    pub(crate) csp_interval: Duration,
}

/// What all that run a machine have in common.
#[derive(ClapArgs, Debug)]
pub(crate) struct NodeArgs {
    /// A TOML file with these options, by their names without dashes; settings in a table [set]. The command line counts more
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Sets a variable, timer or threshold by its RFC's name, for example t1-enrp-request=5s; a wrong name lists them
    #[arg(long = "set", value_name = "NAME=VALUE")]
    pub(crate) settings: Vec<Setting>,
    /// Whose habits to follow where the RFCs and rsplib differ
    #[arg(long, value_enum, default_value_t = ProfileArg::Rfc)]
    pub(crate) profile: ProfileArg,
    /// What runs it
    #[arg(long, value_enum, default_value_t = Adapter::Blocking)]
    pub(crate) adapter: Adapter,
    /// The address of the interface for multicast announcements [default: the operating system's choice]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) interface: Option<Ipv4Addr>,
    /// The name of the interface for multicast announcements by IPv6; without --asap-group and --enrp-group they go to
    /// ff02::133, too
    #[arg(long, value_name = "NAME")]
    pub(crate) interface6: Option<String>,
    /// The multicast group and port of announcements to elements and users; may be given several times
    /// [default: 224.0.1.185:3863, or 239.0.0.50:3863 with the profile of rsplib]
    #[arg(long, value_name = "GROUP:PORT")]
    pub(crate) asap_group: Vec<SocketAddr>,
    /// The multicast group and port of announcements among registrars; may be given several times
    /// [default: 224.0.1.185:9901, or 239.0.0.51:9901]
    #[arg(long, value_name = "GROUP:PORT")]
    pub(crate) enrp_group: Vec<SocketAddr>,
    /// The UDP port of peers whose addresses were learned from messages
    #[arg(long, value_name = "PORT", default_value_t = 9899)]
    pub(crate) encap_port: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TransportArg {
    /// SCTP over UDP
    #[value(name = "sctp+udp")]
    SctpOverUdp,
    /// The kernel's SCTP
    Sctp,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum ProfileArg {
    /// The RFCs to the letter
    Rfc,
    /// As rsplib 3.4 has it
    Rsplib,
}

impl ProfileArg {
    pub(crate) fn profile(self) -> Profile {
        match self {
            Self::Rfc => Profile::Rfc,
            Self::Rsplib => Profile::Rsplib,
        }
    }
}

/// An endpoint of those who speak SCTP only: elements, and registrars with each other (RFC 5352 §2.1, RFC 5353 §2).
fn parse_sctp(text: &str) -> Result<EndpointArg, String> {
    match text.parse::<EndpointArg>()? {
        EndpointArg { scheme: Scheme::Tcp, .. } => {
            Err("only users and the registrars that they ask may use TCP; the form is sctp+udp://ADDRESS[:PORT]".into())
        }
        endpoint => Ok(endpoint),
    }
}

fn parse_tcp(text: &str) -> Result<SocketAddr, String> {
    let found = text.to_socket_addrs().map_err(|error| format!("the form is HOST:PORT ({error})"))?.next();
    found.ok_or_else(|| format!("the name in '{text}' has no address"))
}

fn parse_identifier(text: &str) -> Result<u32, String> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    match u32::from_str_radix(digits, 16) {
        Ok(0) => Err("zero is no identifier".into()),
        Ok(identifier) => Ok(identifier),
        Err(_) => Err(format!("'{text}' is not up to eight hexadecimal digits")),
    }
}
