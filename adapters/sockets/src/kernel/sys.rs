//! The system calls of kernel SCTP that no safe crate has (RFC 6458): a message with what goes along with it, both ways, and
//! socket options. Nothing else is done here, and no other file of the crate has `unsafe`.

#![expect(unsafe_code, reason = "system calls")]

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, FromRawFd as _, OwnedFd, RawFd};

/// SCTP's level of socket options and control messages, which is its protocol number.
pub(super) const SCTP: libc::c_int = libc::IPPROTO_SCTP;

/// MSG_NOTIFICATION (RFC 6458 §6).
const NOTIFICATION: libc::c_int = 0x8000;

/// Room for what goes along with a message.
const CONTROL: usize = 128;

/// A header of a control message, as Linux has it on all of its machines: its length is as long as an address.
const HEADER: usize = size_of::<libc::cmsghdr>();

/// What was received.
pub(super) struct Received {
    pub(super) length: usize,
    /// Whether it is the end of a message.
    pub(super) is_end: bool,
    pub(super) is_notification: bool,
    /// The octets of the control message, without its header, and how many there are.
    control: [u8; CONTROL],
    control_length: usize,
}

impl Received {
    /// The first control message of a type, which follows its header.
    pub(super) fn control(&self) -> &[u8] {
        self.control.get(HEADER..self.control_length).unwrap_or_default()
    }
}

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

pub(super) fn set_option(socket: &impl AsRawFd, name: libc::c_int, value: &[u8]) -> io::Result<libc::c_int> {
    let length = value.len() as libc::socklen_t;
    // SAFETY: the value lives during the call, and is as long as is said.
    check(unsafe { libc::setsockopt(socket.as_raw_fd(), SCTP, name, value.as_ptr().cast(), length) })
}

/// Reads an option into `value`, whose beginning may be a question, and returns how many octets there are.
pub(super) fn option(socket: &impl AsRawFd, name: libc::c_int, value: &mut [u8]) -> io::Result<usize> {
    let mut length = value.len() as libc::socklen_t;
    // SAFETY: the value lives during the call, and is as long as is said; so does the length.
    let result =
        unsafe { libc::getsockopt(socket.as_raw_fd(), SCTP, name, value.as_mut_ptr().cast(), &raw mut length) };
    check(result).map(|_| (length as usize).min(value.len()))
}

/// Begins an association to all addresses in a row (SCTP_SOCKOPT_CONNECTX3), and returns its number.
pub(super) fn connect(socket: &impl AsRawFd, addresses: &[u8]) -> io::Result<i32> {
    const CONNECTX3: libc::c_int = 111;
    #[repr(C)]
    struct Question {
        association: i32,
        length: libc::c_int,
        addresses: *const u8,
    }
    let mut question =
        Question { association: 0, length: addresses.len() as libc::c_int, addresses: addresses.as_ptr() };
    let mut length = size_of::<Question>() as libc::socklen_t;
    // SAFETY: question, length and addresses live during the call, with the lengths that are said.
    let result =
        unsafe { libc::getsockopt(socket.as_raw_fd(), SCTP, CONNECTX3, (&raw mut question).cast(), &raw mut length) };
    match check(result) {
        Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => Err(error),
        _ => Ok(question.association),
    }
}

/// Gives an association a socket of its own (SCTP_SOCKOPT_PEELOFF), to which what has come on it goes along.
pub(super) fn peel_off(socket: &impl AsRawFd, association: i32) -> io::Result<OwnedFd> {
    const PEELOFF: libc::c_int = 102;
    #[repr(C)]
    struct Question {
        association: i32,
        socket: libc::c_int,
    }
    let mut question = Question { association, socket: -1 };
    let mut length = size_of::<Question>() as libc::socklen_t;
    // SAFETY: question and length live during the call, with the length that is said.
    check(unsafe { libc::getsockopt(socket.as_raw_fd(), SCTP, PEELOFF, (&raw mut question).cast(), &raw mut length) })?;
    check(question.socket)?;
    // SAFETY: the kernel has just made this descriptor, and nobody else knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(question.socket) })
}

/// Sends a message with a control message of a type.
pub(super) fn send(socket: &impl AsRawFd, octets: &[u8], control_type: libc::c_int, control: &[u8]) -> io::Result<()> {
    // Aligned for its header.
    let mut buffer = [0_u64; CONTROL / 8];
    let mut part = libc::iovec { iov_base: octets.as_ptr().cast_mut().cast(), iov_len: octets.len() };
    // SAFETY: all zeros are a message header without anything.
    let mut message: libc::msghdr = unsafe { MaybeUninit::zeroed().assume_init() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = buffer.as_mut_ptr().cast();
    // SAFETY: these are computations.
    message.msg_controllen = unsafe { libc::CMSG_SPACE(control.len() as libc::c_uint) } as _;
    assert!(message.msg_controllen <= CONTROL, "control messages are short");
    // SAFETY: the buffer has room for a header and the control message behind it, as was seen to just now.
    unsafe {
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        (*header).cmsg_level = SCTP;
        (*header).cmsg_type = control_type;
        (*header).cmsg_len = libc::CMSG_LEN(control.len() as libc::c_uint) as _;
        std::ptr::copy_nonoverlapping(control.as_ptr(), libc::CMSG_DATA(header), control.len());
    }
    // SAFETY: the header points to what lives during the call, and nothing is written to the octets.
    let sent =
        unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const message, libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT) };
    if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Receives a message, a part of one, or a notification.
pub(super) fn receive(socket: &impl AsRawFd, buffer: &mut [u8]) -> io::Result<Received> {
    let mut control = [0_u64; CONTROL / 8];
    let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: all zeros are a message header without anything.
    let mut message: libc::msghdr = unsafe { MaybeUninit::zeroed().assume_init() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = CONTROL as _;
    let fd: RawFd = socket.as_raw_fd();
    // SAFETY: the header points to what lives during the call, with the lengths that it has.
    let length = unsafe { libc::recvmsg(fd, &raw mut message, libc::MSG_DONTWAIT) };
    let length = usize::try_from(length).map_err(|_| io::Error::last_os_error())?;
    let mut octets = [0; CONTROL];
    for (place, word) in octets.chunks_exact_mut(8).zip(control) {
        place.copy_from_slice(&word.to_ne_bytes());
    }
    Ok(Received {
        length,
        is_end: message.msg_flags & libc::MSG_EOR != 0,
        is_notification: message.msg_flags & NOTIFICATION != 0,
        control: octets,
        control_length: message.msg_controllen.min(CONTROL),
    })
}
