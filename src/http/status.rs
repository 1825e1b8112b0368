//! Status codes.

use std::fmt;

/// A status code of three digits, 100 to 999.
///
/// The constants are those that this crate answers with; any other is made by [`Status::new`].
///
/// RFC 9110 §15
///
/// ```
/// use talkback::http::Status;
///
/// assert_eq!(Status::UPGRADE_REQUIRED.to_string(), "426 Upgrade Required");
/// assert_eq!(Status::new(404), Some(Status::NOT_FOUND));
/// assert_eq!(Status::new(99), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Status(u16);

impl Status {
    /// 100: the body may come.
    pub const CONTINUE: Self = Self(100);
    /// 101: the connection speaks WebSocket from here on.
    pub const SWITCHING_PROTOCOLS: Self = Self(101);
    /// 200
    pub const OK: Self = Self(200);
    /// 204: nothing to say; an `EventSource` that gets it stops.
    pub const NO_CONTENT: Self = Self(204);
    /// 400: the request is malformed.
    pub const BAD_REQUEST: Self = Self(400);
    /// 403: the Origin is not allowed.
    pub const FORBIDDEN: Self = Self(403);
    /// 404
    pub const NOT_FOUND: Self = Self(404);
    /// 405: to be sent with `Allow`.
    pub const METHOD_NOT_ALLOWED: Self = Self(405);
    /// 408: the request did not arrive in time.
    pub const REQUEST_TIMEOUT: Self = Self(408);
    /// 413: the body is longer than this server takes.
    pub const CONTENT_TOO_LARGE: Self = Self(413);
    /// 414: the target is too long.
    pub const URI_TOO_LONG: Self = Self(414);
    /// 417: the Expect header asks for what this server can't do.
    pub const EXPECTATION_FAILED: Self = Self(417);
    /// 421: this server does not serve that Host.
    pub const MISDIRECTED_REQUEST: Self = Self(421);
    /// 426: to be sent with `Upgrade`.
    pub const UPGRADE_REQUIRED: Self = Self(426);
    /// 429: to be sent with `Retry-After`, if it is known.
    pub const TOO_MANY_REQUESTS: Self = Self(429);
    /// 431: the head is too long, or has too many fields.
    pub const REQUEST_HEADER_FIELDS_TOO_LARGE: Self = Self(431);
    /// 500
    pub const INTERNAL_SERVER_ERROR: Self = Self(500);
    /// 502: the other server's response made no sense.
    pub const BAD_GATEWAY: Self = Self(502);
    /// 503
    pub const SERVICE_UNAVAILABLE: Self = Self(503);
    /// 505: not HTTP/1.1.
    pub const HTTP_VERSION_NOT_SUPPORTED: Self = Self(505);

    /// Makes a status of its code.
    ///
    /// `None` if the code has not three digits: below 100 or above 999.
    #[must_use]
    pub const fn new(code: u16) -> Option<Self> {
        if code >= 100 && code <= 999 { Some(Self(code)) } else { None }
    }

    /// The code as a number.
    #[must_use]
    pub const fn code(self) -> u16 {
        self.0
    }

    /// The standard reason phrase, empty for a code that is not registered.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self.0 {
            100..=299 => self.success_reason(),
            300..=399 => self.redirection_reason(),
            400..=499 => self.client_error_reason(),
            _ => self.server_error_reason(),
        }
    }

    /// Whether a response with this status ends with its head: 1xx, 204 and 304.
    ///
    /// RFC 9112 §6.3
    #[must_use]
    pub const fn is_bodiless(self) -> bool {
        matches!(self.0, 100..=199 | 204 | 304)
    }

    const fn success_reason(self) -> &'static str {
        match self.0 {
            100 => "Continue",
            101 => "Switching Protocols",
            103 => "Early Hints",
            200 => "OK",
            201 => "Created",
            202 => "Accepted",
            203 => "Non-Authoritative Information",
            204 => "No Content",
            205 => "Reset Content",
            206 => "Partial Content",
            _ => "",
        }
    }

    const fn redirection_reason(self) -> &'static str {
        match self.0 {
            300 => "Multiple Choices",
            301 => "Moved Permanently",
            302 => "Found",
            303 => "See Other",
            304 => "Not Modified",
            307 => "Temporary Redirect",
            308 => "Permanent Redirect",
            _ => "",
        }
    }

    const fn client_error_reason(self) -> &'static str {
        match self.0 {
            400 => "Bad Request",
            401 => "Unauthorized",
            402 => "Payment Required",
            403 => "Forbidden",
            404 => "Not Found",
            405 => "Method Not Allowed",
            406 => "Not Acceptable",
            407 => "Proxy Authentication Required",
            408 => "Request Timeout",
            409 => "Conflict",
            410 => "Gone",
            411 => "Length Required",
            412 => "Precondition Failed",
            413 => "Content Too Large",
            414 => "URI Too Long",
            415 => "Unsupported Media Type",
            416 => "Range Not Satisfiable",
            417 => "Expectation Failed",
            421 => "Misdirected Request",
            422 => "Unprocessable Content",
            425 => "Too Early",
            426 => "Upgrade Required",
            428 => "Precondition Required",
            429 => "Too Many Requests",
            431 => "Request Header Fields Too Large",
            451 => "Unavailable For Legal Reasons",
            _ => "",
        }
    }

    const fn server_error_reason(self) -> &'static str {
        match self.0 {
            500 => "Internal Server Error",
            501 => "Not Implemented",
            502 => "Bad Gateway",
            503 => "Service Unavailable",
            504 => "Gateway Timeout",
            505 => "HTTP Version Not Supported",
            511 => "Network Authentication Required",
            _ => "",
        }
    }
}

impl PartialEq<u16> for Status {
    fn eq(&self, code: &u16) -> bool {
        self.0 == *code
    }
}

impl fmt::Display for Status {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason() {
            "" => write!(formatter, "{}", self.0),
            reason => write!(formatter, "{} {reason}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_three_digits() {
        assert_eq!(Status::new(99), None);
        assert_eq!(Status::new(1000), None);
        assert_eq!(Status::new(100).unwrap(), 100);
        assert_eq!(Status::new(999).unwrap().code(), 999);
    }

    #[test]
    fn every_constant_has_its_reason() {
        assert_eq!(Status::SWITCHING_PROTOCOLS.to_string(), "101 Switching Protocols");
        assert_eq!(
            Status::REQUEST_HEADER_FIELDS_TOO_LARGE.to_string(),
            "431 Request Header Fields Too Large"
        );
        assert_eq!(Status::HTTP_VERSION_NOT_SUPPORTED.to_string(), "505 HTTP Version Not Supported");
        assert_eq!(Status::new(599).unwrap().to_string(), "599");
    }
}
