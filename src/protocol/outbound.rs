//! The sending half: messages in, bytes out.

use bytes::Bytes;

use super::deflate::Compressor;
use super::output::Output;
use super::short::{MAX_SHORT_LEN, copy_short};
use super::{
    Config, Deflate, Event, Message, MessageKind, MessageRef, Part, Prepared, ProtocolError, Role, SendError,
    as_u64,
};
use crate::entropy::Entropy;
use crate::frame::{
    CloseFrame, FrameHeader, HEADER_ROOM, HeaderBytes, MAX_CONTROL_LEN, MaskKey, OpCode, apply_mask,
    copy_masked,
};
use crate::handshake::DeflateParameters;

/// Payloads from here on wait in a piece of their own instead of being copied.
const MIN_PIECE_LEN: usize = 4 * 1024;
/// While this much output waits, a pong goes into a slot that a later one replaces.
const PROMPT_PONG_LEN: usize = 4 * 1024;

/// The sending half of a connection. Everything is queued in order, and waits in
/// [`output`](Self::output) until the caller has written it and said so with
/// [`sent`](Self::sent).
///
/// ```
/// use talkback::protocol::{Config, Protocol, Role};
///
/// let mut server = Protocol::new(Role::Server, Config::default());
/// let outbound = server.outbound();
/// outbound.send("hi")?;
/// outbound.ping(b"?")?;
/// let bytes: Vec<u8> = outbound.output().flatten().copied().collect();
/// assert_eq!(bytes, b"\x81\x02hi\x89\x01?");
/// outbound.sent(bytes.len());
/// assert!(outbound.is_empty());
/// # Ok::<(), talkback::protocol::SendError>(())
/// ```
#[derive(Debug)]
pub struct Outbound {
    /// Where a client's mask keys come from; a server has none.
    pub(super) entropy: Option<Box<Entropy>>,
    pub(super) output: Output,
    max_output_len: u64,
    /// The message that is being sent fragment by fragment.
    fragmented: Option<MessageKind>,
    /// A pong that waits for the output before it: at most one, the latest (RFC 6455 §5.5.3).
    pong: Option<Vec<u8>>,
    /// How much of the output must still go before the waiting pong is queued.
    pub(super) before_pong: usize,
    /// Whether our close is queued, or sent.
    closed: bool,
    /// Compresses messages, where that was agreed on.
    deflate: Option<Compressor>,
}

impl Outbound {
    pub(super) fn new(role: Role, config: &Config) -> Self {
        Self {
            entropy: (role == Role::Client).then(|| Box::new(Entropy::from_system())),
            output: Output::default(),
            max_output_len: config.output_len_limit(),
            fragmented: None,
            pong: None,
            before_pong: 0,
            closed: false,
            deflate: None,
        }
    }

    pub(crate) fn set_deflate(&mut self, agreed: Option<&DeflateParameters>, options: &Deflate) {
        let role = if self.entropy.is_some() { Role::Client } else { Role::Server };
        self.deflate = agreed.and_then(|agreed| Compressor::new(role, agreed, options));
    }

    /// Whether nothing has begun and nothing waits, and no compression state is held.
    #[cfg(feature = "server")]
    pub(super) fn is_idle(&self) -> bool {
        let stateless = self.deflate.as_ref().is_none_or(Compressor::is_stateless);
        self.is_empty() && self.pong.is_none() && self.fragmented.is_none() && !self.closed && stateless
    }

    pub(super) fn set_entropy(&mut self, entropy: Entropy) {
        if let Some(own) = &mut self.entropy {
            **own = entropy;
        }
    }

