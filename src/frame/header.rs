//! The bytes before a payload: RFC 6455 §5.2.

use bytes::BufMut;

use super::{FrameError, MaskKey, OpCode};

/// The most bytes that a header can have: two, a 64-bit length, a mask key.
pub const MAX_HEADER_LEN: usize = 14;
/// The most payload bytes of a close, ping or pong (RFC 6455 §5.5).
pub const MAX_CONTROL_LEN: usize = 125;

/// Room that a header can be stored in with one instruction.
pub(crate) const HEADER_ROOM: usize = 16;

const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;
const RSV2_AND_3: u8 = 0x30;
const MASKED: u8 = 0x80;
/// The 7-bit length that says: the next two bytes are the length.
const LEN_16: u8 = 126;
/// The 7-bit length that says: the next eight bytes are the length.
const LEN_64: u8 = 127;

/// What stands before a frame's payload.
///
/// ```
/// use talkback::frame::{FrameHeader, OpCode};
///
/// let (header, len) = FrameHeader::decode(b"\x81\x05Hello")?.expect("all of it is here");
/// assert_eq!((header.opcode, header.payload_len, len), (OpCode::Text, 5, 2));
/// assert_eq!(FrameHeader::decode(b"\x81")?, None);
///
/// let mut bytes = Vec::new();
/// header.encode(&mut bytes);
/// assert_eq!(bytes, b"\x81\x05");
/// # Ok::<(), talkback::frame::FrameError>(())
/// ```
#[expect(clippy::exhaustive_structs, reason = "the fields of RFC 6455 §5.2; RSV2 and RSV3 have no meaning")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHeader {
    /// Whether this frame is the last of its message.
    pub fin: bool,
    /// RSV1: the message is compressed, where permessage-deflate was agreed on.
    pub rsv1: bool,
    /// What the payload is.
    pub opcode: OpCode,
    /// The key that a client's payload is masked with; `None` from a server.
    pub mask: Option<MaskKey>,
    /// Bytes of payload after the header, as announced: 0 to 2^63 - 1.
    pub payload_len: u64,
}

impl FrameHeader {
    /// Reads a header at the start of `bytes`: it, and how many bytes it takes (2 to 14).
    /// `None`: more bytes are needed. Costs no allocation; nothing is kept between calls.
    ///
    /// # Errors
    /// Whatever the header alone shows to be wrong, as soon as it is seen: RSV2 or RSV3, a
    /// reserved opcode, a control frame that is fragmented or announces more than 125
    /// bytes, a length not in its shortest form or with its top bit set.
    #[inline]
    pub fn decode(bytes: &[u8]) -> Result<Option<(Self, usize)>, FrameError> {
        let [first, second, rest @ ..] = bytes else { return Ok(None) };
        let (fin, rsv1) = (first & FIN != 0, first & RSV1 != 0);
        // "MUST be 0 unless an extension is negotiated that defines meanings" -- RFC 6455 §5.2
        if first & RSV2_AND_3 != 0 {
            return Err(FrameError::ReservedBits);
        }
        let bits = first & 0x0f;
        let opcode = OpCode::from_bits(bits).ok_or(FrameError::ReservedOpCode { bits })?;
        let short_len = second & !MASKED;
        if opcode.is_control() {
            check_control(fin, short_len)?;
        }
        let Some((payload_len, mask, rest)) = decode_len_and_mask(*second, rest)? else { return Ok(None) };
        let header = Self { fin, rsv1, opcode, mask, payload_len };
        Ok(Some((header, bytes.len() - rest.len())))
    }

    /// The same of a frame that is a whole message, not compressed, and nothing is wrong with. `None`:
    /// anything else. Most frames are such, and there is less to look at: a quarter of the time.
    #[inline]
    pub(crate) fn decode_message(bytes: &[u8]) -> Option<(Self, usize)> {
        const TEXT: u8 = FIN | OpCode::Text.bits();
        const BINARY: u8 = FIN | OpCode::Binary.bits();
        let [first @ (TEXT | BINARY), second, rest @ ..] = bytes else { return None };
        let opcode = if *first == TEXT { OpCode::Text } else { OpCode::Binary };
        let (payload_len, mask, rest) = decode_len_and_mask(*second, rest).ok()??;
        let header = Self { fin: true, rsv1: false, opcode, mask, payload_len };
        Some((header, bytes.len() - rest.len()))
    }

