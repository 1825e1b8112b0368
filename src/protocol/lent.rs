//! Decoding in a buffer that many connections share.

use super::decoder::Delivery;
use super::whole::WholeMessage;
use super::{Event, Inbound, MessageRef, Outbound, ProtocolError};
use crate::frame::{MAX_CONTROL_LEN, MAX_HEADER_LEN};

/// What may be left over at the end of a read: less than this.
const MAX_LEFTOVER: usize = MAX_HEADER_LEN + MAX_CONTROL_LEN;

/// Bytes lent to a connection, to be decoded where they are: see
/// [`Protocol::lend`](super::Protocol::lend).
///
/// Take events until there are none. Dropping it keeps what is left: at most the 138 bytes
/// of an unfinished header or control frame, unless events were not taken.
///
/// ```
/// use talkback::protocol::{Config, Event, Protocol, Role};
///
/// let mut shared = *b"\x81\x02hi\x81\x05hal"; // a message, and some of another
/// let mut client = Protocol::new(Role::Client, Config::default());
/// let mut lent = client.lend(&mut shared);
/// assert_eq!(lent.next_event()?.map(|(event, _)| event), Some(Event::Text("hi")));
/// assert!(lent.next_event()?.is_none());
/// drop(lent);
///
/// shared[..2].copy_from_slice(b"lo"); // the next read, perhaps after those of others
/// let mut lent = client.lend(&mut shared[..2]);
/// assert_eq!(lent.next_event()?.map(|(event, _)| event), Some(Event::Text("hallo")));
/// # Ok::<(), talkback::protocol::ProtocolError>(())
/// ```
#[derive(Debug)]
pub struct Lent<'a> {
    inbound: &'a mut Inbound,
    outbound: &'a mut Outbound,
    input: &'a mut [u8],
    at: usize,
    /// How many bytes before `at` were copied to the window, and not decoded there.
    copied: usize,
    /// Whether a whole message may be next: known once, and not looked up for each.
    between_messages: bool,
}

impl<'a> Lent<'a> {
    pub(super) const fn new(
        inbound: &'a mut Inbound,
        outbound: &'a mut Outbound,
        input: &'a mut [u8],
    ) -> Self {
        Self { inbound, outbound, input, at: 0, copied: 0, between_messages: false }
    }

    /// The next event, and the half to answer with; `None`: all that can be decoded is, or
    /// the peer has closed.
    ///
    /// # Errors
    /// See [`ProtocolError`]. The close that it calls for is queued.
    #[inline]
    pub fn next_event(&mut self) -> Result<Option<(Event<'_>, &mut Outbound)>, ProtocolError> {
        match self.whole_message() {
            Some(whole) => self.show(whole).map(|(message, outbound)| Some((message.into(), outbound))),
            None if self.is_used_up() => Ok(None),
            None => self.next_other_event(),
        }
    }

    /// Whether all was taken, and nothing had to be kept: so most reads end.
    #[inline]
    pub(crate) const fn is_used_up(&self) -> bool {
        self.between_messages && self.at == self.input.len()
    }

    /// A whole message in the bytes lent, if one is next, to be [shown](Self::show): the common case. Always
    /// inlined: what it finds is then passed on in registers.
    #[inline(always)]
    pub(crate) fn whole_message(&mut self) -> Option<WholeMessage> {
        let Self { inbound, input, at, between_messages, .. } = self;
        if !*between_messages {
            // What was left over comes first.
            *between_messages = inbound.window.is_empty() && inbound.is_between_messages();
        }
        if *between_messages { inbound.decoder.whole_message(input, at) } else { None }
    }

    /// A whole message, its text checked. Nothing has to be answered.
    #[inline(always)]
    pub(crate) fn show(
        &mut self,
        whole: WholeMessage,
    ) -> Result<(MessageRef<'_>, &mut Outbound), ProtocolError> {
        match self.inbound.decoder.message(self.input, whole) {
            Ok(message) => Ok((message, self.outbound)),
            Err(error) => {
                self.between_messages = false;
                self.outbound.fail(&error);
                Err(error)
            }
        }
    }

    /// As [`next_event`](Self::next_event), where no [`whole_message`](Self::whole_message) is next, and it isn't
    /// [used up](Self::is_used_up).
    #[inline(never)]
    pub(crate) fn next_other_event(&mut self) -> Result<Option<(Event<'_>, &mut Outbound)>, ProtocolError> {
        let Self { inbound, outbound, input, at, copied, between_messages } = self;
        *between_messages = false;
        match decode(inbound, input, at, copied) {
            Ok(Some(event)) => {
                outbound.answer(&event);
                Ok(Some((event, outbound)))
            }
            Ok(None) => Ok(None),
            Err(error) => {
                outbound.fail(&error);
                Err(error)
            }
        }
    }
}

