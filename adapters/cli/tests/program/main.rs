//! The program as its users have it: real processes and sockets on loopback. Each test has a hard time limit.

mod decode;
mod hostile;
mod pools;
mod process;
mod usage;
