//! The system calls that the standard library has no word for. All of this package's unsafe code is here.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd};
use std::time::Duration;

fn check(result: i32) -> io::Result<i32> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

fn check_len(result: isize) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}

/// Of this thread, and of those that it starts.
pub fn pin(core: usize) -> io::Result<()> {
    // SAFETY: a cpu_set_t of zeros is an empty set; the pointer is to a live one of the length given.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(core, &mut set);
        check(libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set))?;
    }
    Ok(())
}

/// As many descriptors as are allowed, `wanted` at most. Gives what there are now.
pub fn raise_descriptors(wanted: u64) -> u64 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointers are to a live struct.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) < 0 {
            return 0;
        }
        if limit.rlim_max < wanted {
            // Only a privileged process may.
            let higher = libc::rlimit { rlim_cur: wanted, rlim_max: wanted };
            if libc::setrlimit(libc::RLIMIT_NOFILE, &higher) == 0 {
                return wanted;
            }
        }
        limit.rlim_cur = limit.rlim_max.min(wanted.max(limit.rlim_cur));
        libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
    }
    limit.rlim_cur
}

/// Ends this process when its parent ends, and in any case after `limit`.
pub fn end_with_parent(limit: Duration) {
    // SAFETY: neither call takes a pointer.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        libc::alarm(u32::try_from(limit.as_secs()).unwrap_or(u32::MAX));
    }
}

pub fn interrupt(pid: u32) {
    // SAFETY: takes no pointer. The caller has a child of this number that it hasn't waited for.
    unsafe { libc::kill(pid.cast_signed(), libc::SIGINT) };
}

/// The CPU time that a process has used, with all its threads, in nanoseconds. 0 is this process.
pub fn cpu_time(pid: u32) -> io::Result<u64> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    let mut clock = libc::CLOCK_PROCESS_CPUTIME_ID;
    // SAFETY: the pointers are to live values.
    unsafe {
        if pid != 0 {
            let error = libc::clock_getcpuclockid(pid.cast_signed(), &mut clock);
            if error != 0 {
                return Err(io::Error::from_raw_os_error(error));
            }
        }
        check(libc::clock_gettime(clock, &mut time))?;
    }
    Ok(time.tv_sec.cast_unsigned() * 1_000_000_000 + time.tv_nsec.cast_unsigned())
}

pub type Event = libc::epoll_event;

pub const EMPTY: Event = Event { events: 0, u64: 0 };

/// Edge-triggered: all descriptors are watched for input and output alike, and never again changed.
pub struct Epoll(RawFd);

impl Epoll {
    pub fn new() -> io::Result<Self> {
        // SAFETY: takes no pointer.
        check(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) }).map(Self)
    }

    pub fn add(&self, fd: RawFd, token: u64) -> io::Result<()> {
        let events = (libc::EPOLLIN | libc::EPOLLOUT | libc::EPOLLET).cast_unsigned();
        let mut event = Event { events, u64: token };
        // SAFETY: the pointer is to a live event.
        check(unsafe { libc::epoll_ctl(self.0, libc::EPOLL_CTL_ADD, fd, &mut event) })?;
        Ok(())
    }

    pub fn wait<'a>(&self, events: &'a mut [Event], limit: Duration) -> io::Result<&'a [Event]> {
        let millis = i32::try_from(limit.as_millis()).unwrap_or(i32::MAX);
        let capacity = i32::try_from(events.len()).unwrap_or(i32::MAX);
        // SAFETY: the pointer is to as many events as are said.
        let result = check(unsafe { libc::epoll_wait(self.0, events.as_mut_ptr(), capacity, millis) });
        match result {
            Ok(count) => Ok(&events[..count.cast_unsigned() as usize]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(&[]),
            Err(error) => Err(error),
        }
    }
}

impl Drop for Epoll {
    fn drop(&mut self) {
        // SAFETY: the descriptor is this struct's own.
        unsafe { libc::close(self.0) };
    }
}

pub fn readable(event: &Event) -> bool {
    event.events & (libc::EPOLLIN | libc::EPOLLERR | libc::EPOLLHUP).cast_unsigned() != 0
}

