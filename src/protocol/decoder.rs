//! Frames to messages: the receiving half of the state machine (RFC 6455 §5.2 to §5.6, §6.2).
//!
//! ```text
//! advance ─┬─ header_step ─┬─ control frame, whole ──────────────▶ Ping, Pong, Close
//!          │               └─ data frame: payload_step from here on
//!          └─ payload_step ─┬─ a message whole in the input ─────▶ Message (nothing is copied)
//!                           ├─ a piece of a longer message: gathered; at its end ▶ Gathered
//!                           └─ a piece of a message read in parts ▶ Start, Data.., End
//! ```

use core::ops::Range;

use super::deflate::Decompressor;
use super::gathering::Gathering;
use super::progress::{Limits, Payload, Progress, Stage};
use super::whole::WholeMessage;
use super::{Config, Event, Message, MessageKind, MessageRef, ProtocolError, Role, as_u64};
use crate::frame::{CloseFrame, FrameHeader, OpCode, Utf8Decoder, apply_mask};
use crate::handshake::DeflateParameters;

/// How much of a payload is gathered at a time: it is still in the nearest cache when its mask is
/// off, to be checked and copied.
const GATHERED_LEN: usize = 16 * 1024;
/// How much of a compressed payload is inflated at a time where a message is given out in
/// parts: at a ratio of 1 to 1,032 at most, that makes some 64 KiB.
const PART_LEN: usize = 64;

/// Something to hand out. Ranges are places in the input, where the mask is off already.
#[derive(Debug)]
pub(super) enum Ready {
    Message(WholeMessage),
    /// A message that was gathered.
    Gathered(MessageKind),
    Ping(Range<usize>),
    Pong(Range<usize>),
    Close(Option<CloseFrame>),
    /// Of a message that is read in parts: its first header came.
    Start(MessageKind),
    /// Of a message that is read in parts: a piece, its text checked.
    Data(Range<usize>),
    /// Likewise, a piece that was inflated.
    Inflated(Range<usize>),
    /// Of a message that is read in parts: its last piece was given.
    End,
}

/// How the caller wants a message that begins now.
#[derive(Debug, Clone, Copy)]
pub(super) enum Delivery {
    /// In one piece. A binary message in one frame of at most so many bytes, its header counted,
    /// is left in the input until all of it is there.
    Whole { waiting_len: usize },
    /// As it comes, in pieces of at most this many bytes.
    Parts(usize),
}

pub(super) enum Step {
    Ready(Ready),
    NeedsMore,
    Continue,
}

#[derive(Debug)]
pub(super) struct Decoder {
    pub(super) role: Role,
    pub(super) limits: Limits,
    /// Inflates compressed messages, where that was agreed on.
    inflate: Option<Decompressor>,
    payload: Option<Payload>,
    /// How long the last frame was, its header counted; or the one that is left in the input.
    pub(super) frame_len: usize,
    pub(super) message: Option<Progress>,
    /// Checks the text of a message that doesn't come in one piece.
    pub(super) text: Utf8Decoder,
    pub(super) gathering: Option<Box<Gathering>>,
    /// How much of what was inflated has been given out in parts.
    pub(super) given: usize,
    /// Whether what was gathered has been shown, and may be forgotten.
    pub(super) gathering_shown: bool,
    /// Whether the peer's close came: nothing after it counts.
    pub(super) closed: bool,
    pub(super) error: Option<ProtocolError>,
}

impl Decoder {
    pub(super) fn new(role: Role, config: &Config) -> Self {
        Self {
            role,
            limits: Limits::new(config),
            inflate: None,
            payload: None,
            frame_len: 0,
            message: None,
            text: Utf8Decoder::default(),
            gathering: None,
            given: 0,
            gathering_shown: false,
            closed: false,
            error: None,
        }
    }

    pub(super) fn set_deflate(&mut self, agreed: Option<&DeflateParameters>) {
        self.inflate = agreed.and_then(|agreed| Decompressor::new(self.role, agreed));
    }

    /// Whether no message is under way or shown, nothing has ended it, and no compression state is held.
    #[cfg(feature = "server")]
    pub(super) fn is_idle(&self) -> bool {
        let stateless = self.inflate.as_ref().is_none_or(Decompressor::is_stateless);
        self.is_between_messages() && stateless
    }

    /// Whether a message has begun, or what was gathered of one is still shown.
    #[inline]
    pub(super) const fn is_under_way(&self) -> bool {
        self.message.is_some() || self.gathering_shown
    }

