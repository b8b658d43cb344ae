//! Placeholder until storage land.
use core::fmt;

/// Why storage were refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageError;

impl fmt::Display for StorageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("storage refused")
    }
}
