//! How a machine that runs by itself is connected with the world.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use rserpool::{Endpoint, EndpointBuf, Machine, Protocol, Purpose};
use rserpool_sockets::{Host, MulticastOptions};
use rserpool_transport::{ENCAPSULATION_PORT, Listen, Options};

/// Which SCTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Transport {
    /// SCTP over UDP (RFC 6951), which runs everywhere.
    #[default]
    SctpOverUdp,
    /// The kernel's, where it has one.
    #[cfg(target_os = "linux")]
    Sctp,
}

/// How a machine that runs by itself is connected with the world.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Network {
    /// Which SCTP. Default: over UDP.
    pub transport: Transport,
    /// SCTP's parameters.
    pub options: Options,
    /// The UDP port at which SCTP over UDP comes in; 0 for any. Default 9899.
    pub udp_port: u16,
    /// Where SCTP packets go for peers with another UDP port than 9899: IP address, SCTP port, UDP port.
    pub udp_ports: Vec<(IpAddr, u16, u16)>,
    /// The groups of announcements to send to or to listen to, if any.
    pub announcements: Option<MulticastOptions>,
    /// How long to wait at the end until associations have closed in order. Default 5 s.
    pub shutdown_time: Duration,
}

impl Default for Network {
    fn default() -> Self {
        Self {
            transport: Transport::default(),
            options: Options::default(),
            udp_port: ENCAPSULATION_PORT,
            udp_ports: Vec::new(),
            announcements: None,
            shutdown_time: Duration::from_secs(5),
        }
    }
}

impl Network {
    /// Prepares a host: it listens at these endpoints, each for some purposes.
    pub(crate) fn prepare<M: Machine>(
        &self,
        host: &mut Host<M>,
        listen: &[(EndpointBuf, &[Purpose])],
    ) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        if self.transport == Transport::Sctp {
            host.use_kernel(&self.options.sctp)?;
        }
        for (endpoint, purposes) in listen {
            let Endpoint { protocol, addresses, port } = endpoint.as_endpoint();
            if protocol == Protocol::Tcp {
                for address in addresses {
                    host.listen_tcp(SocketAddr::new(*address, port))?;
                }
                continue;
            }
            match self.transport {
                Transport::SctpOverUdp => {
                    for address in addresses {
                        let (address, udp_port, sctp_port) = (*address, self.udp_port, port);
                        host.listen(Listen { address, udp_port, sctp_port, purposes })?;
                    }
                }
                #[cfg(target_os = "linux")]
                Transport::Sctp => host.listen_kernel(addresses, port, purposes)?,
            }
        }
        for (address, sctp_port, udp_port) in &self.udp_ports {
            host.set_udp_port(*address, *sctp_port, *udp_port);
        }
        if let Some(announcements) = &self.announcements {
            host.join(announcements)?;
        }
        Ok(())
    }
}
