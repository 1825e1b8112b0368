//! Listening to a peer that was told goodbye.

use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};

use super::deadline;
use super::stream::never_zero;

/// For how long, even if a connection may linger without limit.
const MAX_LINGER: Duration = Duration::from_secs(60);

/// Reads and forgets what still comes, until the peer ends TCP or the time is up: closing a
/// socket that has unread input sends an RST, which would eat what was written last.
///
/// `read` reads once, and waits for so long at most.
pub(crate) fn drain(
    timeout: Option<Duration>,
    mut read: impl FnMut(Option<Duration>, &mut [u8]) -> io::Result<usize>,
) {
    let mut scrap = [0; 4096];
    let end = deadline(Some(timeout.unwrap_or(MAX_LINGER).min(MAX_LINGER)));
    loop {
        let left = end.map(|end| end.saturating_duration_since(Instant::now()));
        if left.is_some_and(|left| left.is_zero()) {
            return;
        }
        match read(never_zero(left), &mut scrap) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}