    /// Whether what comes next begins a frame that may begin a message.
    #[inline]
    pub(super) const fn is_between_messages(&self) -> bool {
        !self.is_under_way() && !self.closed && self.error.is_none()
    }

    pub(super) const fn is_closed(&self) -> bool {
        self.closed
    }

    pub(super) const fn error(&self) -> Option<&ProtocolError> {
        self.error.as_ref()
    }

    /// Decodes `input` from `at` on, until there is something to hand out. `None`: all that
    /// can be decoded is; what is left at `at` is less than a header or a control frame.
    #[inline(never)]
    pub(super) fn advance(
        &mut self,
        input: &mut [u8],
        at: &mut usize,
        delivery: Delivery,
    ) -> Result<Option<Ready>, ProtocolError> {
        if let Some(error) = &self.error {
            *at = input.len(); // whoever drains the peer always has room to read into
            return Err(error.clone());
        }
        let result = self.advance_to_ready(input, at, delivery);
        if let Err(error) = &result {
            self.error = Some(error.clone());
        }
        result
    }

    fn advance_to_ready(
        &mut self,
        input: &mut [u8],
        at: &mut usize,
        delivery: Delivery,
    ) -> Result<Option<Ready>, ProtocolError> {
        if core::mem::take(&mut self.gathering_shown) {
            self.gathering.iter_mut().for_each(|gathering| gathering.clear());
        }
        loop {
            // Data after close is ignored: "a Close frame [...] MUST NOT send any more data
            // frames after" -- RFC 6455 §5.5.1
            if self.closed {
                *at = input.len();
                return Ok(None);
            }
            let step = match self.inflated(delivery).or_else(|| self.finished(delivery)) {
                Some(step) => step,
                None if self.payload.is_some() => self.payload_step(input, at, delivery)?,
                None => self.header_step(input, at, delivery)?,
            };
            match step {
                Step::Ready(ready) => return Ok(Some(ready)),
                Step::NeedsMore => return Ok(None),
                Step::Continue => {}
            }
        }
    }

    /// The end of a message that came to it in the step before.
    fn finished(&mut self, delivery: Delivery) -> Option<Step> {
        let progress = self.message.as_ref()?;
        let kind = progress.kind;
        match progress.stage {
            Stage::Gathering | Stage::InParts => None,
            Stage::Gathered => {
                self.message = None;
                Some(Step::Ready(Ready::Gathered(kind)))
            }
            Stage::PartsGiven => {
                self.message = None;
                // A caller who has turned to whole messages is not told of the rest.
                matches!(delivery, Delivery::Parts(_)).then_some(Step::Ready(Ready::End))
            }
        }
    }

    fn header_step(
        &mut self,
        input: &mut [u8],
        at: &mut usize,
        delivery: Delivery,
    ) -> Result<Step, ProtocolError> {
        let rest = input.get_mut(*at..).unwrap_or_default();
        let Some((header, header_len)) = FrameHeader::decode(rest)? else { return Ok(Step::NeedsMore) };
        self.check_header(&header)?;
        if header.opcode.is_control() {
            return self.control_step(&header, header_len, rest, at);
        }
        self.frame_len = usize::try_from(header.payload_len).unwrap_or(usize::MAX).saturating_add(header_len);
        if self.waits(&header, rest.len(), delivery) {
            return Ok(Step::NeedsMore);
        }
        let started = self.begin_frame(&header, delivery)?;
        *at += header_len;
        Ok(match (started, delivery) {
            (Some(kind), Delivery::Parts(_)) => Step::Ready(Ready::Start(kind)),
            _ => Step::Continue,
        })
    }

    /// Whether a frame is to be left where it is until all of it has come, which saves a copy.
    /// Text is not: what is wrong in it is to be found as it comes.
    fn waits(&self, header: &FrameHeader, came: usize, delivery: Delivery) -> bool {
        let Delivery::Whole { waiting_len } = delivery else { return false };
        let whole_message = header.fin && header.opcode == OpCode::Binary && self.message.is_none();
        let plain = whole_message && !header.rsv1 && self.limits.allow_whole(header.payload_len);
        plain && came < self.frame_len && self.frame_len <= waiting_len
    }

    /// How many bytes of the payload under way are still to come.
    pub(super) fn payload_left(&self) -> Option<usize> {
        self.payload.as_ref().map(Payload::left)
    }

