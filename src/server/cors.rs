//! Which pages of other origins may read answers: the CORS protocol of the Fetch standard, §3.2.

use std::time::Duration;

use crate::handshake::Origins;
use crate::http::{Request, Response, Status};

/// How long a browser may remember what a preflight said.
const MAX_AGE: Duration = Duration::from_secs(60 * 60);

/// Which pages of other origins may ask, and read the answers.
///
/// Credentials (cookies, HTTP authentication) go only with origins that are listed: an answer to any page is never
/// one to a visitor that is logged in.
///
/// ```
/// use talkback::http::{HeadLimits, Request, Response, Status};
/// use talkback::server::Cors;
///
/// let cors = Cors::listed(["https://app.example"]);
/// let head = b"GET /news HTTP/1.1\r\nHost: a.example\r\nOrigin: https://app.example\r\n\r\n";
/// let Some((request, _)) = Request::decode(head, HeadLimits::default())? else { return Ok(()) };
/// assert!(cors.allows(&request));
/// let response = cors.answer(&request, Response::new(Status::OK));
/// assert_eq!(response.headers().only("Access-Control-Allow-Origin")?, Some("https://app.example"));
/// # Ok::<(), talkback::http::HttpError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cors {
    origins: Origins,
    credentials: bool,
}

impl Cors {
    /// Pages of the same origin alone: the default.
    #[must_use]
    pub fn same_origin() -> Self {
        Self::default()
    }

    /// Pages of these origins, written as browsers do: `https://app.example`.
    #[must_use]
    pub fn listed<O: Into<String>>(origins: impl IntoIterator<Item = O>) -> Self {
        let origins = origins.into_iter().map(Into::into).collect();
        Self { origins: Origins::Listed(origins), credentials: false }
    }

    /// Pages of these origins, which may send the cookies of their visitors.
    #[must_use]
    pub fn listed_with_credentials<O: Into<String>>(origins: impl IntoIterator<Item = O>) -> Self {
        Self { credentials: true, ..Self::listed(origins) }
    }

    /// Any page of the web, without credentials.
    #[must_use]
    pub const fn any() -> Self {
        Self { origins: Origins::Any, credentials: false }
    }

    /// Whether the page that asks may; requests that no page makes may.
    ///
    /// A browser sends a simple POST without asking before: refuse by 403 what this doesn't allow.
    #[must_use]
    pub fn allows(&self, request: &Request) -> bool {
        self.origins.allow(request)
    }

    /// Adds what lets the page read the answer.
    #[must_use]
    pub fn answer(&self, request: &Request, response: Response) -> Response {
        let headers = self.headers(request).into_iter();
        headers.fold(response, |response, (name, value)| response.valid_header(name, &value))
    }

    /// Answers a preflight, which asks by `OPTIONS` whether it may ask: with these methods and headers, each list
    /// with commas.
    #[must_use]
    pub fn preflight(&self, request: &Request, methods: &str, headers: &str) -> Response {
        if !self.allows(request) {
            return Response::refusal(Status::FORBIDDEN, "pages of this origin may not ask here");
        }
        let response = Response::new(Status::NO_CONTENT)
            .valid_header("Access-Control-Allow-Methods", methods)
            .valid_header("Access-Control-Allow-Headers", headers)
            .valid_header("Access-Control-Max-Age", &MAX_AGE.as_secs().to_string());
        self.answer(request, response)
    }

    /// The headers that let the page read the answer: for a stream, as
    /// `StreamHead::header` takes them.
    #[must_use]
    pub fn headers(&self, request: &Request) -> Vec<(&'static str, String)> {
        const ORIGIN: &str = "Access-Control-Allow-Origin";
        match &self.origins {
            Origins::SameOrigin => Vec::new(),
            Origins::Any => vec![(ORIGIN, "*".to_owned())],
            Origins::Listed(_) => {
                // Caches must not give the answer of one origin to another.
                let mut headers = vec![("Vary", "Origin".to_owned())];
                let origin = request.headers().only("Origin").ok().flatten();
                if let Some(origin) = origin.filter(|_| self.allows(request)) {
                    headers.push((ORIGIN, origin.to_owned()));
                    if self.credentials {
                        headers.push(("Access-Control-Allow-Credentials", "true".to_owned()));
                    }
                }
                headers
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::HeadLimits;

    fn request(origin: &str) -> Request {
        let head = format!("GET / HTTP/1.1\r\nHost: a.example\r\n{origin}\r\n");
        Request::decode(head.as_bytes(), HeadLimits::default()).unwrap().unwrap().0
    }

    #[test]
    fn credentials_go_with_listed_origins_alone() {
        let asks = request("Origin: https://b.example\r\n");
        let origin = ("Access-Control-Allow-Origin", "https://b.example".to_owned());
        let vary = ("Vary", "Origin".to_owned());
        let credentials = ("Access-Control-Allow-Credentials", "true".to_owned());
        let listed = ["https://b.example"];
        assert_eq!(Cors::listed(listed).headers(&asks), [vary.clone(), origin.clone()]);
        let headers = Cors::listed_with_credentials(listed).headers(&asks);
        assert_eq!(headers, [vary.clone(), origin, credentials]);
        assert_eq!(Cors::any().headers(&asks), [("Access-Control-Allow-Origin", "*".to_owned())]);
        assert_eq!(Cors::same_origin().headers(&asks), []);
        let others = Cors::listed_with_credentials(["https://c.example"]);
        assert_eq!((others.headers(&asks), others.allows(&asks)), (vec![vary], false));
    }

    #[test]
    fn a_preflight_of_a_stranger_is_refused() {
        let asks = request("Origin: https://b.example\r\n");
        let answer = Cors::same_origin().preflight(&asks, "GET, POST", "Content-Type");
        assert_eq!(answer.status(), Status::FORBIDDEN);
        let answer = Cors::any().preflight(&asks, "GET, POST", "Content-Type");
        assert_eq!(answer.status(), Status::NO_CONTENT);
        let header = |name| answer.headers().only(name).unwrap();
        assert_eq!(header("Access-Control-Allow-Origin"), Some("*"));
        assert_eq!(header("Access-Control-Allow-Methods"), Some("GET, POST"));
        assert_eq!(header("Access-Control-Allow-Headers"), Some("Content-Type"));
        assert_eq!(header("Access-Control-Max-Age"), Some("3600"));
    }

    #[test]
    fn requests_that_no_page_makes_are_allowed() {
        assert!(Cors::same_origin().allows(&request("")));
        assert!(!Cors::same_origin().allows(&request("Origin: null\r\n")));
        assert!(!Cors::any().allows(&request("Origin: a\r\nOrigin: b\r\n")));
    }
}