    /// Appends the header, with the length in its shortest form: 2 to 14 bytes.
    #[inline]
    pub fn encode(&self, out: &mut impl BufMut) {
        out.put_slice(self.to_bytes().as_slice());
    }

    /// The header on the wire. It is put together in registers, and can be stored in one go.
    #[inline]
    pub(crate) fn to_bytes(self) -> HeaderBytes {
        let flag = |on: bool, bit: u8| if on { bit } else { 0 };
        let first = flag(self.fin, FIN) | flag(self.rsv1, RSV1) | self.opcode.bits();
        let masked = flag(self.mask.is_some(), MASKED);
        let (key, key_len) = self.mask.map_or((0, 0), |MaskKey(key)| (u32::from_le_bytes(key), key.len()));
        let start = |short_len: u8| u64::from(first) | u64::from(masked | short_len) << 8;
        // Low bytes first, but the length is "in network byte order" -- RFC 6455 §5.2
        let (bits, len) = if let Some(short) = self.short_len() {
            (u128::from(start(short) | u64::from(key) << 16), 2)
        } else if let Ok(long) = u16::try_from(self.payload_len) {
            (u128::from(start(LEN_16) | u64::from(long.swap_bytes()) << 16 | u64::from(key) << 32), 4)
        } else {
            let long = u128::from(self.payload_len.swap_bytes()) << 16;
            (u128::from(start(LEN_64)) | long | u128::from(key) << 80, 10)
        };
        HeaderBytes { bytes: bits.to_le_bytes(), start: 0, end: len + key_len }
    }

    /// The payload's length, if it fits the header's second byte.
    fn short_len(&self) -> Option<u8> {
        u8::try_from(self.payload_len).ok().filter(|&len| len < LEN_16)
    }
}

/// A header on the wire, or what is left of it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct HeaderBytes {
    pub(crate) bytes: [u8; HEADER_ROOM],
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl HeaderBytes {
    #[inline]
    pub(crate) fn as_slice(&self) -> &[u8] {
        self.bytes.get(self.start..self.end).unwrap_or_default()
    }

    #[inline]
    pub(crate) const fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Forgets up to `len` bytes at the start; how many.
    #[inline]
    pub(crate) fn advance(&mut self, len: usize) -> usize {
        let len = len.min(self.end - self.start);
        self.start += len;
        len
    }
}

/// "All control frames MUST have a payload length of 125 bytes or less and MUST NOT be
/// fragmented" -- RFC 6455 §5.5
fn check_control(fin: bool, short_len: u8) -> Result<(), FrameError> {
    if !fin {
        return Err(FrameError::FragmentedControl);
    }
    if short_len >= LEN_16 {
        return Err(FrameError::ControlTooLong);
    }
    Ok(())
}

/// What the header goes on with, and what follows it; `None`: more bytes are needed.
#[inline(always)]
#[expect(clippy::type_complexity, reason = "the two fields, and the rest")]
fn decode_len_and_mask(second: u8, rest: &[u8]) -> Result<Option<(u64, Option<MaskKey>, &[u8])>, FrameError> {
    let Some((payload_len, rest)) = decode_len(second & !MASKED, rest)? else { return Ok(None) };
    if second & MASKED == 0 {
        return Ok(Some((payload_len, None, rest)));
    }
    let Some((key, rest)) = rest.split_first_chunk::<4>() else { return Ok(None) };
    Ok(Some((payload_len, Some(MaskKey(*key)), rest)))
}

