//! What can go wrong between an operator and a ThingsBoard, and who has to act.

use crate::{Address, KeptError};

/// Why something did not come about.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody answers: the address is wrong, the server is down, or something stands in between.
    #[error(
        "{server} does not answer ({reason}): see that it runs, and that this address opens ThingsBoard's page in a \
         browser"
    )]
    Unreachable {
        /// Where nobody answers.
        server: Address,
        /// What the network says.
        reason: String,
    },
    /// It answered with something that is no ThingsBoard's.
    #[error(
        "what answers at {server} is no ThingsBoard that esptb knows ({reason}, asked for {request}): check the \
         address; 3.6 to 4.x are known"
    )]
    Strange {
        /// Who answered.
        server: Address,
        /// What was asked.
        request: String,
        /// What is strange.
        reason: String,
    },
    /// User, password or API key are wrong.
    #[error("{server} refuses the login ({message}): {remedy}")]
    Login {
        /// Who refuses.
        server: Address,
        /// What the server says.
        message: String,
        /// What to do.
        remedy: &'static str,
    },
    /// The login is good for something else.
    #[error(
        "the login may not do that ({message}, {request}): take one of a tenant administrator, which {user} is not"
    )]
    Forbidden {
        /// What was asked.
        request: String,
        /// What the server says.
        message: String,
        /// Whose login it is.
        user: String,
    },
    /// There is no such thing.
    #[error("the server has no such thing ({message}, {request})")]
    NotFound {
        /// What was asked.
        request: String,
        /// What the server says.
        message: String,
    },
    /// Too much was asked: a rate limit of the tenant's profile.
    #[error(
        "the server takes no more requests for now ({message}): try again later, or have its limits raised"
    )]
    TooMany {
        /// What the server says.
        message: String,
    },
    /// It refused for a reason of its own.
    #[error("the server refused {request}: {message} (status {status})")]
    Refused {
        /// What was asked.
        request: String,
        /// The HTTP status.
        status: u16,
        /// What the server says.
        message: String,
    },
    /// The server has something that is in the way.
    #[error("{0}")]
    InTheWay(String),
    /// The kept logins.
    #[error(transparent)]
    Kept(#[from] KeptError),
    /// A campaign's file.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// Why a campaign's file does not serve.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// SQLite refused.
    #[error("the campaign's file failed: {0}; is its disk full, or its folder not yours to write?")]
    Sqlite(#[from] rusqlite::Error),
    /// The file is of a later version.
    #[error(
        "the campaign's file has format {0}, which this version does not know: take the esptb that made it"
    )]
    Format(i64),
    /// It is another campaign's.
    #[error(
        "the file is of a campaign for {there} on {server}: go on with that one, or name another file by --state"
    )]
    Another {
        /// What that one brings.
        there: String,
        /// Where.
        server: String,
    },
}
