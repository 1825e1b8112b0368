//! How far the message under way has come, and whether a frame may come next.

use super::{Config, MessageKind, ProtocolError, as_u64};
use crate::frame::{FrameHeader, MaskKey, OpCode, apply_mask};

/// The limits of what is received.
#[derive(Debug)]
pub(super) struct Limits {
    pub(super) max_message_len: u64,
    /// Not more than that of a message.
    max_frame_len: u64,
    max_fragment_count: u32,
}

impl Limits {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            max_message_len: config.message_len_limit(),
            max_frame_len: config.frame_len_limit(),
            max_fragment_count: config.max_fragment_count.unwrap_or(u32::MAX),
        }
    }

    /// Whether a message of one frame of this length is within the limits.
    #[inline]
    pub(super) const fn allow_whole(&self, len: u64) -> bool {
        len <= self.max_frame_len && self.max_fragment_count > 0
    }

    /// An error if a message would be longer than allowed.
    pub(super) const fn check_message_len(&self, len: u64) -> Result<(), ProtocolError> {
        let max = self.max_message_len;
        if len > max { Err(ProtocolError::MessageTooBig { len, max }) } else { Ok(()) }
    }
}

/// The message that is under way.
#[derive(Debug)]
pub(super) struct Progress {
    pub(super) kind: MessageKind,
    /// Whether its payload is compressed.
    pub(super) compressed: bool,
    pub(super) stage: Stage,
    /// Bytes that its frames have announced so far.
    pub(super) len: u64,
    pub(super) fragment_count: u32,
    /// Bytes that were inflated so far.
    pub(super) inflated_len: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Gathering,
    /// All of it was gathered; to be delivered next.
    Gathered,
    InParts,
    /// All of it was given out in parts; its end is to be told.
    PartsGiven,
}

impl Progress {
    /// The message that a data frame begins; `None`: it continues the one under way.
    pub(super) fn begin(
        header: &FrameHeader,
        under_way: Option<&Self>,
        stage: Stage,
    ) -> Result<Option<Self>, ProtocolError> {
        let kind = match (header.opcode, under_way) {
            (OpCode::Continuation, Some(_)) => return Ok(None),
            (OpCode::Continuation, None) => return Err(ProtocolError::StrayContinuation),
            // "the fragments of one message MUST NOT be interleaved" -- RFC 6455 §5.4
            (_, Some(_)) => return Err(ProtocolError::InterleavedMessage),
            (opcode, None) => MessageKind::of(opcode).unwrap_or(MessageKind::Binary),
        };
        let compressed = header.rsv1;
        Ok(Some(Self { kind, compressed, stage, len: 0, fragment_count: 0, inflated_len: 0 }))
    }

    /// Counts a frame in; an error if that is too much, before any memory is taken.
    pub(super) fn count(&mut self, payload_len: u64, limits: &Limits) -> Result<(), ProtocolError> {
        let max = limits.max_frame_len;
        if payload_len > max && max < limits.max_message_len {
            return Err(ProtocolError::FrameTooBig { len: payload_len, max });
        }
        self.len = self.len.saturating_add(payload_len);
        self.fragment_count = self.fragment_count.saturating_add(1);
        if self.compressed {
            // What it inflates to counts. But no message is so much longer than that.
            let max = limits.max_message_len;
            let compressed_max = max.saturating_add(max / 8).saturating_add(1024);
            if self.len > compressed_max {
                return Err(ProtocolError::MessageTooBig { len: self.len, max });
            }
        } else {
            limits.check_message_len(self.len)?;
        }
        let max = limits.max_fragment_count;
        if self.fragment_count > max {
            return Err(ProtocolError::TooManyFragments { max });
        }
        Ok(())
    }

    /// Counts inflated bytes in, likewise.
    pub(super) fn count_inflated(&mut self, len: usize, limits: &Limits) -> Result<(), ProtocolError> {
        self.inflated_len = self.inflated_len.saturating_add(as_u64(len));
        limits.check_message_len(self.inflated_len)
    }

    /// The message came to its end.
    pub(super) fn finish(&mut self) {
        self.stage = match self.stage {
            Stage::Gathering | Stage::Gathered => Stage::Gathered,
            Stage::InParts | Stage::PartsGiven => Stage::PartsGiven,
        };
    }
}

/// The payload of a data frame that is under way.
#[derive(Debug)]
pub(super) struct Payload {
    len: u64,
    taken: u64,
    mask: Option<MaskKey>,
    fin: bool,
}

impl Payload {
    pub(super) const fn new(header: &FrameHeader) -> Self {
        let FrameHeader { fin, mask, payload_len: len, .. } = *header;
        Self { len, taken: 0, mask, fin }
    }

    /// Takes `piece` as the next of the payload, its mask off.
    pub(super) fn take(&mut self, piece: &mut [u8]) {
        if let Some(key) = self.mask {
            // Only the remainder by 4 counts.
            apply_mask(piece, key, usize::try_from(self.taken % 4).unwrap_or_default());
        }
        self.taken += as_u64(piece.len());
    }

    /// Whether none of it was taken.
    pub(super) const fn is_untaken(&self) -> bool {
        self.taken == 0
    }

    /// Whether the message ends with it.
    pub(super) const fn ends_message(&self) -> bool {
        self.fin
    }

    /// How many bytes are still to come.
    pub(super) fn left(&self) -> usize {
        usize::try_from(self.len - self.taken).unwrap_or(usize::MAX)
    }

    /// Whether all of it was taken.
    pub(super) const fn is_complete(&self) -> bool {
        self.taken == self.len
    }

    /// Whether the message ends with what was taken.
    pub(super) const fn is_last(&self) -> bool {
        self.fin && self.is_complete()
    }
}
