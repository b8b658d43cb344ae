//! Claiming: the device says that whoever knows a secret may take it over.
//!
//! Source: thingsboard/thingsboard, `JsonConverter.convertToClaimDeviceProto`, commit
//! dfe65d5abc3aa959aaa853952d74943fbd6867bd.

use crate::Value;
use crate::json::{BufferTooSmall, Writer};

/// Writes a claim: `{"secretKey":"…","durationMs":60000}`; publish it to
/// [`crate::topic::CLAIM`].
///
/// Without a secret the server takes an empty one, without a duration (in milliseconds) its
/// own default.
///
/// # Errors
/// [`BufferTooSmall`] with the length needed.
pub fn write_claim<'b>(
    buffer: &'b mut [u8],
    secret: Option<&str>,
    duration_ms: Option<u32>,
) -> Result<&'b [u8], BufferTooSmall> {
    let secret = secret.map(|secret| ("secretKey", Value::Text(secret)));
    let duration = duration_ms.map(|ms| ("durationMs", Value::from(ms)));
    let mut writer = Writer::new(buffer);
    match (secret, duration) {
        (Some(secret), Some(duration)) => writer.object([secret, duration]),
        (Some(only), None) | (None, Some(only)) => writer.object([only]),
        (None, None) => writer.object([]),
    }
    writer.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_is_that_of_the_documentation() {
        // thingsboard.io/docs/user-guide/claiming-devices
        let mut buffer = [0; 64];
        let claim = write_claim(&mut buffer, Some("value"), Some(60_000)).unwrap();
        assert_eq!(claim, br#"{"secretKey":"value","durationMs":60000}"#);
        assert_eq!(write_claim(&mut buffer, None, None).unwrap(), b"{}");
        assert_eq!(
            write_claim(&mut buffer, None, Some(1)).unwrap(),
            br#"{"durationMs":1}"#
        );
    }
}
