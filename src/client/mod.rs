//! Clients: from an address to an open connection, and to a stream of events that is kept up.
//!
//! [`connect`], or [`Connect`] where there is more to say, gives a [`WebSocket`](crate::WebSocket).
//! [`EventSource::connect`], or [`Subscribe`], gives an [`EventSource`]: it receives server-sent events, and
//! connects again by itself where it left off. Both run over TCP; TLS is not built in.

mod closer;
mod connect;
mod error;
mod event_body;
mod event_error;
mod event_source;
mod exchange;
mod fetch;
mod location;
mod request_headers;
pub(crate) mod retry;
mod subscribe;
mod tcp;
mod url;

pub use closer::Closer;
pub use connect::{Connect, connect};
pub use error::ConnectError;
pub use event_error::EventSourceError;
pub use event_source::EventSource;
pub use subscribe::Subscribe;
pub use url::{Url, UrlError};
