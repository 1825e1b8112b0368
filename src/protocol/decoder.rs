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

use super::gathering::Gathering;
use super::{Config, Event, Message, MessageKind, MessageRef, ProtocolError, Role};
use crate::frame::{CloseFrame, FrameHeader, MaskKey, OpCode, Utf8Decoder, apply_mask, check_utf8};

/// The least that must have come of a message, and the least that must be missing of its
/// frame, for a read straight into its buffer.
const MIN_DIRECT_LEN: usize = 64 * 1024;

/// Something to hand out. Ranges are places in the input, where the mask is off already.
#[derive(Debug)]
pub(super) enum Ready {
    /// A message that lies whole in the input; text is not checked yet.
    Message(MessageKind, Range<usize>),
    /// A message that was gathered.
    Gathered(MessageKind),
    Ping(Range<usize>),
    Pong(Range<usize>),
    Close(Option<CloseFrame>),
    /// Of a message that is read in parts: its first header came.
    Start(MessageKind),
    /// Of a message that is read in parts: a piece, its text checked.
    Data(Range<usize>),
    /// Of a message that is read in parts: its last piece was given.
    End,
}

/// How the caller wants a message that begins now.
#[derive(Debug, Clone, Copy)]
pub(super) enum Delivery {
    /// In one piece.
    Whole,
    /// As it comes, in pieces of at most this many bytes.
    Parts(usize),
}

/// The payload of a data frame that is under way.
#[derive(Debug)]
struct Payload {
    len: u64,
    taken: u64,
    mask: Option<MaskKey>,
    fin: bool,
}

/// The message that is under way.
#[derive(Debug)]
struct Progress {
    kind: MessageKind,
    /// Bytes that its frames have announced so far.
    len: u64,
    fragment_count: u32,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Gathering,
    /// All of it was gathered; to be delivered next.
    Gathered,
    InParts,
    /// All of it was given out in parts; its end is to be told.
    PartsGiven,
}

enum Step {
    Ready(Ready),
    NeedsMore,
    Continue,
}

#[derive(Debug)]
pub(super) struct Decoder {
    role: Role,
    max_message_len: u64,
    max_frame_len: u64,
    max_fragment_count: u32,
    payload: Option<Payload>,
    message: Option<Progress>,
    /// Checks the text of a message that doesn't come in one piece.
    text: Utf8Decoder,
    gathering: Option<Box<Gathering>>,
    /// Whether what was gathered has been shown, and may be forgotten.
    gathering_shown: bool,
    /// Whether the peer's close came: nothing after it counts.
    closed: bool,
    error: Option<ProtocolError>,
}

impl Decoder {
    pub(super) fn new(role: Role, config: &Config) -> Self {
        Self {
            role,
            max_message_len: config.message_len_limit(),
            max_frame_len: config.frame_len_limit(),
            max_fragment_count: config.max_fragment_count.unwrap_or(u32::MAX),
            payload: None,
            message: None,
            text: Utf8Decoder::default(),
            gathering: None,
            gathering_shown: false,
            closed: false,
            error: None,
        }
    }

    pub(super) const fn is_closed(&self) -> bool {
        self.closed
    }

    pub(super) const fn error(&self) -> Option<&ProtocolError> {
        self.error.as_ref()
    }

