//! Placeholder until credentials land.
use core::fmt;

/// Why credentials were refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialsError;

impl fmt::Display for CredentialsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("credentials refused")
    }
}
