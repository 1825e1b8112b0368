//! What of JSON is taken: no more than each reader can read, in one line.

use std::borrow::Cow;
use std::fmt;

use serde_json::value::RawValue;

use super::MAX_JSON_DEPTH;

/// A number of so many bytes and without an exponent is finite: the largest has 309 digits.
const FINITE_LEN: usize = 308;

/// JSON without ends of line: one in it can only stand between tokens, where it means nothing; but it would
/// end the line of a transport.
#[derive(Debug, Clone, Copy)]
pub(super) struct OneLine<'a> {
    json: &'a str,
    /// How many bytes of ends of line are to be left out.
    break_count: usize,
}

impl<'a> OneLine<'a> {
    /// Looks through it once, and takes no memory.
    pub(super) fn new(json: &'a RawValue) -> Result<Self, JsonError> {
        let json = json.get();
        let (mut at, mut depth, mut break_count) = (0_usize, 0_usize, 0_usize);
        while let Some(byte) = json.as_bytes().get(at) {
            let start = at;
            at += 1;
            match byte {
                b'"' => at = string_end(json.as_bytes(), at)?,
                b'-' | b'0'..=b'9' => at = number_end(json, start)?,
                b'\r' | b'\n' => break_count += 1,
                b'[' | b'{' if depth == MAX_JSON_DEPTH => {
                    return Err(JsonError::TooDeep { at: start, max: MAX_JSON_DEPTH });
                }
                b'[' | b'{' => depth += 1,
                b']' | b'}' => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
        Ok(Self { json, break_count })
    }

    /// Its bytes in one line.
    pub(super) const fn len(self) -> usize {
        self.json.len().saturating_sub(self.break_count)
    }

    pub(super) fn write(self, to: &mut String) {
        if self.break_count == 0 {
            return to.push_str(self.json);
        }
        self.json.split(['\r', '\n']).for_each(|piece| to.push_str(piece));
    }

    /// Copied where there are ends of line in it.
    pub(super) fn text(self) -> Cow<'a, str> {
        if self.break_count == 0 {
            return Cow::Borrowed(self.json);
        }
        let mut text = String::with_capacity(self.len());
        self.write(&mut text);
        Cow::Owned(text)
    }
}

/// Where the string ends whose content begins at `at`.
fn string_end(json: &[u8], mut at: usize) -> Result<usize, JsonError> {
    loop {
        let rest = json.get(at..).unwrap_or_default();
        let Some(len) = rest.iter().position(|byte| matches!(byte, b'"' | b'\\')) else {
            return Ok(json.len());
        };
        let rest = rest.get(len..).unwrap_or_default();
        at += len;
        if rest.first() == Some(&b'"') {
            return Ok(at + 1);
        }
        at += escape_len(rest).ok_or(JsonError::LoneSurrogate { at })?;
    }
}

/// The length of the escape at the front, which is that of both halves of a surrogate pair. `None`: it is a
/// half by itself.
fn escape_len(rest: &[u8]) -> Option<usize> {
    match code_unit(rest) {
        None => Some(2),
        Some(0xd800..=0xdbff) => {
            let second = rest.get(6..).and_then(code_unit);
            second.filter(|unit| (0xdc00..=0xdfff).contains(unit)).map(|_| 12)
        }
        Some(0xdc00..=0xdfff) => None,
        Some(_) => Some(6),
    }
}

/// What a `\u` and its four digits stand for. `None`: it is another escape.
fn code_unit(escape: &[u8]) -> Option<u16> {
    let digits = escape.strip_prefix(b"\\u")?.get(..4)?;
    u16::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()
}

/// Where the number ends that begins at `at`.
fn number_end(json: &str, at: usize) -> Result<usize, JsonError> {
    let rest = json.get(at..).unwrap_or_default();
    let is_of_number = |byte: u8| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
    let len = rest.bytes().position(|byte| !is_of_number(byte)).unwrap_or(rest.len());
    let number = rest.get(..len).unwrap_or_default();
    // "good interoperability can be achieved by implementations that expect no more precision or range than
    // these [IEEE 754 binary64] provide" -- RFC 8259 §6
    let is_finite = (len <= FINITE_LEN && !number.contains(['e', 'E']))
        || number.parse::<f64>().is_ok_and(f64::is_finite);
    if is_finite { Ok(at + len) } else { Err(JsonError::NumberOutOfRange { at }) }
}

/// Why JSON is not taken, though its grammar is right: some readers refuse it, and with it all that comes in
/// the same page. The fault of whoever made it: a publisher, a client that tells its state.
///
/// Numbers must be in the range of a 64-bit float. Their precision is not looked at: digits that a reader
/// can't hold are rounded by it, not refused.
///
/// ```
/// use std::time::Instant;
/// use serde_json::value::RawValue;
/// use talkback::room::{ClientId, JsonError, Limits, Log, MessageId, PublishError};
///
/// let mut log = Log::new(0xfeed, Limits::default());
/// let data = RawValue::from_string(r#"["\ud83d"]"#.to_owned())?;
/// let error = log.publish(Instant::now(), 0, &ClientId::new("ada")?, &MessageId::new("1")?, &data);
/// assert_eq!(error, Err(PublishError::Data(JsonError::LoneSurrogate { at: 2 })));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonError {
    /// Its arrays and objects are nested too deeply.
    TooDeep {
        /// Where the first one past the limit begins, in bytes.
        at: usize,
        /// What is allowed, [`MAX_JSON_DEPTH`].
        max: usize,
    },
    /// A string has one half of a surrogate pair, such as `\ud83d`, without the other: it is no text.
    LoneSurrogate {
        /// Where the escape begins, in bytes.
        at: usize,
    },
    /// A number is past the range of a 64-bit float, such as `1e999`.
    NumberOutOfRange {
        /// Where it begins, in bytes.
        at: usize,
    },
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooDeep { at, max } => write!(f, "JSON is nested more than {max} levels deep at byte {at}"),
            Self::LoneSurrogate { at } => write!(f, "JSON has half of a surrogate pair at byte {at}"),
            Self::NumberOutOfRange { at } => write!(f, "JSON has a number out of range at byte {at}"),
        }
    }
}

