//! Header fields, in the order in which they came.

use std::fmt;
use std::ops::Range;

use super::syntax::{is_ascii_value, is_token, is_value_byte, trim};
use super::{HeaderError, HttpError};

/// The header fields of a head: names in any case, values as bytes.
///
/// HTTP lets the bytes 0x80 to 0xff stand in a value, so a value is a `&[u8]`; where text is needed,
/// [`Headers::only`] and [`Headers::tokens`] give a `&str` or say that it is none. Every lookup walks over
/// all the fields, and allocates nothing.
///
/// RFC 9110 §5
///
/// ```
/// use talkback::http::Headers;
///
/// let mut headers = Headers::new();
/// headers.append("Connection", "keep-alive, Upgrade")?;
/// headers.append("Sec-WebSocket-Version", "13")?;
///
/// assert!(headers.has_token("connection", "upgrade"));
/// assert_eq!(headers.only("sec-websocket-version")?, Some("13"));
/// assert_eq!(headers.only("origin")?, None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers {
    /// The names and values, one behind the other.
    bytes: Vec<u8>,
    fields: Vec<Field>,
}

/// A field's place in the bytes. Its name is a token, its value has no control byte but tabs and no white
/// space at its ends.
#[derive(Clone, PartialEq, Eq)]
struct Field {
    name: Range<usize>,
    value: Range<usize>,
}

impl Headers {
    /// No fields yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { bytes: Vec::new(), fields: Vec::new() }
    }

    /// Adds a field behind those that are there, of the same name or not; copies both, without the white
    /// space around the value.
    ///
    /// # Errors
    /// [`HeaderError::InvalidName`] if the name is not a token, [`HeaderError::InvalidValue`] if the value
    /// holds a control byte other than a tab. Nothing is added then.
    pub fn append(&mut self, name: &str, value: impl AsRef<[u8]>) -> Result<(), HeaderError> {
        let value = value.as_ref();
        if !is_token(name.as_bytes()) {
            return Err(HeaderError::InvalidName);
        }
        // "Field values containing CR, LF, or NUL characters are invalid and dangerous" -- RFC 9110 §5.5
        if let Some(at) = value.iter().position(|&byte| !is_value_byte(byte)) {
            return Err(HeaderError::InvalidValue { at });
        }
        self.push(name, trim(value));
        Ok(())
    }

    /// Adds a field whose name and value are known to be valid.
    pub(super) fn push(&mut self, name: &str, value: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(name.as_bytes());
        let middle = self.bytes.len();
        self.bytes.extend_from_slice(value);
        self.fields.push(Field { name: start..middle, value: middle..self.bytes.len() });
    }

    /// Copies the fields that the parser found.
    pub(super) fn from_parsed(parsed: &[httparse::Header<'_>]) -> Self {
        let len = parsed.iter().map(|header| header.name.len() + header.value.len()).sum();
        let mut headers = Self { bytes: Vec::with_capacity(len), fields: Vec::with_capacity(parsed.len()) };
        for header in parsed {
            headers.push(header.name, header.value);
        }
        headers
    }

    /// How many fields there are.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.fields.len()
    }

    /// Whether there is no field.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// The fields in order, each a name as it was written and a value.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.fields.iter().map(|field| {
            let name = self.bytes.get(field.name.clone()).unwrap_or_default();
            let value = self.bytes.get(field.value.clone()).unwrap_or_default();
            (str::from_utf8(name).unwrap_or_default(), value)
        })
    }

    /// The values of all fields of that name, in order; none if there is no such field.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.iter().filter(move |(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Whether there is a field of that name.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.all(name).next().is_some()
    }

    /// The value of a field that may stand there once only; `None` if there is none.
    ///
    /// # Errors
    /// [`HttpError::RepeatedHeader`] if it stands there more than once, [`HttpError::NotAscii`] if it is not
    /// text.
    pub fn only(&self, name: &str) -> Result<Option<&str>, HttpError> {
        let mut value = None;
        let mut count = 0;
        for found in self.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value)
        {
            value = Some(found);
            count += 1;
        }
        if count > 1 {
            return Err(HttpError::RepeatedHeader { count });
        }
        value.map(ascii).transpose()
    }

    /// The elements of a list of tokens, over all the fields of that name; empty elements are left out.
    ///
    /// For lists of plain tokens such as Connection or Sec-WebSocket-Protocol; quoted strings are not
    /// understood. Takes time in proportion to the length of the fields.
    ///
    /// # Errors
    /// An element that is not a token is [`HttpError::InvalidToken`], and those behind it still come.
    ///
    /// RFC 9110 §5.6.1
    pub fn tokens<'a>(&'a self, name: &'a str) -> impl Iterator<Item = Result<&'a str, HttpError>> {
        self.all(name)
            .flat_map(|value| value.split(|&byte| byte == b','))
            .map(trim)
            .filter(|element| !element.is_empty())
            .map(|element| if is_token(element) { ascii(element) } else { Err(HttpError::InvalidToken) })
    }

    /// Whether a list of tokens has this one, in any case, anywhere in any field of that name.
    #[must_use]
    pub fn has_token(&self, name: &str, token: &str) -> bool {
        self.tokens(name).flatten().any(|element| element.eq_ignore_ascii_case(token))
    }

    /// Writes the fields as lines, `Name: value` and CRLF each, without the empty line that ends a head.
    pub fn encode(&self, output: &mut Vec<u8>) {
        for (name, value) in self.iter() {
            encode_field(name, value, output);
        }
    }
}

