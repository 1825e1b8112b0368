//! Extension offers: RFC 6455 §9.1.

use super::HandshakeError;
use crate::http::Headers;
use crate::http::syntax::is_token;

/// More offers than this in one request are not looked at.
pub const MAX_OFFER_COUNT: usize = 16;

/// An extension that a client offers, or a server has chosen, as it is on the wire.
///
/// ```
/// use talkback::handshake::Offer;
/// use talkback::http::Headers;
///
/// let mut headers = Headers::new();
/// headers.append("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits; server_max_window_bits=\"10\", x")?;
/// let offers = Offer::decode(&headers)?;
/// assert_eq!(offers[0].name(), "permessage-deflate");
/// let parameters: Vec<_> = offers[0].parameters().collect();
/// assert_eq!(parameters, [("client_max_window_bits", None), ("server_max_window_bits", Some("10"))]);
/// assert_eq!(offers[1].name(), "x");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    name: String,
    parameters: Vec<(String, Option<String>)>,
}

impl Offer {
    /// The offers of all `Sec-WebSocket-Extensions` fields, in order of preference; the
    /// first 16 of them. Linear in their length.
    ///
    /// # Errors
    /// [`HandshakeError::InvalidExtensions`] where one breaks the grammar.
    pub fn decode(headers: &Headers) -> Result<Vec<Self>, HandshakeError> {
        let mut offers = Vec::new();
        for value in headers.all("Sec-WebSocket-Extensions") {
            let value = str::from_utf8(value).map_err(|_| HandshakeError::InvalidExtensions)?;
            let mut cursor = Cursor { rest: value };
            while !cursor.is_at_end() {
                let offer = cursor.offer().ok_or(HandshakeError::InvalidExtensions)?;
                if offers.len() < MAX_OFFER_COUNT {
                    offers.push(offer);
                }
            }
        }
        Ok(offers)
    }

    /// The extension's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The parameters in order, each with its value if it has one, unquoted.
    pub fn parameters(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.parameters.iter().map(|(name, value)| (name.as_str(), value.as_deref()))
    }
}

/// What is left of a header's value.
struct Cursor<'a> {
    rest: &'a str,
}

impl<'a> Cursor<'a> {
    /// Steps over empty list elements, which RFC 9110 §5.6.1 has a recipient ignore.
    fn is_at_end(&mut self) -> bool {
        self.rest = self.rest.trim_start_matches([' ', '\t', ',']);
        self.rest.is_empty()
    }

    /// `extension = extension-token *( ";" extension-param )`, and the comma or end after it.
    fn offer(&mut self) -> Option<Offer> {
        let name = self.token()?.to_owned();
        let mut parameters = Vec::new();
        while self.take(';') {
            let name = self.token()?.to_owned();
            let value = if self.take('=') { Some(self.value()?) } else { None };
            parameters.push((name, value));
        }
        (self.take(',') || self.rest.is_empty()).then_some(Offer { name, parameters })
    }

    fn token(&mut self) -> Option<&'a str> {
        self.rest = self.rest.trim_start_matches([' ', '\t']);
        let end = self.rest.find([' ', '\t', ';', ',', '=', '"']).unwrap_or(self.rest.len());
        let (token, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest;
        is_token(token.as_bytes()).then_some(token)
    }

    /// "When using the quoted-string syntax variant, the value after quoted-string
    /// unescaping MUST conform to the 'token' ABNF." -- RFC 6455 §9.1
    fn value(&mut self) -> Option<String> {
        if !self.take('"') {
            return self.token().map(str::to_owned);
        }
        let mut value = String::new();
        let mut characters = self.rest.chars();
        loop {
            match characters.next()? {
                '"' => break,
                '\\' => value.push(characters.next()?),
                character => value.push(character),
            }
        }
        self.rest = characters.as_str();
        is_token(value.as_bytes()).then_some(value)
    }

    /// Steps over blanks, and over `separator` if it is next.
    fn take(&mut self, separator: char) -> bool {
        self.rest = self.rest.trim_start_matches([' ', '\t']);
        match self.rest.strip_prefix(separator) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(value: &str) -> Option<Vec<Offer>> {
        let mut headers = Headers::new();
        headers.append("sec-websocket-extensions", value).unwrap();
        Offer::decode(&headers).ok()
    }

    #[test]
    fn well_formed() {
        let offers = decode("a ; b = \"c\\d\" ;e=f,, g\t;h ,").unwrap();
        let shown: Vec<String> =
            offers.iter().map(|offer| format!("{} {:?}", offer.name, offer.parameters)).collect();
        assert_eq!(shown, [r#"a [("b", Some("cd")), ("e", Some("f"))]"#, r#"g [("h", None)]"#]);
        assert_eq!(decode("").unwrap(), []);
    }

    #[test]
    fn malformed() {
        for value in [
            "a b",
            ";a",
            "a;",
            "a;b=",
            "a;=b",
            "a=b",
            "a;b=\"",
            "a;b=\"\"",
            "a;b=\"c d\"",
            "a;b=\"c\\",
            "a;b=\"c\"d",
            "(a)",
            "a;b=c=d",
            "\"a\"",
            "a;b=\"é\"",
        ] {
            assert_eq!(decode(value), None, "{value}");
        }
    }

    #[test]
    fn sixteen_are_looked_at_and_the_rest_must_be_well_formed() {
        assert_eq!(decode(&"x,".repeat(16)).unwrap().len(), 16);
        assert_eq!(decode(&"x,".repeat(17)).unwrap().len(), 16);
        assert_eq!(decode(&format!("{};", "x,".repeat(17))), None);
    }

    #[test]
    fn long_lists_are_linear() {
        assert_eq!(decode(&",".repeat(1 << 20)).unwrap().len(), 0);
        assert_eq!(decode(&"a;b;".repeat(1 << 18)), None);
        assert_eq!(decode(&format!("a;b=\"{}", "\\\\".repeat(1 << 19))), None);
    }
}
