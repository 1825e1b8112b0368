//! Who may be in a room, and what may be said there: the application's word.

use std::fmt;

use serde_json::value::RawValue;

use super::super::{ClientId, JsonError, PublishError};
use crate::http::{Request, Response, Status};

/// What an application asks of those who come to its rooms. All methods have defaults, which let everybody do
/// everything.
///
/// They are called in the server's loops: none may block.
///
/// ```
/// use serde_json::value::RawValue;
/// use talkback::http::{Request, Status};
/// use talkback::room::{Access, Admission, ClientId, Refusal};
///
/// struct Members;
///
/// impl Access for Members {
///     fn admit(&self, room: &str, request: &Request) -> Result<Admission, Refusal> {
///         match request.query_value("key").as_deref() {
///             Some("a secret") => Ok(Admission::new()),
///             _ if room == "news" => Ok(Admission::new().read_only()),
///             _ => Err(Refusal::new(Status::FORBIDDEN, "members only")),
///         }
///     }
///
///     fn publish(&self, _: &str, _: &ClientId, data: &RawValue) -> Result<Option<Box<RawValue>>, Refusal> {
///         if data.get().len() > 4096 {
///             return Err(Refusal::new(Status::CONTENT_TOO_LARGE, "at most 4,096 bytes"));
///         }
///         Ok(None) // as it is
///     }
/// }
/// ```
pub trait Access: Send + Sync + 'static {
    /// A request for a room has come, in whatever transport: says who may do what. A room that nobody was in is
    /// made for it, so this is also the place to say which rooms there are.
    ///
    /// # Errors
    /// The refusal: 403, or 404 where there is to be no such room. Browsers come back after a 503, and after no
    /// other.
    fn admit(&self, room: &str, request: &Request) -> Result<Admission, Refusal> {
        let _ = (room, request);
        Ok(Admission::new())
    }

    /// A client that was admitted publishes: gives what is stored instead, or `None` to store it as it is.
    ///
    /// # Errors
    /// The refusal: 413, 429. It is told to the client, which doesn't send that message again.
    fn publish(
        &self,
        room: &str,
        client: &ClientId,
        data: &RawValue,
    ) -> Result<Option<Box<RawValue>>, Refusal> {
        let _ = (room, client, data);
        Ok(None)
    }
}

/// Lets everybody do everything.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct Anybody;

impl Access for Anybody {}

/// What somebody may do in a room, and as whom.
///
/// ```
/// use talkback::room::{Admission, ClientId};
///
/// // Whoever it says it is: the session says that it is Ada.
/// let admission = Admission::new().client(ClientId::new("ada")?);
/// # drop(admission);
/// # Ok::<(), talkback::room::IdError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Admission {
    pub(super) client: Option<ClientId>,
    pub(super) is_read_only: bool,
}

impl Admission {
    /// It may read and publish, as whoever it says it is.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// It is this client, whatever it says.
    #[must_use]
    pub fn client(mut self, client: ClientId) -> Self {
        self.client = Some(client);
        self
    }

    /// It may not publish.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.is_read_only = true;
        self
    }
}

/// Why somebody may not: a status, and a sentence.
///
/// ```
/// use talkback::http::Status;
/// use talkback::room::Refusal;
///
/// let refusal = Refusal::new(Status::FORBIDDEN, "members only");
/// assert_eq!(refusal.to_string(), "403: members only");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub(super) status: Status,
    pub(super) why: String,
    retry_after: Option<u32>,
}

impl Refusal {
    /// With a status of 400 to 599, and a reason for people.
    #[must_use]
    pub fn new(status: Status, why: impl Into<String>) -> Self {
        Self { status, why: why.into(), retry_after: None }
    }

    /// Tells when it may be tried again, in seconds: with a 429 or a 503.
    #[must_use]
    pub const fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    pub(super) fn bad_request(error: &dyn fmt::Display) -> Self {
        Self::new(Status::BAD_REQUEST, error.to_string())
    }

    pub(super) fn response(&self) -> Response {
        let response = Response::refusal(self.status, &self.why);
        match self.retry_after {
            Some(seconds) => response.valid_header("Retry-After", &seconds.to_string()),
            None => response,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.status.code(), self.why)
    }
}

impl std::error::Error for Refusal {}

impl From<PublishError> for Refusal {
    fn from(error: PublishError) -> Self {
        match &error {
            PublishError::TooBig { .. } => Self::new(Status::CONTENT_TOO_LARGE, error.to_string()),
            PublishError::Data(why) => (*why).into(),
        }
    }
}

impl From<JsonError> for Refusal {
    fn from(error: JsonError) -> Self {
        Self::bad_request(&error)
    }
}
