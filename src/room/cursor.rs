//! Where a reader is in a log, and how that is written.

use std::fmt;
use std::str::FromStr;

/// How many digits an epoch is written with.
const EPOCH_LEN: usize = 16;
/// The longest cursor as text, in bytes: an epoch, a hyphen, and the twenty digits of the largest `seq`.
pub const MAX_CURSOR_LEN: usize = EPOCH_LEN + 1 + 20;

/// A place in a log: behind the publication that bears it, before the next one.
///
/// A reader keeps the cursor of what it read last, and asks for what comes after it. As text it is the epoch
/// in 16 lower-case hex digits, a hyphen, and the sequence number: the id of a server-sent event, the `after`
/// of a query. No other spelling is read, so that equal cursors are equal texts. To clients it is opaque.
///
/// ```
/// use talkback::room::{Cursor, CursorError};
///
/// let cursor = Cursor::new(0xfeed, 7);
/// assert_eq!(cursor.to_string(), "000000000000feed-7");
/// assert_eq!("000000000000feed-7".parse(), Ok(cursor));
/// assert_eq!("000000000000feed-07".parse::<Cursor>(), Err(CursorError::InvalidSeq));
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cursor {
    /// Which log: drawn at random when the log is made, so that a cursor never fits another one.
    pub epoch: u64,
    /// Which publication, from 1; 0 is the place before the first.
    pub seq: u64,
}

impl Cursor {
    /// The place behind publication `seq` of the log with this epoch.
    #[must_use]
    pub const fn new(epoch: u64, seq: u64) -> Self {
        Self { epoch, seq }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{}", self.epoch, self.seq)
    }
}

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        if text.len() > MAX_CURSOR_LEN {
            return Err(CursorError::TooLong { len: text.len(), max: MAX_CURSOR_LEN });
        }
        let (epoch, seq) = text.split_once('-').ok_or(CursorError::InvalidEpoch)?;
        let epoch = decode_epoch(epoch).ok_or(CursorError::InvalidEpoch)?;
        let seq = decode_seq(seq).ok_or(CursorError::InvalidSeq)?;
        Ok(Self { epoch, seq })
    }
}

fn decode_epoch(digits: &str) -> Option<u64> {
    let written =
        digits.len() == EPOCH_LEN && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    // std's parser would take a sign and capitals as well.
    written.then(|| u64::from_str_radix(digits, 16).ok()).flatten()
}

fn decode_seq(digits: &str) -> Option<u64> {
    let written =
        digits.bytes().all(|byte| byte.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
    written.then(|| digits.parse().ok()).flatten()
}

/// Why a text is no cursor: the client's fault. Answer it with a gap, as [`After::from`](super::After) does,
/// not with a status of 4xx, which ends an `EventSource` for good.
///
/// ```
/// use talkback::room::{Cursor, CursorError};
///
/// assert_eq!("7".parse::<Cursor>(), Err(CursorError::InvalidEpoch));
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CursorError {
    /// It is longer than any cursor; nothing of it was looked at.
    TooLong {
        /// Its length in bytes.
        len: usize,
        /// The longest that there is, [`MAX_CURSOR_LEN`].
        max: usize,
    },
    /// It does not begin with 16 lower-case hex digits and a hyphen.
    InvalidEpoch,
    /// What follows the hyphen is no number of 64 bits in plain decimal digits.
    InvalidSeq,
}

impl fmt::Display for CursorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { len, max } => write!(f, "a cursor of {len} bytes is over the limit of {max}"),
            Self::InvalidEpoch => f.write_str("a cursor does not begin with an epoch of 16 hex digits"),
            Self::InvalidSeq => f.write_str("a cursor does not end in a sequence number"),
        }
    }
}

impl std::error::Error for CursorError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_and_the_largest_are_read_back() {
        for cursor in [Cursor::new(0, 0), Cursor::new(u64::MAX, u64::MAX), Cursor::new(1 << 63, 10)] {
            assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }
        assert_eq!(Cursor::new(u64::MAX, u64::MAX).to_string().len(), MAX_CURSOR_LEN);
    }

    #[test]
    fn no_other_spelling_is_read() {
        let epoch = "0123456789abcdef";
        for seq in ["", "+1", "-1", " 1", "1 ", "01", "00", "1_0", "0x1", "18446744073709551616", "\u{661}"] {
            assert_eq!(format!("{epoch}-{seq}").parse::<Cursor>(), Err(CursorError::InvalidSeq), "{seq:?}");
        }
        for epoch in ["", "0", "0123456789abcde", "0123456789ABCDEF", "+123456789abcdef", "00123456789abcdef"]
        {
            assert_eq!(format!("{epoch}-1").parse::<Cursor>(), Err(CursorError::InvalidEpoch), "{epoch:?}");
        }
        assert_eq!("0123456789abcdef".parse::<Cursor>(), Err(CursorError::InvalidEpoch));
    }

    #[test]
    fn the_limit_of_the_length_is_exact() {
        let text = |digits: usize| format!("0123456789abcdef-{}", "1".repeat(digits));
        assert!(text(20).parse::<Cursor>().is_ok());
        let error = CursorError::TooLong { len: MAX_CURSOR_LEN + 1, max: MAX_CURSOR_LEN };
        assert_eq!(text(21).parse::<Cursor>(), Err(error));
    }
}
