//! Sending without a copy: the payload is written from where it is.

use super::{MessageRef, Outbound, SendError, as_u64};
use crate::frame::{FrameHeader, HeaderBytes, MaskKey, OpCode};

/// Payloads from here on are lent to the caller's write instead of being copied: a copy of
/// less costs nothing beside the second piece of the write.
const MIN_LENT_LEN: usize = 256;
/// How much of a payload a client masks at a time: it is still in the cache when it is written.
/// The last piece may be twice as long.
const MASKED_LEN: usize = 64 * 1024;
/// How many pieces are given to one write at most.
const MAX_WRITE_COUNT: usize = 16;

impl Outbound {
    /// Sends a message by way of `write`, without a copy: behind what waits already, `write` is
    /// given the message's header and the payload from where it is, and says how many bytes of
    /// that it took. It is called until all is written, or it takes nothing, or fails. What is
    /// left then is queued, copied: the message is not to be sent again.
    ///
    /// A client has to mask, and so to copy: a large payload piece by piece, so that little of it
    /// is held at a time. A message that is compressed is queued first.
    ///
    /// # Errors
    /// As [`send`](Self::send), and `write` was not called; or the error of `write`.
    ///
    /// ```
    /// use talkback::protocol::{Config, Protocol, Role, SendError};
    ///
    /// let mut server = Protocol::new(Role::Server, Config::default());
    /// let mut wire = Vec::new();
    /// server.outbound().send_with("hello", |pieces| {
    ///     wire.extend(pieces.concat());
    ///     Ok::<_, SendError>(pieces.concat().len())
    /// })?;
    /// assert_eq!(wire, b"\x81\x05hello");
    /// # Ok::<(), SendError>(())
    /// ```
    #[inline]
    pub fn send_with<'m, E: From<SendError>>(
        &mut self,
        message: impl Into<MessageRef<'m>>,
        mut write: impl FnMut(&[&[u8]]) -> Result<usize, E>,
    ) -> Result<(), E> {
        let message = message.into();
        self.check_message()?;
        let payload = message.as_bytes();
        if self.compresses(payload.len()) {
            self.message(message.kind(), payload);
            return self.write_rest(Rest::default(), write);
        }
        let opcode = message.kind().opcode();
        if self.entropy.is_some() {
            return self.send_masked(opcode, payload, write);
        }
        let payload_len = as_u64(payload.len());
        let header = FrameHeader { fin: true, rsv1: false, opcode, mask: None, payload_len }.to_bytes();
        if !self.output.is_empty() {
            return self.write_rest(Rest { header, payload, mask: None }, write);
        }
        // In most cases nothing waits, and this is all there is to do.
        let written = write(&[header.as_slice(), payload]);
        if written.as_ref().is_ok_and(|&len| len == header.end + payload.len()) {
            return Ok(());
        }
        self.go_on(Rest { header, payload, mask: None }, written, write)
    }

    /// Queues a message but for the payload that is given back, which must follow all that
    /// is queued.
    #[inline]
    pub(crate) fn frame_lent<'m>(&mut self, message: MessageRef<'m>) -> Result<&'m [u8], SendError> {
        let payload = message.as_bytes();
        if self.entropy.is_some() || payload.len() < MIN_LENT_LEN || self.compresses(payload.len()) {
            self.send(message)?;
            return Ok(&[]);
        }
        self.check_message()?;
        let header = self.header(message.kind().opcode(), payload.len());
        self.queue_frame(header, &[]);
        Ok(payload)
    }

    /// Sends a client's message, masked piece by piece. Not inlined: a server's way is short.
    #[inline(never)]
    fn send_masked<E>(
        &mut self,
        opcode: OpCode,
        payload: &[u8],
        mut write: impl FnMut(&[&[u8]]) -> Result<usize, E>,
    ) -> Result<(), E> {
        let Some(entropy) = &mut self.entropy else { return Ok(()) };
        let (mask, payload_len) = (Some(MaskKey::random(entropy)), as_u64(payload.len()));
        let (piece, payload) = payload.split_at(masked_len(payload));
        self.queue_frame(FrameHeader { fin: true, rsv1: false, opcode, mask, payload_len }, piece);
        let rest = |payload| Rest { header: HeaderBytes::default(), payload, mask };
        let Some(queued) = self.output.single() else { return self.write_rest(rest(payload), write) };
        let written = write(&[queued]);
        if payload.is_empty() && written.as_ref().is_ok_and(|&len| len == queued.len()) {
            self.output.clear();
            self.queue_pong();
            return Ok(());
        }
        self.go_on(rest(payload), written, write)
    }

    /// Goes on after a write that came to `written`.
    fn go_on<E>(
        &mut self,
        mut rest: Rest<'_>,
        written: Result<usize, E>,
        write: impl FnMut(&[&[u8]]) -> Result<usize, E>,
    ) -> Result<(), E> {
        let result = match written {
            Ok(0) => Ok(()),
            Ok(len) if self.advance(&mut rest, len) => return Ok(()),
            Ok(_) => return self.write_rest(rest, write),
            Err(error) => Err(error),
        };
        self.queue_rest(&rest);
        result
    }

    /// Writes all that is queued, and `rest` behind it; queues what can't be written.
    fn write_rest<E>(
        &mut self,
        mut rest: Rest<'_>,
        mut write: impl FnMut(&[&[u8]]) -> Result<usize, E>,
    ) -> Result<(), E> {
        let result = loop {
            if self.output.is_empty() && rest.mask.is_some() {
                let (piece, payload) = rest.payload.split_at(masked_len(rest.payload));
                self.queue_payload(piece, rest.mask);
                rest.payload = payload;
            }
            let mut pieces = [&[][..]; MAX_WRITE_COUNT];
            let mut count = 0;
            for (piece, slice) in pieces.iter_mut().zip(self.output.slices_and(rest.slices())) {
                *piece = slice;
                count += 1;
            }
            match write(pieces.get(..count).unwrap_or_default()) {
                Ok(0) => break Ok(()),
                Ok(len) if self.advance(&mut rest, len) => return Ok(()),
                Ok(_) => {}
                Err(error) => break Err(error),
            }
        };
        self.queue_rest(&rest);
        result
    }

    /// Forgets the first `len` bytes of the output and what follows it: they were written.
    /// Whether that was all.
    #[inline]
    fn advance(&mut self, rest: &mut Rest<'_>, len: usize) -> bool {
        let queued = len.min(self.output.len());
        self.output.sent(queued);
        let header_len = rest.header.advance(len - queued);
        rest.payload = rest.payload.get(len - queued - header_len..).unwrap_or_default();
        let all = self.output.is_empty() && rest.payload.is_empty() && rest.header.is_empty();
        if all {
            // The pong that waits may follow when all before it is sent, but not before the
            // payload that belongs there.
            self.queue_pong();
        }
        all
    }

    /// Queues what of a message is neither queued nor written.
    #[cold]
    fn queue_rest(&mut self, rest: &Rest<'_>) {
        self.output.extend(rest.header.as_slice());
        self.queue_payload(rest.payload, rest.mask);
        // A pong that waited for what was written now waits for this.
        self.before_pong = self.before_pong.min(self.output.len());
        self.taken(0);
    }
}

/// What of a message is neither queued nor written.
#[derive(Debug, Clone, Copy, Default)]
struct Rest<'m> {
    /// A server's; a client's is queued.
    header: HeaderBytes,
    payload: &'m [u8],
    /// What a client masks the payload with.
    mask: Option<MaskKey>,
}

impl<'m> Rest<'m> {
    /// What can be written from where it is.
    fn slices(&self) -> [&[u8]; 2] {
        [self.header.as_slice(), if self.mask.is_none() { self.payload } else { &[] }]
    }
}

/// How much of a payload a client masks before it writes.
const fn masked_len(payload: &[u8]) -> usize {
    // A multiple of 4: the next piece begins at phase 0.
    if payload.len() < 2 * MASKED_LEN { payload.len() } else { MASKED_LEN }
}
