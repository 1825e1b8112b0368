//! An application that has pages, and nothing else.

use std::fmt;

use super::{Answer, Connection, Handler};
use crate::http::{Request, Response, Status};
use crate::protocol::MessageRef;

/// A handler that answers each request by a function, and upgrades none: for the pages beside rooms, or for a
/// server of plain HTTP.
///
/// Bodies are not read: see [`Handler`] for that.
///
/// ```
/// use talkback::http::{Response, Status};
/// use talkback::server::Pages;
///
/// let pages = Pages::new(|request| match request.path() {
///     "/" => Response::new(Status::OK).body("hello"),
///     _ => Response::refusal(Status::NOT_FOUND, "there is nothing here"),
/// });
/// # drop(pages);
/// ```
#[derive(Clone)]
pub struct Pages<F>(F);

impl<F: Fn(&Request) -> Response> Pages<F> {
    /// Answers by this function. It may not block.
    pub const fn new(answer: F) -> Self {
        Self(answer)
    }
}

impl<F> fmt::Debug for Pages<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages").finish_non_exhaustive()
    }
}

impl<F: Fn(&Request) -> Response + Clone + Send + 'static> Handler for Pages<F> {
    type State = ();

    fn on_request(&mut self, request: &Request) -> Answer {
        Answer::Respond(match request.method() {
            "GET" | "HEAD" => (self.0)(request),
            _ => {
                let why = "only GET and HEAD can be done here";
                let refusal = Response::refusal(Status::METHOD_NOT_ALLOWED, why);
                refusal.clone().header("Allow", "GET, HEAD").unwrap_or(refusal)
            }
        })
    }

    fn on_open(&mut self, _: &mut Connection<'_>, _: &Request) {}

    fn on_message(&mut self, (): &mut (), _: &mut Connection<'_>, _: MessageRef<'_>) {}
}