    /// Queues a message, copied, and compressed if that was agreed on and it is long enough. A
    /// client masks it in the same pass.
    ///
    /// # Errors
    /// [`SendError::Closing`], [`SendError::Full`], [`SendError::Unfinished`].
    #[inline]
    pub fn send<'m>(&mut self, message: impl Into<MessageRef<'m>>) -> Result<(), SendError> {
        let message = message.into();
        self.check_message()?;
        self.message(message.kind(), message.as_bytes());
        Ok(())
    }

    /// Queues a message that is not to be compressed, copied: one that is compressed already,
    /// such as an image, or that holds a secret beside what an attacker chose.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_uncompressed<'m>(&mut self, message: impl Into<MessageRef<'m>>) -> Result<(), SendError> {
        let message = message.into();
        self.check_message()?;
        self.frame(message.kind().opcode(), true, message.as_bytes());
        Ok(())
    }

    /// Queues a message that is given away: from 4 KiB on its payload isn't copied. A
    /// client masks it in place.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_owned(&mut self, message: impl Into<Message>) -> Result<(), SendError> {
        let message = message.into();
        let len = message.as_bytes().len();
        if len < MIN_PIECE_LEN || self.compresses(len) {
            return self.send(&message);
        }
        self.check_message()?;
        let opcode = message.kind().opcode();
        let mut payload = message.into_bytes();
        let header = self.header(opcode, payload.len());
        self.queue_frame(header, &[]);
        if let Some(key) = header.mask {
            apply_mask(&mut payload, key, 0);
        }
        self.output.push(Bytes::from(payload));
        Ok(())
    }

    /// Queues a message that was framed before. A server shares its bytes from 4 KiB on,
    /// and copies less; a client has to mask, and so to copy.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_prepared(&mut self, prepared: &Prepared) -> Result<(), SendError> {
        self.check_message()?;
        if self.entropy.is_some() {
            self.message(prepared.kind(), prepared.payload());
            return Ok(());
        }
        let deflate = self.deflate.as_ref();
        let frame = prepared.frame(|bits| deflate.is_some_and(|deflate| deflate.takes_prepared(bits)));
        if frame.len() < MIN_PIECE_LEN {
            self.output.extend(frame);
        } else {
            self.output.push(frame.clone());
        }
        Ok(())
    }

    /// Queues the rest of a frame whose beginning was written by the caller, when nothing was queued.
    #[cfg(feature = "server")]
    pub(crate) fn push_rest(&mut self, rest: Bytes) {
        self.output.push(rest);
    }

    /// Queues a fragment of a message, copied. The first one begins the message, the one
    /// with `last` ends it; pings and pongs may go between.
    ///
    /// # Errors
    /// [`SendError::MixedKinds`] where it isn't of the kind of the first; [`SendError::Closing`],
    /// [`SendError::Full`].
    pub fn send_fragment<'m>(
        &mut self,
        fragment: impl Into<MessageRef<'m>>,
        last: bool,
    ) -> Result<(), SendError> {
        let fragment = fragment.into();
        let kind = fragment.kind();
        self.check_room()?;
        let opcode = match self.fragmented {
            None => kind.opcode(),
            Some(first) if first == kind => OpCode::Continuation,
            Some(_) => return Err(SendError::MixedKinds),
        };
        self.fragmented = (!last).then_some(kind);
        if !self.compressed_frame(opcode, last, fragment.as_bytes()) {
            self.frame(opcode, last, fragment.as_bytes());
        }
        Ok(())
    }

    /// Queues a ping. Its pong comes as an event.
    ///
    /// # Errors
    /// [`SendError::ControlTooLong`] above 125 bytes; [`SendError::Closing`], [`SendError::Full`].
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.control(OpCode::Ping, payload)
    }

    /// Queues a pong that answers no ping: RFC 6455 §5.5.3 allows it as a heartbeat. Those
    /// that do answer are queued without being asked for.
    ///
    /// # Errors
    /// As [`ping`](Self::ping).
    pub fn pong(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.control(OpCode::Pong, payload)
    }

    /// Queues a close, behind everything else; nothing can be sent after it. `None` gives
    /// neither code nor reason.
    ///
    /// # Errors
    /// [`SendError::Closing`] where one was queued before.
    pub fn close(&mut self, frame: impl Into<Option<CloseFrame>>) -> Result<(), SendError> {
        if self.closed {
            return Err(SendError::Closing);
        }
        self.close_once(frame.into());
        Ok(())
    }

    /// Queues without regard to what waits: what was let through before.
    #[cfg(feature = "server")]
    pub(crate) fn over_limit<R>(&mut self, queue: impl FnOnce(&mut Self) -> R) -> R {
        let max_output_len = std::mem::replace(&mut self.max_output_len, u64::MAX);
        let result = queue(self);
        self.max_output_len = max_output_len;
        result
    }

    /// Queues bytes that are no frame: the response that opens the connection.
    #[cfg(feature = "server")]
    pub(crate) fn send_raw(&mut self, bytes: &[u8]) {
        self.output.extend(bytes);
    }

    /// Queues what the RFC makes mandatory in answer to `event`: a pong for a ping, a close
    /// for a close. Of many pings whose pongs can't be sent, the latest alone is answered.
    #[inline]
    pub fn answer(&mut self, event: &Event<'_>) {
        match event {
            Event::Ping(payload) => self.answer_ping(payload),
            Event::Close(frame) => self.answer_close(frame.as_ref()),
            Event::Text(_) | Event::Binary(_) | Event::Pong(_) => {}
        }
    }

    /// As [`answer`](Self::answer), for a connection that is read in parts.
    pub fn answer_part(&mut self, part: &Part<'_>) {
        match part {
            Part::Ping(payload) => self.answer_ping(payload),
            Part::Close(frame) => self.answer_close(frame.as_ref()),
            Part::Start(_) | Part::Data(_) | Part::End | Part::Pong(_) => {}
        }
    }

    /// Queues the close that an error of the peer calls for, unless one was queued before.
    pub fn fail(&mut self, error: &ProtocolError) {
        let frame = CloseFrame::new(error.close_code(), &error.to_string());
        self.close_once(Some(frame));
    }

    fn close_once(&mut self, frame: Option<CloseFrame>) {
        if self.closed {
            return;
        }
        self.queue_pong();
        self.closed = true;
        let mut payload = Vec::with_capacity(MAX_CONTROL_LEN);
        if let Some(frame) = frame {
            frame.encode(&mut payload);
        }
        self.frame(OpCode::Close, true, &payload);
    }

    /// "When sending a Close frame in response, the endpoint typically echos the status code
    /// it received." -- RFC 6455 §5.5.1
    fn answer_close(&mut self, frame: Option<&CloseFrame>) {
        self.close_once(frame.map(|frame| CloseFrame::from(frame.code())));
    }

    fn answer_ping(&mut self, payload: &[u8]) {
        if self.closed {
            return;
        }
        if self.pong.is_none() && self.output.len() < PROMPT_PONG_LEN {
            self.frame(OpCode::Pong, true, payload);
            return;
        }
        let before = self.output.len();
        let pong = self.pong.get_or_insert_with(|| {
            self.before_pong = before;
            Vec::new()
        });
        pong.clear();
        pong.extend_from_slice(payload);
    }

    #[inline]
    pub(super) fn queue_pong(&mut self) {
        if self.pong.is_some() {
            self.queue_waiting_pong();
        }
    }

    #[cold]
    fn queue_waiting_pong(&mut self) {
        if let Some(payload) = self.pong.take() {
            self.frame(OpCode::Pong, true, &payload);
        }
    }

    /// What waits to be written, in order. Write as much as the peer takes, in one vectored
    /// write if possible, then call [`sent`](Self::sent).
    #[inline]
    pub fn output(&self) -> impl Iterator<Item = &[u8]> {
        self.output.slices()
    }

    /// What waits to be written, if it lies in one piece.
    #[cfg(feature = "server")]
    pub(crate) fn output_in_one(&self) -> Option<&[u8]> {
        self.output.single()
    }

    /// Says that the first `len` bytes of the output were written.
    #[inline]
    pub fn sent(&mut self, len: usize) {
        self.output.sent(len);
        self.taken(len);
    }

    /// Moves all that waits into `output`, which is to be written by somebody else.
    pub(crate) fn take_output(&mut self, output: &mut Output) {
        let len = self.output.len();
        output.append(&mut self.output);
        self.taken(len);
    }

    #[inline]
    pub(super) fn taken(&mut self, len: usize) {
        self.before_pong = self.before_pong.saturating_sub(len);
        if self.before_pong == 0 && self.pong.is_some() {
            self.queue_pong();
        }
    }

    /// How many bytes wait to be written.
    #[must_use]
    pub const fn output_len(&self) -> usize {
        self.output.len()
    }

    /// Whether nothing waits to be written.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.output.is_empty()
    }

    /// Whether our close was queued: nothing more can be sent.
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        self.closed
    }

    /// Whether more waits than `Config::max_output_len`: a message would be refused.
    #[must_use]
    #[inline]
    pub fn is_full(&self) -> bool {
        as_u64(self.output.len()) > self.max_output_len
    }

    /// Gives back the buffers that hold nothing.
    pub fn release(&mut self) {
        self.output.release();
    }

    fn control(&mut self, opcode: OpCode, payload: &[u8]) -> Result<(), SendError> {
        if payload.len() > MAX_CONTROL_LEN {
            return Err(SendError::ControlTooLong { len: payload.len() });
        }
        self.check_room()?;
        self.frame(opcode, true, payload);
        Ok(())
    }

    #[inline]
    pub(super) fn check_message(&self) -> Result<(), SendError> {
        if self.fragmented.is_some() {
            return Err(self.check_room().err().unwrap_or(SendError::Unfinished));
        }
        self.check_room()
    }

    #[inline]
    fn check_room(&self) -> Result<(), SendError> {
        if self.closed || self.is_full() { Err(self.refusal()) } else { Ok(()) }
    }

    #[cold]
    fn refusal(&self) -> SendError {
        if self.closed {
            return SendError::Closing;
        }
        SendError::Full { len: as_u64(self.output.len()), max: self.max_output_len }
    }

    /// Whether a whole message of this length is compressed.
    #[inline]
    pub(super) fn compresses(&self, len: usize) -> bool {
        self.deflate.as_ref().is_some_and(|deflate| deflate.is_worthwhile(len))
    }

    /// Queues a whole message, compressed if that is worth it.
    #[inline]
    pub(super) fn message(&mut self, kind: MessageKind, payload: &[u8]) {
        let plain = self.entropy.is_none() && self.deflate.is_none();
        if !(plain && self.queue_short(kind, payload)) {
            self.any_message(kind, payload);
        }
    }

    /// Queues a short message, neither masked nor compressed, where there is room for it already: the common case
    /// of a server, without a call. `false`: nothing was queued.
    #[inline]
    fn queue_short(&mut self, kind: MessageKind, payload: &[u8]) -> bool {
        if payload.len() > MAX_SHORT_LEN {
            return false;
        }
        let (opcode, payload_len) = (kind.opcode(), as_u64(payload.len()));
        let header = FrameHeader { fin: true, rsv1: false, opcode, mask: None, payload_len };
        let HeaderBytes { bytes, end: header_len, .. } = header.to_bytes();
        let Some(tail) = self.output.roomy_tail(HEADER_ROOM + MAX_SHORT_LEN) else { return false };
        let room = tail.rest();
        if let Some(start) = room.first_chunk_mut() {
            *start = bytes;
        }
        if let Some(body) = room.get_mut(header_len..header_len + payload.len()) {
            copy_short(body, payload);
        }
        tail.fill(header_len + payload.len());
        true
    }

    #[inline(never)]
    fn any_message(&mut self, kind: MessageKind, payload: &[u8]) {
        let done = self.compresses(payload.len()) && self.compressed_frame(kind.opcode(), true, payload);
        if !done {
            self.frame(kind.opcode(), true, payload);
        }
    }

    /// Queues a frame, its payload compressed where it will stand; the header follows from
    /// that and is put before it. `false`: a whole message didn't shrink, and nothing is queued.
    fn compressed_frame(&mut self, opcode: OpCode, fin: bool, payload: &[u8]) -> bool {
        let Some(deflate) = &mut self.deflate else { return false };
        let whole = fin && opcode != OpCode::Continuation;
        let must_shrink = whole && deflate.may_change_its_mind();
        let entropy = self.entropy.as_mut();
        self.output.tail(HEADER_ROOM + payload.len()).append(|tail| {
            let start = tail.len();
            let body = start + HEADER_ROOM;
            tail.resize(body, 0);
            deflate.compress(payload, fin, tail);
            let len = tail.len() - body;
            if must_shrink && len >= payload.len() {
                tail.truncate(start);
                return false;
            }
            let mask = entropy.map(|entropy| MaskKey::random(entropy));
            // "the 'Per-Message Compressed' bit [is set] on the first fragment" -- RFC 7692 §6.1
            let rsv1 = opcode != OpCode::Continuation;
            let header = FrameHeader { fin, rsv1, opcode, mask, payload_len: as_u64(len) };
            if let (Some(key), Some(body)) = (mask, tail.get_mut(body..)) {
                apply_mask(body, key, 0);
            }
            tail.splice(start..body, header.to_bytes().as_slice().iter().copied());
            true
        })
    }

    /// Queues a frame, its payload copied.
    #[inline]
    fn frame(&mut self, opcode: OpCode, fin: bool, payload: &[u8]) {
        let header = self.header(opcode, payload.len());
        self.queue_frame(FrameHeader { fin, ..header }, payload);
    }

    /// Queues a header and `piece`, the first of its payload, copied. Always inlined: a header
    /// is written to memory byte by byte, and to read it back as words takes longer than all this.
    #[inline(always)]
    pub(super) fn queue_frame(&mut self, header: FrameHeader, piece: &[u8]) {
        let HeaderBytes { bytes, end: header_len, .. } = header.to_bytes();
        let room_len = HEADER_ROOM + piece.len();
        let tail = self.output.tail(room_len);
        let room = tail.room(room_len);
        if let Some(start) = room.first_chunk_mut() {
            *start = bytes;
        }
        if let Some(body) = room.get_mut(header_len..header_len + piece.len()) {
            copy(body, piece, header.mask);
        }
        tail.fill(header_len + piece.len());
    }

    /// Queues a copy of a piece of a payload.
    pub(super) fn queue_payload(&mut self, piece: &[u8], mask: Option<MaskKey>) {
        let tail = self.output.tail(piece.len());
        if let Some(room) = tail.room(piece.len()).get_mut(..piece.len()) {
            copy(room, piece, mask);
        }
        tail.fill(piece.len());
    }

    /// The header of a whole message.
    #[inline]
    pub(super) fn header(&mut self, opcode: OpCode, payload_len: usize) -> FrameHeader {
        // "A client MUST mask all frames that it sends to the server", "A server MUST NOT mask
        // any frames that it sends to the client" -- RFC 6455 §5.1
        let mask = self.entropy.as_mut().map(|entropy| MaskKey::random(entropy));
        FrameHeader { fin: true, rsv1: false, opcode, mask, payload_len: as_u64(payload_len) }
    }
}

/// Copies a payload, masked if it is a client's.
#[inline]
fn copy(out: &mut [u8], payload: &[u8], mask: Option<MaskKey>) {
    match mask {
        Some(key) => copy_masked(out, payload, key),
        None => out.copy_from_slice(payload),
    }
}