    fn check_header(&self, header: &FrameHeader) -> Result<(), ProtocolError> {
        match (self.role, header.mask) {
            // "The server MUST close the connection upon receiving a frame that is not
            // masked." -- RFC 6455 §5.1
            (Role::Server, None) => return Err(ProtocolError::Unmasked),
            // "A client MUST close a connection if it detects a masked frame." -- RFC 6455 §5.1
            (Role::Client, Some(_)) => return Err(ProtocolError::Masked),
            (Role::Server, Some(_)) | (Role::Client, None) => {}
        }
        // "MUST be 0 unless an extension is negotiated that defines meanings" -- RFC 6455 §5.2
        // "An endpoint MUST NOT set the 'Per-Message Compressed' bit of control frames and
        // non-first fragments of a data message." -- RFC 7692 §6.1
        let first_of_message = matches!(header.opcode, OpCode::Text | OpCode::Binary);
        if header.rsv1 && !(first_of_message && self.inflate.is_some()) {
            return Err(ProtocolError::UnexpectedRsv1);
        }
        Ok(())
    }

    /// A control frame is taken when it is there whole: it has at most 139 bytes.
    fn control_step(
        &mut self,
        header: &FrameHeader,
        header_len: usize,
        rest: &mut [u8],
        at: &mut usize,
    ) -> Result<Step, ProtocolError> {
        let payload_len = usize::try_from(header.payload_len).unwrap_or(usize::MAX);
        let Some(payload) = rest.get_mut(header_len..header_len + payload_len) else {
            return Ok(Step::NeedsMore);
        };
        if let Some(key) = header.mask {
            apply_mask(payload, key, 0);
        }
        let start = *at + header_len;
        let range = start..start + payload_len;
        *at = range.end;
        Ok(Step::Ready(match header.opcode {
            OpCode::Ping => Ready::Ping(range),
            OpCode::Pong => Ready::Pong(range),
            OpCode::Close | OpCode::Continuation | OpCode::Text | OpCode::Binary => {
                let frame = CloseFrame::decode(payload)?;
                self.closed = true;
                Ready::Close(frame)
            }
        }))
    }

    /// Takes up a data frame, if it may come here and is within the limits. The kind of the
    /// message, if it begins one.
    fn begin_frame(
        &mut self,
        header: &FrameHeader,
        delivery: Delivery,
    ) -> Result<Option<MessageKind>, ProtocolError> {
        let stage = match delivery {
            Delivery::Whole { .. } => Stage::Gathering,
            Delivery::Parts(_) => Stage::InParts,
        };
        let started = Progress::begin(header, self.message.as_ref(), stage)?;
        let kind = started.as_ref().map(|started| started.kind);
        if started.is_some() {
            self.message = started;
        }
        if let Some(progress) = &mut self.message {
            progress.count(header.payload_len, &self.limits)?;
        }
        self.payload = Some(Payload::new(header));
        Ok(kind)
    }

    fn payload_step(
        &mut self,
        input: &mut [u8],
        at: &mut usize,
        delivery: Delivery,
    ) -> Result<Step, ProtocolError> {
        let (Some(payload), Some(progress)) = (&mut self.payload, &mut self.message) else {
            return Ok(Step::Continue);
        };
        let rest = input.get_mut(*at..).unwrap_or_default();
        let left = payload.left();
        let mut len = left.min(rest.len());
        if progress.stage == Stage::InParts {
            // The rest of one that is skipped goes the same way: little of it is held at once.
            let max_len = if let Delivery::Parts(max_len) = delivery { max_len } else { usize::MAX };
            len = len.min(if progress.compressed { PART_LEN.min(max_len) } else { max_len });
        }
        if len == 0 && left > 0 {
            return Ok(Step::NeedsMore);
        }
        let whole = payload.is_untaken() && progress.fragment_count == 1 && progress.len == as_u64(len);
        let whole = whole && payload.ends_message() && !progress.compressed;
        if progress.stage == Stage::Gathering && !whole {
            len = len.min(GATHERED_LEN);
        }
        let piece = rest.get_mut(..len).unwrap_or_default();
        payload.take(piece);
        let range = *at..*at + len;
        *at = range.end;
        let last = payload.is_last();
        if payload.is_complete() {
            self.payload = None;
        }
        match progress.stage {
            Stage::Gathering if whole => {
                let kind = progress.kind;
                self.message = None;
                let Range { start, end } = range;
                Ok(Step::Ready(Ready::Message(WholeMessage { kind, start, end })))
            }
            Stage::Gathering => self.gather(piece, last),
            _ if progress.compressed => self.gather(piece, last),
            _ => self.give_part(piece, range, last, delivery),
        }
    }

