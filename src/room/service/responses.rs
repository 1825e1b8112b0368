//! What answers have in common.

use super::Refusal;
use crate::http::{Response, Status};

const SCRIPT: &str = include_str!("../talkback.js");
const CACHING: &str = "Cache-Control";

/// An answer in JSON.
pub(super) fn json_response(json: Vec<u8>) -> Response {
    unstored(Response::new(Status::OK).valid_header("Content-Type", "application/json").body(json))
}

/// An answer that says nothing.
pub(super) fn no_content() -> Response {
    unstored(Response::new(Status::NO_CONTENT))
}

/// Has nobody keep an answer, unless it says something else: without a word, a refusal may be kept for a while.
pub(super) fn unstored(response: Response) -> Response {
    if response.headers().contains(CACHING) { response } else { response.valid_header(CACHING, "no-store") }
}

pub(super) fn with_all(response: Response, headers: &[(&'static str, String)]) -> Response {
    headers.iter().fold(response, |response, (name, value)| response.valid_header(name, value))
}

pub(super) fn not_allowed(methods: &str) -> Response {
    let why = format!("only {methods} can be done here");
    Response::refusal(Status::METHOD_NOT_ALLOWED, &why).valid_header("Allow", methods)
}

pub(super) fn read_only() -> Refusal {
    Refusal::new(Status::FORBIDDEN, "this room can only be read")
}

/// The browser's client.
pub(super) fn script() -> Response {
    Response::new(Status::OK)
        .valid_header("Content-Type", "text/javascript; charset=utf-8")
        .valid_header(CACHING, "no-cache")
        .body(SCRIPT)
}