    /// Decodes `input` from `at` on, until there is something to hand out. `None`: all that
    /// can be decoded is; what is left at `at` is less than a header or a control frame.
    #[inline]
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
            if let Some(ready) = self.finished(delivery) {
                return Ok(Some(ready));
            }
            let step = if self.payload.is_some() {
                self.payload_step(input, at, delivery)?
            } else {
                self.header_step(input, at, delivery)?
            };
            match step {
                Step::Ready(ready) => return Ok(Some(ready)),
                Step::NeedsMore => return Ok(None),
                Step::Continue => {}
            }
        }
    }

    /// The end of a message that came to it in the step before.
    fn finished(&mut self, delivery: Delivery) -> Option<Ready> {
        let progress = self.message.as_ref()?;
        let kind = progress.kind;
        match progress.stage {
            Stage::Gathering | Stage::InParts => None,
            Stage::Gathered => {
                self.message = None;
                Some(Ready::Gathered(kind))
            }
            Stage::PartsGiven => {
                self.message = None;
                // A caller who has turned to whole messages is not told of the rest.
                matches!(delivery, Delivery::Parts(_)).then_some(Ready::End)
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
        let started = self.begin_frame(&header, delivery)?;
        *at += header_len;
        Ok(match (started, delivery) {
            (Some(kind), Delivery::Parts(_)) => Step::Ready(Ready::Start(kind)),
            _ => Step::Continue,
        })
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
        if header.rsv1 {
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
        let started = match (header.opcode, &self.message) {
            (OpCode::Continuation, Some(_)) => None,
            (OpCode::Continuation, None) => return Err(ProtocolError::StrayContinuation),
            // "the fragments of one message MUST NOT be interleaved" -- RFC 6455 §5.4
            (_, Some(_)) => return Err(ProtocolError::InterleavedMessage),
            (OpCode::Text, None) => Some(MessageKind::Text),
            (_, None) => Some(MessageKind::Binary),
        };
        if let Some(kind) = started {
            let stage = match delivery {
                Delivery::Whole => Stage::Gathering,
                Delivery::Parts(_) => Stage::InParts,
            };
            self.message = Some(Progress { kind, len: 0, fragment_count: 0, stage });
        }
        self.check_limits(header.payload_len)?;
        let FrameHeader { fin, mask, payload_len: len, .. } = *header;
        self.payload = Some(Payload { len, taken: 0, mask, fin });
        Ok(started)
    }

    /// Counts a frame in; an error if that is too much, before any memory is taken.
    fn check_limits(&mut self, payload_len: u64) -> Result<(), ProtocolError> {
        let Some(progress) = &mut self.message else { return Ok(()) };
        let max = self.max_frame_len;
        if payload_len > max && max < self.max_message_len {
            return Err(ProtocolError::FrameTooBig { len: payload_len, max });
        }
        progress.len = progress.len.saturating_add(payload_len);
        progress.fragment_count = progress.fragment_count.saturating_add(1);
        let (len, max) = (progress.len, self.max_message_len);
        if len > max {
            return Err(ProtocolError::MessageTooBig { len, max });
        }
        let max = self.max_fragment_count;
        if progress.fragment_count > max {
            return Err(ProtocolError::TooManyFragments { max });
        }
        Ok(())
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
        let left = payload.len - payload.taken;
        let mut len = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
        if let (Stage::InParts, Delivery::Parts(max_len)) = (progress.stage, delivery) {
            len = len.min(max_len);
        }
        if len == 0 && left > 0 {
            return Ok(Step::NeedsMore);
        }
        let piece = rest.get_mut(..len).unwrap_or_default();
        let whole = payload.take(piece) && progress.fragment_count == 1 && progress.len == as_u64(len);
        let range = *at..*at + len;
        *at = range.end;
        let last = payload.is_last();
        if payload.taken == payload.len {
            self.payload = None;
        }
        match progress.stage {
            Stage::Gathering if whole && last => {
                let kind = progress.kind;
                self.message = None;
                Ok(Step::Ready(Ready::Message(kind, range)))
            }
            Stage::Gathering => self.gather(piece, last),
            _ => self.give_part(piece, range, last, delivery),
        }
    }

    fn gather(&mut self, piece: &[u8], last: bool) -> Result<Step, ProtocolError> {
        let Some(progress) = &mut self.message else { return Ok(Step::Continue) };
        let gathering = self.gathering.get_or_insert_default();
        let max_len = usize::try_from(self.max_message_len).unwrap_or(usize::MAX);
        match progress.kind {
            MessageKind::Text => {
                let (first, text) = self.text.decode(piece)?;
                gathering.push_text(first, text, max_len);
                if last {
                    self.text.finish()?;
                }
            }
            MessageKind::Binary => gathering.push_bytes(piece, max_len),
        }
        if last {
            progress.stage = Stage::Gathered;
        }
        Ok(Step::Continue)
    }

    fn give_part(
        &mut self,
        piece: &[u8],
        range: Range<usize>,
        last: bool,
        delivery: Delivery,
    ) -> Result<Step, ProtocolError> {
        let Some(progress) = &mut self.message else { return Ok(Step::Continue) };
        if progress.kind == MessageKind::Text {
            self.text.decode(piece)?;
            if last {
                self.text.finish()?;
            }
        }
        if last {
            progress.stage = Stage::PartsGiven;
        }
        Ok(match delivery {
            Delivery::Parts(_) if !range.is_empty() => Step::Ready(Ready::Data(range)),
            _ => Step::Continue,
        })
    }

    /// Room in the buffer of a large binary message, for its payload to be read straight
    /// into; `None` where there is no such message under way.
    pub(super) fn direct_spare(&mut self) -> Option<&mut [u8]> {
        let (payload, progress) = (self.payload.as_ref()?, self.message.as_ref()?);
        let left = usize::try_from(payload.len - payload.taken).unwrap_or(usize::MAX);
        let binary = progress.kind == MessageKind::Binary && progress.stage == Stage::Gathering;
        let gathering = self.gathering.as_mut()?;
        let large = left.min(gathering.filled_len()) >= MIN_DIRECT_LEN;
        (binary && large && self.error.is_none()).then(|| gathering.spare(left))
    }

    /// Says that `len` bytes of the room were filled.
    pub(super) fn direct_fill(&mut self, len: usize) {
        let (Some(payload), Some(progress), Some(gathering)) =
            (&mut self.payload, &mut self.message, &mut self.gathering)
        else {
            return;
        };
        payload.take(gathering.fill(len));
        if payload.is_last() {
            progress.stage = Stage::Gathered;
        }
        if payload.taken == payload.len {
            self.payload = None;
        }
    }

    /// What is ready, as an event that borrows; `None` of the parts of a message.
    #[inline]
    pub(super) fn event<'a>(
        &'a mut self,
        input: &'a [u8],
        ready: Ready,
    ) -> Result<Option<Event<'a>>, ProtocolError> {
        let bytes = |range| input.get(range).unwrap_or_default();
        Ok(Some(match ready {
            Ready::Message(MessageKind::Text, range) => match check_utf8(bytes(range)) {
                Ok(text) => Event::Text(text),
                Err(error) => return Err(self.error.insert(error.into()).clone()),
            },
            Ready::Message(MessageKind::Binary, range) => Event::Binary(bytes(range)),
            Ready::Gathered(kind) => match self.show_gathered(kind) {
                MessageRef::Text(text) => Event::Text(text),
                MessageRef::Binary(bytes) => Event::Binary(bytes),
            },
            Ready::Ping(range) => Event::Ping(bytes(range)),
            Ready::Pong(range) => Event::Pong(bytes(range)),
            Ready::Close(frame) => Event::Close(frame),
            Ready::Start(_) | Ready::Data(_) | Ready::End => return Ok(None),
        }))
    }

    pub(super) fn show_gathered(&mut self, kind: MessageKind) -> MessageRef<'_> {
        self.gathering_shown = true;
        self.gathering.get_or_insert_default().message(kind)
    }

    pub(super) fn take_gathered(&mut self, kind: MessageKind) -> Message {
        self.gathering.get_or_insert_default().take(kind)
    }

    /// Gives back memory that holds nothing of a message.
    pub(super) fn release(&mut self) {
        if self.message.is_none() && !self.gathering_shown {
            self.gathering = None;
        }
    }
}

impl Payload {
    /// Takes `piece` as the next of the payload, its mask off; whether it is the first.
    fn take(&mut self, piece: &mut [u8]) -> bool {
        if let Some(key) = self.mask {
            // Only the remainder by 4 counts.
            apply_mask(piece, key, usize::try_from(self.taken % 4).unwrap_or_default());
        }
        let first = self.taken == 0;
        self.taken += as_u64(piece.len());
        first
    }

    /// Whether the message ends with what was taken.
    const fn is_last(&self) -> bool {
        self.fin && self.taken == self.len
    }
}

fn as_u64(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}
