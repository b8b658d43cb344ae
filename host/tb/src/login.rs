//! Who is asking a ThingsBoard.

use zeroize::Zeroizing;

/// Who is asking. Its text is a secret, and wiped when dropped.
#[derive(Clone)]
pub enum Login {
    /// A user, as on the page.
    Password {
        /// The e-mail address.
        user: String,
        /// The password.
        password: Zeroizing<String>,
    },
    /// An API key of a user, from ThingsBoard 4.3 on.
    ApiKey(Zeroizing<String>),
}

impl Login {
    /// Whose it is, as far as it says.
    #[must_use]
    pub fn user(&self) -> &str {
        match self {
            Self::Password { user, .. } => user,
            Self::ApiKey(_) => "the API key's user",
        }
    }

    pub(crate) fn remedy(&self) -> &'static str {
        match self {
            Self::Password { .. } => {
                "check user and password, and log in anew with `esptb tb login`"
            }
            Self::ApiKey(_) => {
                "see on ThingsBoard's page whether the key has expired, and that the server is 4.3 or newer: older \
                 ones know no API keys"
            }
        }
    }
}