pub fn recv(fd: RawFd, buffer: &mut [u8]) -> io::Result<usize> {
    // SAFETY: the pointer is to as many bytes as are said.
    check_len(unsafe { libc::recv(fd, buffer.as_mut_ptr().cast(), buffer.len(), libc::MSG_DONTWAIT) })
}

/// Takes up to `len` bytes from a TCP socket, and copies them nowhere.
pub fn discard(fd: RawFd, len: usize) -> io::Result<usize> {
    let flags = libc::MSG_DONTWAIT | libc::MSG_TRUNC;
    // SAFETY: with MSG_TRUNC a TCP socket writes nothing to the pointer.
    check_len(unsafe { libc::recv(fd, std::ptr::null_mut(), len, flags) })
}

pub fn send(fd: RawFd, bytes: &[u8]) -> io::Result<usize> {
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY: the pointer is to as many bytes as are said.
    check_len(unsafe { libc::send(fd, bytes.as_ptr().cast(), bytes.len(), flags) })
}

/// Sends several pieces of `buffer` in one call.
pub fn send_pieces(fd: RawFd, buffer: &[u8], pieces: &[std::ops::Range<usize>]) -> io::Result<usize> {
    const MOST: usize = 64;
    let mut vectors = [libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 }; MOST];
    let count = pieces.len().min(MOST);
    for (vector, piece) in vectors.iter_mut().zip(pieces) {
        let piece = &buffer[piece.clone()];
        *vector = libc::iovec { iov_base: piece.as_ptr().cast_mut().cast(), iov_len: piece.len() };
    }
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY: a msghdr of zeros has no address, no control data and no vectors; those it gets live on
    // this stack, as many as are said, and point to live bytes that are only read.
    unsafe {
        let mut message: libc::msghdr = std::mem::zeroed();
        message.msg_iov = vectors.as_mut_ptr();
        message.msg_iovlen = count;
        check_len(libc::sendmsg(fd, &message, flags))
    }
}

const ADDRESS_LEN: libc::socklen_t = size_of::<libc::sockaddr_in>() as libc::socklen_t;

fn address(of: SocketAddrV4) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: of.port().to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from(*of.ip()).to_be() },
        sin_zero: [0; 8],
    }
}

/// A socket with an option set, bound to an address.
fn bound(to: SocketAddrV4, level: i32, option: i32) -> io::Result<OwnedFd> {
    let on: i32 = 1;
    let to = address(to);
    // SAFETY: the pointers are to live values of the lengths given; the descriptor is new, and owned
    // before anything can fail.
    unsafe {
        let fd = check(libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0))?;
        let owned = OwnedFd::from_raw_fd(fd);
        check(libc::setsockopt(fd, level, option, (&raw const on).cast(), size_of::<i32>() as u32))?;
        check(libc::bind(fd, (&raw const to).cast(), ADDRESS_LEN))?;
        Ok(owned)
    }
}

/// A connection from `source` to a port of 127.0.0.1; the port of `source` is chosen by the kernel.
pub fn connect_from(source: Ipv4Addr, port: u16) -> io::Result<TcpStream> {
    let socket = bound(SocketAddrV4::new(source, 0), libc::IPPROTO_IP, libc::IP_BIND_ADDRESS_NO_PORT)?;
    let to = address(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port));
    // SAFETY: the pointer is to a live value of the length given.
    unsafe { check(libc::connect(socket.as_raw_fd(), (&raw const to).cast(), ADDRESS_LEN))? };
    Ok(socket.into())
}

/// Listens on an address that others may listen on, too.
pub fn listen_shared(on: SocketAddrV4) -> io::Result<TcpListener> {
    /// That of the standard library.
    const BACKLOG: i32 = 128;
    let socket = bound(on, libc::SOL_SOCKET, libc::SO_REUSEPORT)?;
    // SAFETY: it has no pointers.
    unsafe { check(libc::listen(socket.as_raw_fd(), BACKLOG))? };
    Ok(socket.into())
}

pub fn would_block(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}
