//! Clients: from an address to an open connection.

mod connect;
mod error;
mod exchange;
mod tcp;
mod url;

pub use connect::{Connect, connect};
pub use error::ConnectError;
pub use url::{Url, UrlError};
