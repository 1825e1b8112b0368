//! UTF-8, checked as it comes: RFC 6455 §8.1.

use super::FrameError;

/// Checks that `bytes` are UTF-8: one pass, with SIMD where the feature `simd` is on.
#[inline]
pub(crate) fn check(bytes: &[u8]) -> Result<&str, FrameError> {
    #[cfg(feature = "simd")]
    let checked = simdutf8::basic::from_utf8(bytes).ok();
    #[cfg(not(feature = "simd"))]
    let checked = core::str::from_utf8(bytes).ok();
    checked.ok_or(FrameError::InvalidUtf8)
}

/// Decodes UTF-8 that arrives in pieces cut anywhere, and fails at the first byte that no
/// continuation could make good.
///
/// Call [`decode`](Self::decode) with each piece, in order, and [`finish`](Self::finish)
/// at the end. At most three bytes are kept between pieces; nothing is allocated.
///
/// ```
/// use talkback::frame::Utf8Decoder;
///
/// let mut decoder = Utf8Decoder::default();
/// assert_eq!(decoder.decode(b"na\xc3")?, (None, "na"));
/// assert_eq!(decoder.decode(b"\xafve")?, (Some('ï'), "ve"));
/// decoder.finish()?;
/// assert!(decoder.decode(b"\xf4\x90").is_err()); // beyond U+10FFFF, seen at its second byte
/// # Ok::<(), talkback::frame::FrameError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Utf8Decoder {
    /// The beginning of a character whose end has not come; the first `carried` bytes count.
    carry: [u8; 4],
    carried: u8,
}

impl Utf8Decoder {
    /// Decodes the next piece: the character that began in an earlier piece and ends in
    /// this one, if there is one, and the whole characters after it.
    ///
    /// # Errors
    /// [`FrameError::InvalidUtf8`] at the first byte that can't be part of valid UTF-8; the
    /// decoder is of no use after that.
    pub fn decode<'a>(&mut self, piece: &'a [u8]) -> Result<(Option<char>, &'a str), FrameError> {
        let (first, piece) = if self.carried == 0 { (None, piece) } else { self.complete(piece)? };
        let (whole, cut) = piece.split_at(piece.len() - cut_character_len(piece));
        let text = check(whole)?;
        if !cut.is_empty() {
            self.carry_on(cut)?;
        }
        Ok((first, text))
    }

    /// Says that the text ends here, and makes the decoder ready for another.
    ///
    /// # Errors
    /// [`FrameError::InvalidUtf8`] where the text ends inside a character.
    pub fn finish(&mut self) -> Result<(), FrameError> {
        if core::mem::take(&mut self.carried) == 0 { Ok(()) } else { Err(FrameError::InvalidUtf8) }
    }

    /// Adds bytes of `piece` to the carried ones until they are a character.
    fn complete<'a>(&mut self, piece: &'a [u8]) -> Result<(Option<char>, &'a [u8]), FrameError> {
        let mut rest = piece;
        while let Some((byte, after)) = rest.split_first() {
            rest = after;
            if let Some(character) = self.carry_on(core::slice::from_ref(byte))? {
                return Ok((Some(character), rest));
            }
        }
        Ok((None, rest))
    }

    /// Adds `bytes` to what is carried: the character if they complete one, an error if
    /// they never can.
    fn carry_on(&mut self, bytes: &[u8]) -> Result<Option<char>, FrameError> {
        let start = usize::from(self.carried);
        let room = self.carry.get_mut(start..).unwrap_or_default();
        for (slot, byte) in room.iter_mut().zip(bytes) {
            *slot = *byte;
            self.carried += 1;
        }
        let carried = self.carry.get(..usize::from(self.carried)).unwrap_or_default();
        match core::str::from_utf8(carried) {
            Ok(text) => {
                self.carried = 0;
                Ok(text.chars().next())
            }
            Err(error) if error.error_len().is_none() => Ok(None),
            Err(_) => Err(FrameError::InvalidUtf8),
        }
    }
}

/// How many of the last bytes (0 to 3) are the beginning of a character that goes on.
fn cut_character_len(piece: &[u8]) -> usize {
    for (len, byte) in (1..=3).zip(piece.iter().rev()) {
        let width = match byte {
            0x80..=0xbf => continue, // a continuation byte: its character begins before it
            0xc0..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xff => 4,
            _ => 1,
        };
        return if width > len { len } else { 0 };
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Decodes `bytes` in pieces that end at `cuts`; the text, or the count of pieces that were taken.
    fn decode(bytes: &[u8], cuts: &[usize]) -> Result<String, usize> {
        let mut decoder = Utf8Decoder::default();
        let (mut text, mut from) = (String::new(), 0);
        for (index, &to) in cuts.iter().chain([&bytes.len()]).enumerate() {
            let (first, rest) = decoder.decode(&bytes[from..to]).map_err(|_| index)?;
            text.extend(first);
            text.push_str(rest);
            from = to;
        }
        decoder.finish().map_err(|_| cuts.len() + 1)?;
        Ok(text)
    }

    #[test]
    fn fails_at_the_first_byte_that_cannot_be_good() {
        for (bytes, bad) in [
            (&b"\xc0\x80"[..], 0),
            (b"ab\xff", 2),
            (b"\xe0\x9f", 1), // overlong
            (b"\xed\xa0", 1), // a surrogate
            (b"\xf0\x8f", 1), // overlong
            (b"\xf4\x90", 1), // above U+10FFFF
            (b"\xf5", 0),
            (b"\x80", 0),
            (b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4\x90\x80\x80", 12),
        ] {
            let each: Vec<usize> = (1..bytes.len()).collect();
            assert_eq!(decode(bytes, &each), Err(bad), "{bytes:x?}");
            assert!(decode(bytes, &[]).is_err());
        }
    }

    #[test]
    fn ends_inside_a_character() {
        for bytes in [&b"\xc3"[..], b"\xe2\x82", b"\xf0\x9f\x98", b"a\xf0"] {
            assert_eq!(decode(bytes, &[]), Err(1));
        }
    }

    proptest! {
        #[test]
        fn agrees_with_std_however_cut(
            bytes in prop_oneof![any::<String>().prop_map(String::into_bytes), any::<Vec<u8>>()],
            cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..6),
        ) {
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            cuts.sort_unstable();
            let expected = core::str::from_utf8(&bytes).map(str::to_owned).ok();
            prop_assert_eq!(decode(&bytes, &cuts).ok(), expected);
        }
    }
}
