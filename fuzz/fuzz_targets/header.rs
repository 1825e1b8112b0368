//! Frame headers: what is accepted is written back as it was, what is refused breaks the rule that the error
//! names, and a prefix says the same or asks for more.
#![no_main]

use libfuzzer_sys::fuzz_target;
use talkback::frame::{FrameError, FrameHeader, MAX_HEADER_LEN};

fuzz_target!(|bytes: &[u8]| {
    let bytes = &bytes[..bytes.len().min(MAX_HEADER_LEN + 4)];
    let whole = FrameHeader::decode(bytes);
    for len in 0..bytes.len() {
        let prefix = FrameHeader::decode(&bytes[..len]);
        assert!(prefix == Ok(None) || prefix == whole, "{prefix:?} of {len} bytes, then {whole:?}");
        if let Ok(Some((_, header_len))) = whole {
            assert_eq!(prefix.is_ok_and(|header| header.is_some()), len >= header_len);
        }
    }
    match whole {
        Ok(None) => {
            assert!(bytes.len() < MAX_HEADER_LEN);
            let longest = [bytes, &[0x80; MAX_HEADER_LEN]].concat();
            assert_ne!(FrameHeader::decode(&longest), Ok(None));
        }
        Ok(Some((header, len))) => check_accepted(header, &bytes[..len]),
        Err(error) => check_refused(&error, bytes),
    }
});

fn check_accepted(header: FrameHeader, bytes: &[u8]) {
    let mut encoded = Vec::new();
    header.encode(&mut encoded);
    assert_eq!(encoded, bytes);
    assert_eq!((header.fin, header.rsv1, header.mask.is_some()), flags(bytes));
    assert_eq!(bytes[0] & 0x30, 0);
    assert!(header.payload_len <= u64::MAX >> 1);
    assert!(!header.opcode.is_control() || header.fin && header.payload_len <= 125);
}

fn flags(bytes: &[u8]) -> (bool, bool, bool) {
    (bytes[0] & 0x80 != 0, bytes[0] & 0x40 != 0, bytes[1] & 0x80 != 0)
}

fn check_refused(error: &FrameError, bytes: &[u8]) {
    let (bits, short_len) = (bytes[0] & 0x0f, bytes[1] & 0x7f);
    let long_len = bytes[2..].first_chunk().map_or(0, |len| u64::from_be_bytes(*len));
    assert!(match error {
        FrameError::ReservedBits => bytes[0] & 0x30 != 0,
        FrameError::ReservedOpCode { bits: named } => *named == bits && matches!(bits, 3..=7 | 11..=15),
        FrameError::FragmentedControl => bits >= 8 && bytes[0] & 0x80 == 0,
        FrameError::ControlTooLong => bits >= 8 && short_len > 125,
        FrameError::LengthNotMinimal if short_len == 126 => bytes[2] == 0 && bytes[3] < 126,
        FrameError::LengthNotMinimal => short_len == 127 && long_len <= 0xffff,
        FrameError::LengthTopBit => short_len == 127 && bytes[2] & 0x80 != 0,
        _ => false,
    });
}