    /// Adds a piece to what is gathered: the message itself, or, of one that is given out in
    /// parts, what a piece inflates to.
    fn gather(&mut self, piece: &[u8], last: bool) -> Result<Step, ProtocolError> {
        let Self { message: Some(progress), gathering, text, limits, inflate, .. } = self else {
            return Ok(Step::Continue);
        };
        let gathering = gathering.get_or_insert_default();
        let max_len = usize::try_from(limits.max_message_len).unwrap_or(usize::MAX);
        let as_text = progress.kind == MessageKind::Text;
        let whole = progress.stage == Stage::Gathering;
        let mut push = |bytes: &[u8]| {
            if as_text {
                let (first, checked) = text.decode(bytes)?;
                if whole {
                    gathering.push_text(first, checked, max_len);
                    return Ok(());
                }
            }
            gathering.push_bytes(bytes, max_len);
            Ok(())
        };
        match inflate {
            Some(inflate) if progress.compressed => {
                inflate.decompress(piece, &mut |bytes| {
                    progress.count_inflated(bytes.len(), limits)?;
                    push(bytes)
                })?;
                if last {
                    inflate.finish()?;
                }
            }
            _ => push(piece)?,
        }
        if last {
            text.finish()?;
            progress.finish();
        }
        Ok(Step::Continue)
    }

    /// Room in the buffer of a large binary message, for its payload to be read straight
    /// into; `None` where there is no such message under way.
    pub(super) fn direct_spare(&mut self) -> Option<&mut [u8]> {
        let (payload, progress) = (self.payload.as_ref()?, self.message.as_ref()?);
        let left = payload.left();
        let plain = !progress.compressed && progress.stage == Stage::Gathering;
        let binary = plain && progress.kind == MessageKind::Binary && self.error.is_none();
        self.gathering.as_mut().filter(|_| binary)?.spare(left)
    }

    /// Says that `len` bytes of the room were filled; the length of the message if it ends there.
    pub(super) fn direct_fill(&mut self, len: usize) -> Option<usize> {
        let (Some(payload), Some(progress), Some(gathering)) =
            (&mut self.payload, &mut self.message, &mut self.gathering)
        else {
            return None;
        };
        payload.take(gathering.fill(len));
        let last = payload.is_last();
        if last {
            progress.finish();
        }
        if payload.is_complete() {
            self.payload = None;
        }
        last.then_some(gathering.filled_len())
    }

    /// What is ready, as an event that borrows; `None` of the parts of a message.
    pub(super) fn event<'a>(
        &'a mut self,
        input: &'a [u8],
        ready: Ready,
    ) -> Result<Option<Event<'a>>, ProtocolError> {
        let bytes = |range| input.get(range).unwrap_or_default();
        Ok(Some(match ready {
            Ready::Message(whole) => self.message(input, whole)?.into(),
            Ready::Gathered(kind) => self.show_gathered(kind).into(),
            Ready::Ping(range) => Event::Ping(bytes(range)),
            Ready::Pong(range) => Event::Pong(bytes(range)),
            Ready::Close(frame) => Event::Close(frame),
            Ready::Start(_) | Ready::Data(_) | Ready::Inflated(_) | Ready::End => return Ok(None),
        }))
    }

    pub(super) fn show_gathered(&mut self, kind: MessageKind) -> MessageRef<'_> {
        self.gathering_shown = true;
        self.gathering.get_or_insert_default().message(kind)
    }

    pub(super) fn take_gathered(&mut self, kind: MessageKind) -> Message {
        self.gathering.get_or_insert_default().take(kind)
    }

    /// Whether memory is kept for a message.
    #[inline]
    pub(super) const fn has_gathering(&self) -> bool {
        self.gathering.is_some()
    }

    /// Whether more memory than `len` is kept for a message.
    #[cfg(feature = "server")]
    pub(super) fn has_room_for(&self, len: usize) -> bool {
        self.gathering.as_ref().is_some_and(|gathering| gathering.capacity() > len)
    }

    /// Gives back the memory of a large message, unless it is the last that came.
    pub(super) fn trim(&mut self) {
        let frame_len = self.frame_len;
        if self.gathering.as_ref().is_some_and(|gathering| gathering.is_too_large_for(frame_len)) {
            self.release();
        }
    }

    /// Gives back memory that holds nothing of a message.
    pub(super) fn release(&mut self) {
        if !self.is_under_way() {
            self.gathering = None;
        }
    }
}