/// The payload's length, and what follows it; `None`: more bytes are needed.
#[inline]
fn decode_len(short_len: u8, rest: &[u8]) -> Result<Option<(u64, &[u8])>, FrameError> {
    let (len, rest, least) = match short_len {
        LEN_16 => {
            let Some((len, rest)) = rest.split_first_chunk::<2>() else { return Ok(None) };
            (u64::from(u16::from_be_bytes(*len)), rest, u64::from(LEN_16))
        }
        LEN_64 => {
            let Some((len, rest)) = rest.split_first_chunk::<8>() else { return Ok(None) };
            (u64::from_be_bytes(*len), rest, 1 << 16)
        }
        len => return Ok(Some((u64::from(len), rest))),
    };
    // "the minimal number of bytes MUST be used to encode the length" -- RFC 6455 §5.2
    if len < least {
        return Err(FrameError::LengthNotMinimal);
    }
    // "the most significant bit MUST be 0" -- RFC 6455 §5.2
    if len > u64::MAX >> 1 {
        return Err(FrameError::LengthTopBit);
    }
    Ok(Some((len, rest)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn header(opcode: OpCode, payload_len: u64, mask: Option<[u8; 4]>) -> FrameHeader {
        FrameHeader { fin: true, rsv1: false, opcode, mask: mask.map(MaskKey), payload_len }
    }

    #[test]
    fn lengths_at_the_edges_of_their_forms() {
        for (len, bytes) in [
            (0, &b"\x82\x00"[..]),
            (125, b"\x82\x7d"),
            (126, b"\x82\x7e\x00\x7e"),
            (65_535, b"\x82\x7e\xff\xff"),
            (65_536, b"\x82\x7f\0\0\0\0\0\x01\0\0"),
            (u64::MAX >> 1, b"\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff"),
        ] {
            let header = header(OpCode::Binary, len, None);
            let mut encoded = Vec::new();
            header.encode(&mut encoded);
            assert_eq!(encoded, bytes);
            assert_eq!(FrameHeader::decode(bytes), Ok(Some((header, bytes.len()))));
        }
    }

    #[test]
    fn bad_headers() {
        for (bytes, error) in [
            (&b"\x92\x00"[..], FrameError::ReservedBits),
            (b"\xa2\x00", FrameError::ReservedBits),
            (b"\x09\x00", FrameError::FragmentedControl),
            (b"\x89\x7e", FrameError::ControlTooLong),
            (b"\x88\x7f", FrameError::ControlTooLong),
            (b"\x82\x7e\x00\x7d", FrameError::LengthNotMinimal),
            (b"\x82\x7f\0\0\0\0\0\0\xff\xff", FrameError::LengthNotMinimal),
            (b"\x82\x7f\x80\0\0\0\0\0\0\0", FrameError::LengthTopBit),
        ] {
            assert_eq!(FrameHeader::decode(bytes), Err(error), "{bytes:x?}");
        }
        for bits in (0x3..=0x7).chain(0xb..=0xf) {
            assert_eq!(FrameHeader::decode(&[0x80 | bits, 0]), Err(FrameError::ReservedOpCode { bits }));
        }
    }

    proptest! {
        #[test]
        fn decode_inverts_encode_and_prefixes_need_more(
            fin: bool, rsv1: bool, bits in 0_u8..3,
            mask in proptest::option::of(any::<[u8; 4]>()),
            payload_len in prop_oneof![0_u64..200, 60_000_u64..70_000, 0_u64..=u64::MAX >> 1],
        ) {
            let opcode = OpCode::from_bits(bits).unwrap();
            let header = FrameHeader { fin, rsv1, opcode, mask: mask.map(MaskKey), payload_len };
            let mut bytes = Vec::new();
            header.encode(&mut bytes);
            prop_assert!(bytes.len() <= MAX_HEADER_LEN);
            for cut in 0..bytes.len() {
                prop_assert_eq!(FrameHeader::decode(&bytes[..cut]), Ok(None));
            }
            let len = bytes.len();
            bytes.extend_from_slice(b"payload");
            prop_assert_eq!(FrameHeader::decode(&bytes), Ok(Some((header, len))));
        }

        #[test]
        fn garbage_is_a_header_or_a_named_error(bytes: [u8; MAX_HEADER_LEN]) {
            if let Ok(decoded) = FrameHeader::decode(&bytes) {
                prop_assert!(decoded.is_some());
            }
        }
    }
}
