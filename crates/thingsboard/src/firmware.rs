//! Firmware update: what is on offer, its chunks, and how far the device has come.
//!
//! The offer is a set of shared attributes ([`Offer`]). The device asks for one chunk after
//! the other on [`FirmwareRequest`](crate::FromDevice::FirmwareRequest) with the chunk size
//! as the payload ([`write_chunk_size`]), receives the bytes on
//! [`FirmwareChunk`](crate::FromServer::FirmwareChunk), and reports its state as telemetry
//! ([`write_state`]). Storing and proving the image is not done here.
//!
//! Source: thingsboard/thingsboard, `OtaPackageKey.java`, `OtaPackageUpdateStatus.java`,
//! `MqttTransportHandler.getOtaPackageCallback`, commit
//! dfe65d5abc3aa959aaa853952d74943fbd6867bd.

use crate::Value;
use crate::json::{BufferTooSmall, Json, Object, Text, Writer};
use crate::telemetry::write_values;

/// The shared attributes that describe an offer, to be asked for after connecting.
pub const OFFER_KEYS: [&str; 5] = [
    "fw_title",
    "fw_version",
    "fw_size",
    "fw_checksum",
    "fw_checksum_algorithm",
];

/// A firmware that the server has assigned to this device.
#[derive(Clone, Copy, Debug)]
pub struct Offer<'a> {
    /// Title of the package.
    pub title: Text<'a>,
    /// Version of the package.
    pub version: Text<'a>,
    /// Length of the image in bytes.
    pub size: u32,
    /// Checksum of the image, in hexadecimal digits.
    pub checksum: Text<'a>,
    /// How it was computed, such as `SHA256`.
    pub checksum_algorithm: Text<'a>,
}

impl<'a> Offer<'a> {
    /// Finds the offer among shared attributes; `None` if a part is missing or not of its type.
    ///
    /// ThingsBoard makes a number of text that looks like one, but these attributes it writes
    /// itself, as text; a version such as `2` stays text.
    pub fn find(shared: Object<'a>) -> Option<Self> {
        let text = |key| shared.get(key).and_then(Json::as_text);
        Some(Self {
            title: text("fw_title")?,
            version: text("fw_version")?,
            size: shared
                .get("fw_size")?
                .as_i64()
                .and_then(|size| u32::try_from(size).ok())?,
            checksum: text("fw_checksum")?,
            checksum_algorithm: text("fw_checksum_algorithm")?,
        })
    }

    /// How many chunks of `chunk_size` bytes the image has; `None` for a size of zero.
    pub fn chunk_count(&self, chunk_size: u32) -> Option<u32> {
        (chunk_size > 0).then(|| self.size.div_ceil(chunk_size))
    }

    /// How many bytes chunk `index` (from 0) has; `None` behind the end.
    pub fn chunk_len(&self, index: u32, chunk_size: u32) -> Option<u32> {
        let start = index
            .checked_mul(chunk_size)
            .filter(|&start| start < self.size)?;
        Some(chunk_size.min(self.size - start))
    }
}

/// Writes the payload of a chunk request: the chunk size in bytes, in decimal digits.
///
/// # Errors
/// [`BufferTooSmall`] with the length needed.
pub fn write_chunk_size(buffer: &mut [u8], chunk_size: u32) -> Result<&[u8], BufferTooSmall> {
    let mut writer = Writer::new(buffer);
    writer.value(Value::from(chunk_size));
    writer.finish()
}

/// How far an update has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State<'a> {
    /// Chunks are being received.
    Downloading,
    /// All chunks are there.
    Downloaded,
    /// The checksum was right.
    Verified,
    /// The device is about to start the new image.
    Updating,
    /// The new image runs.
    Updated,
    /// It did not work, and why.
    Failed(&'a str),
}

impl State<'_> {
    /// The word for it on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Downloading => "DOWNLOADING",
            Self::Downloaded => "DOWNLOADED",
            Self::Verified => "VERIFIED",
            Self::Updating => "UPDATING",
            Self::Updated => "UPDATED",
            Self::Failed(_) => "FAILED",
        }
    }
}

/// Writes the state as telemetry: `{"fw_state":"…"}`, with `fw_error` after a failure.
///
/// # Errors
/// [`BufferTooSmall`] with the length needed.
pub fn write_state<'b>(buffer: &'b mut [u8], state: State<'_>) -> Result<&'b [u8], BufferTooSmall> {
    let name = ("fw_state", Value::Text(state.name()));
    match state {
        State::Failed(reason) => write_values(buffer, [name, ("fw_error", Value::Text(reason))]),
        _ => write_values(buffer, [name]),
    }
}

/// Writes which firmware runs, as telemetry, to be sent after connecting: the server takes an
/// update as done when these match the offer.
///
/// # Errors
/// [`BufferTooSmall`] with the length needed.
pub fn write_current<'b>(
    buffer: &'b mut [u8],
    title: &str,
    version: &str,
) -> Result<&'b [u8], BufferTooSmall> {
    write_values(
        buffer,
        [
            ("current_fw_title", Value::Text(title)),
            ("current_fw_version", Value::Text(version)),
        ],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFER: &[u8] = br#"{"fw_title":"esptb","fw_version":"1.2","fw_size":1000,
        "fw_checksum":"00ff","fw_checksum_algorithm":"SHA256","fw_tag":"esptb 1.2"}"#;

    #[test]
    fn an_offer_is_found_and_cut_into_chunks() {
        let offer = Offer::find(Object::parse(OFFER).unwrap()).unwrap();
        assert_eq!(offer.version, "1.2");
        assert_eq!(offer.chunk_count(300), Some(4));
        assert_eq!(offer.chunk_count(0), None);
        assert_eq!(offer.chunk_len(0, 300), Some(300));
        assert_eq!(offer.chunk_len(3, 300), Some(100));
        assert_eq!(offer.chunk_len(4, 300), None);
        assert_eq!(offer.chunk_len(u32::MAX, 300), None);
    }

    #[test]
    fn a_part_of_an_offer_is_none() {
        for part in [
            &b"{}"[..],
            br#"{"fw_title":"a","fw_version":"1","fw_size":-1}"#,
        ] {
            assert!(Offer::find(Object::parse(part).unwrap()).is_none());
        }
    }

    #[test]
    fn reports_are_telemetry() {
        let mut buffer = [0; 64];
        let state = write_state(&mut buffer, State::Failed("bad checksum")).unwrap();
        assert_eq!(state, br#"{"fw_state":"FAILED","fw_error":"bad checksum"}"#);
        let state = write_state(&mut buffer, State::Verified).unwrap();
        assert_eq!(state, br#"{"fw_state":"VERIFIED"}"#);
        assert_eq!(write_chunk_size(&mut buffer, 4096).unwrap(), b"4096");
        let current = write_current(&mut buffer, "a", "1").unwrap();
        assert_eq!(
            current,
            br#"{"current_fw_title":"a","current_fw_version":"1"}"#
        );
    }
}
