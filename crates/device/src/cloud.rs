//! Placeholder until cloud land.
use core::fmt;

/// Why cloud were refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloudError;

impl fmt::Display for CloudError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cloud refused")
    }
}