impl Drop for Lent<'_> {
    #[inline]
    fn drop(&mut self) {
        if !(self.is_used_up() && self.inbound.holds_nothing()) {
            self.keep_rest();
        }
    }
}

impl Lent<'_> {
    #[inline(never)]
    fn keep_rest(&mut self) {
        self.inbound.decoder.trim();
        let rest = self.input.get(self.at..).unwrap_or_default();
        if self.inbound.is_closed() || self.inbound.error().is_some() {
            self.inbound.window.clear(); // nothing that still comes counts
            self.inbound.window.release();
        } else if rest.is_empty() {
            self.inbound.window.release();
        } else {
            self.inbound.window.compact();
            self.inbound.window.push(rest);
        }
    }
}

/// The next event: of what was left over first, then of the bytes lent.
fn decode<'a>(
    inbound: &'a mut Inbound,
    input: &'a mut [u8],
    at: &mut usize,
    copied: &mut usize,
) -> Result<Option<Event<'a>>, ProtocolError> {
    while !inbound.window.is_empty() || inbound.ready.is_some() {
        if inbound.poll_whole(0)? {
            step_back(inbound, at, copied);
            return inbound.next_event();
        }
        let room = MAX_LEFTOVER.saturating_sub(inbound.window.len());
        let rest = input.get(*at..).unwrap_or_default();
        let piece = rest.get(..room).unwrap_or(rest);
        if piece.is_empty() {
            break;
        }
        inbound.window.compact();
        inbound.window.push(piece);
        *at += piece.len();
        *copied += piece.len();
    }
    if !inbound.window.is_empty() {
        return Ok(None);
    }
    match inbound.decoder.advance(input, at, Delivery::Whole { waiting_len: 0 })? {
        Some(ready) => inbound.decoder.event(input, ready),
        None => Ok(None),
    }
}

/// Once the leftover frame is complete, what was copied behind it is decoded in place.
fn step_back(inbound: &mut Inbound, at: &mut usize, copied: &mut usize) {
    let undecoded = inbound.window.len();
    if undecoded <= *copied {
        *at -= undecoded;
        *copied = 0;
        inbound.window.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Config, Protocol, Role};
    use super::*;

    fn frames() -> Vec<u8> {
        let mut server = Protocol::new(Role::Server, Config::default());
        let outbound = server.outbound();
        for len in [0, 1, 125, 126, 3, 1000, 5, 70_000, 2] {
            outbound.send(&vec![7; len]).unwrap();
            outbound.ping(&[1; 125]).unwrap();
            outbound.send(&"x".repeat(len)).unwrap();
        }
        outbound.output().flatten().copied().collect()
    }

    fn events(event: Event<'_>) -> (bool, Vec<u8>) {
        match event {
            Event::Text(text) => (true, text.as_bytes().to_vec()),
            Event::Binary(bytes) | Event::Ping(bytes) | Event::Pong(bytes) => (false, bytes.to_vec()),
            Event::Close(_) => unreachable!("none was sent"),
        }
    }

    #[test]
    fn any_size_of_read_gives_the_same_events() {
        let bytes = frames();
        let mut expected = None;
        for size in [1, 2, 13, 14, 137, 138, 139, 140, 300, 4096, 70_000, bytes.len()] {
            let mut client = Protocol::new(Role::Client, Config::default());
            let mut got = Vec::new();
            for piece in bytes.chunks(size) {
                let mut shared = piece.to_vec();
                let mut lent = client.lend(&mut shared);
                while let Some((event, _)) = lent.next_event().unwrap() {
                    got.push(events(event));
                }
                drop(lent);
                assert!(client.inbound.window.len() < MAX_LEFTOVER);
            }
            assert_eq!(got.len(), 27);
            assert_eq!(expected.get_or_insert_with(|| got.clone()), &got, "{size}");
        }
    }

    #[test]
    fn events_that_were_not_taken_are_not_lost() {
        let bytes = frames();
        let mut client = Protocol::new(Role::Client, Config::default());
        let mut count = 0;
        for piece in bytes.chunks(600) {
            let mut shared = piece.to_vec();
            let mut lent = client.lend(&mut shared);
            count += usize::from(lent.next_event().unwrap().is_some()); // one a read at most
        }
        while client.next_event().unwrap().is_some() {
            count += 1;
        }
        assert_eq!(count, 27);
    }

    #[test]
    fn an_idle_connection_holds_no_window() {
        let mut client = Protocol::new(Role::Client, Config::default());
        let mut shared = *b"\x81\x02hi\x81";
        assert!(client.lend(&mut shared).next_event().unwrap().is_some());
        let mut shared = *b"\x02ho";
        let message = client.lend(&mut shared).next_event().unwrap().map(|(event, _)| events(event));
        assert_eq!(message, Some((true, b"ho".to_vec())));
        drop(client.lend(&mut []));
        assert_eq!(
            format!("{:?}", client.inbound.window),
            format!("{:?}", super::super::buffer::Buffer::default())
        );
    }
}
