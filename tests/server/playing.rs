//! A server that runs in a process of its own, meanwhile.

use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Instant;

use crate::net::*;

/// A process that plays a part meanwhile. It doesn't outlive this.
pub(crate) struct Playing(Child);

impl Playing {
    pub(crate) fn start(mut command: Command) -> Self {
        Self(command.stdout(Stdio::null()).spawn().unwrap())
    }

    /// A file of the system that tells of it.
    pub(crate) fn told_by(&self, name: &str) -> String {
        format!("/proc/{}/{name}", self.0.id())
    }

    /// Waits until it has played its part well.
    #[track_caller]
    pub(crate) fn end(mut self) {
        let end = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < end, "it does not end");
            thread::sleep(millis(5));
        };
        assert!(status.success(), "{status}");
    }
}

impl Drop for Playing {
    fn drop(&mut self) {
        self.0.kill().unwrap_or_default();
        drop(self.0.wait());
    }
}

/// Has the process started; and its address. It can be connected to already.
pub(crate) fn start(mut command: Command) -> (Playing, String) {
    let (listener, address) = listen();
    command.stdin(OwnedFd::from(listener));
    (Playing::start(command), address)
}

/// The socket that was handed to this process in the place of its standard input.
pub(crate) fn listener() -> TcpListener {
    TcpListener::from(std::io::stdin().as_fd().try_clone_to_owned().unwrap())
}