impl std::error::Error for JsonError {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn raw(json: &str) -> Box<RawValue> {
        RawValue::from_string(json.to_owned()).unwrap()
    }

    fn check(json: &str) -> Result<(), JsonError> {
        OneLine::new(&raw(json)).map(|_| ())
    }

    #[test]
    fn ends_of_line_go_and_escaped_ones_stay() {
        let pretty = raw("[1,\r\n\t\"a\\nb\",\n{\"c\" :\r2}]");
        let line = OneLine::new(&pretty).unwrap();
        assert_eq!((&*line.text(), line.len()), ("[1,\t\"a\\nb\",{\"c\" :2}]", line.text().len()));
        RawValue::from_string("\"a\nb\"".to_owned()).unwrap_err();
    }

    #[test]
    fn the_limit_of_the_depth_is_exact() {
        let nested = |depth: usize| "[".repeat(depth - 1) + "{}" + &"]".repeat(depth - 1);
        let max = MAX_JSON_DEPTH;
        assert_eq!(check(&nested(max)), Ok(()));
        assert_eq!(check(&nested(max + 1)), Err(JsonError::TooDeep { at: max, max }));
        assert_eq!(check(&nested(400_000)), Err(JsonError::TooDeep { at: max, max }));
        // Siblings and what is in a string are not nested.
        assert_eq!(check(&format!("[{}[]]", "[],{\"[[{\\\"[\":[]},".repeat(max))), Ok(()));
    }

    #[test]
    fn half_of_a_surrogate_pair_is_refused() {
        for (json, at) in [
            (r#""\ud800""#, 1),
            (r#"{"a\udFFF":1}"#, 3),
            (r#""\ud83d\ud83d\ude00""#, 1),
            (r#""\ud83d\n""#, 1),
            (r#""\ud83d\\udc00""#, 1),
            (r#""\\\udc00""#, 3),
        ] {
            assert_eq!(check(json), Err(JsonError::LoneSurrogate { at }), "{json}");
        }
        for json in [r#""\ud83d\uDE00""#, r#""\\ud800""#, r#""\ud7ff\ue000\u0000""#, r#"["\"", "\\"]"#] {
            assert_eq!(check(json), Ok(()), "{json}");
        }
    }

    #[test]
    fn a_number_past_a_float_is_refused() {
        let nines = |count| "9".repeat(count);
        for json in ["1e999999", "-1E+309", "1.8e308", &nines(309), "1e99999999999999999999"] {
            assert_eq!(check(&format!("[{json}]")), Err(JsonError::NumberOutOfRange { at: 1 }), "{json}");
        }
        for json in ["1e308", "-1.7e308", &nines(308), "1e-999999", "0e999999", &format!("0.{}", nines(900))]
        {
            assert_eq!(check(json), Ok(()), "{json}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_is_taken_is_what_a_strict_reader_takes(
            pieces in proptest::collection::vec(r#"\\u[dD][0789abcDEF][0-9a-f]{2}|\\u00[0-7]1|\\[\\nu"]|u|d83d|é|\[|1"#, 0..6),
            number in "-?[1-9][0-9]{0,3}(\\.[0-9]{1,3})?([eE][+-]?[0-9]{1,4})?",
        ) {
            let json = format!("[\"{}\",\n{number}]", pieces.concat());
            if let Ok(raw) = RawValue::from_string(json) {
                let strict = serde_json::from_str::<serde_json::Value>(raw.get());
                prop_assert_eq!(OneLine::new(&raw).is_ok(), strict.is_ok(), "{}", raw);
            }
        }
    }
}