pub(super) fn encode_field(name: &str, value: &[u8], output: &mut Vec<u8>) {
    for part in [name.as_bytes(), b": ", value, b"\r\n"] {
        output.extend_from_slice(part);
    }
}

fn ascii(value: &[u8]) -> Result<&str, HttpError> {
    if !is_ascii_value(value) {
        return Err(HttpError::NotAscii);
    }
    str::from_utf8(value).map_err(|_| HttpError::NotAscii)
}

impl fmt::Debug for Headers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_map()
            .entries(self.iter().map(|(name, value)| (name, value.escape_ascii().to_string())))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&str, &[u8])]) -> Headers {
        let mut headers = Headers::new();
        for (name, value) in fields {
            headers.append(name, value).unwrap();
        }
        headers
    }

    #[test]
    fn lookups_are_in_any_case_and_in_order() {
        let headers = headers(&[("A", b"1"), ("b", b"2"), ("a", b"3")]);
        assert_eq!(headers.all("a").collect::<Vec<_>>(), [b"1", b"3"]);
        assert_eq!(headers.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["A", "b", "a"]);
        assert_eq!(headers.only("B"), Ok(Some("2")));
        assert_eq!(headers.only("c"), Ok(None));
        assert_eq!(headers.only("A"), Err(HttpError::RepeatedHeader { count: 2 }));
    }

    #[test]
    fn a_value_beyond_ascii_is_bytes_but_not_text() {
        let headers = headers(&[("A", b"\xe4"), ("B", b"a\tb")]);
        assert_eq!(headers.all("A").next(), Some(&b"\xe4"[..]));
        assert_eq!(headers.only("A"), Err(HttpError::NotAscii));
        assert_eq!(headers.only("B"), Ok(Some("a\tb")));
    }

    #[test]
    fn lists_run_over_all_fields() {
        let headers = headers(&[("C", b" ,a ,\tB,,"), ("D", b"x"), ("c", b"c, d e, \xff, f")]);
        let invalid = Err(HttpError::InvalidToken);
        let tokens: Vec<_> = headers.tokens("C").collect();
        assert_eq!(tokens, [Ok("a"), Ok("B"), Ok("c"), invalid, invalid, Ok("f")]);
        assert!(headers.has_token("c", "b") && headers.has_token("c", "F"));
        assert!(!headers.has_token("c", "d") && !headers.has_token("c", "x") && !headers.has_token("c", ""));
    }

    #[test]
    fn what_would_split_a_head_is_refused() {
        let mut headers = Headers::new();
        for value in ["a\rb", "a\nb", "a\0b", "a\x1bb", "a\x7fb"] {
            assert_eq!(headers.append("A", value), Err(HeaderError::InvalidValue { at: 1 }));
        }
        for name in ["", "a b", "a:", "a\r", "a\n", "\0", "\u{e4}"] {
            assert_eq!(headers.append(name, "x"), Err(HeaderError::InvalidName));
        }
        assert!(headers.is_empty() && headers.bytes.is_empty());
    }
}
