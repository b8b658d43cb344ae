//! Telemetry: time series from the device.
//!
//! A message is `{"k":v}` (the server sets the time), `{"ts":ms,"values":{"k":v}}`, or an
//! array of these. Publish to [`crate::topic::TELEMETRY`].
//!
//! Source: thingsboard/thingsboard, `JsonConverter.convertToTelemetry`,
//! `common/proto/src/main/java/org/thingsboard/server/common/adaptor/JsonConverter.java`,
//! commit dfe65d5abc3aa959aaa853952d74943fbd6867bd. As it is there: an object with a key
//! `ts` and a key `values` is taken for the second form, so no series should have those two
//! names; text that looks like a number becomes a number.

use crate::Value;
use crate::json::{BufferTooSmall, Writer};

/// Writes values that the server is to stamp with the time of arrival: `{"k":v}`.
///
/// # Errors
/// [`BufferTooSmall`] with the length needed.
pub fn write_values<'b, 'v>(
    buffer: &'b mut [u8],
    values: impl IntoIterator<Item = (&'v str, Value<'v>)>,
) -> Result<&'b [u8], BufferTooSmall> {
    let mut writer = Writer::new(buffer);
    writer.object(values);
    writer.finish()
}

/// Writes values of one moment: `{"ts":ms,"values":{"k":v}}`.
///
/// `ts_ms` is the time of the sample in milliseconds since 1970, UTC.
///
/// # Errors
/// [`BufferTooSmall`] with the length needed.
pub fn write_record<'b, 'v>(
    buffer: &'b mut [u8],
    ts_ms: u64,
    values: impl IntoIterator<Item = (&'v str, Value<'v>)>,
) -> Result<&'b [u8], BufferTooSmall> {
    let mut writer = Writer::new(buffer);
    record(&mut writer, ts_ms, values);
    writer.finish()
}

fn record<'v>(
    writer: &mut Writer<'_>,
    ts_ms: u64,
    values: impl IntoIterator<Item = (&'v str, Value<'v>)>,
) {
    writer.raw("{\"ts\":");
    writer.value(Value::Int(i64::try_from(ts_ms).unwrap_or(i64::MAX)));
    writer.raw(",\"values\":");
    writer.object(values);
    writer.raw("}");
}

/// Gathers records into one message, as many as fit: `[{"ts":…},…]`.
#[derive(Debug)]
pub struct Batch<'b> {
    writer: Writer<'b>,
    records: usize,
}

impl<'b> Batch<'b> {
    /// Starts an empty batch; a `buffer` of less than 2 bytes takes no record.
    pub fn new(buffer: &'b mut [u8]) -> Self {
        let mut writer = Writer::new(buffer);
        writer.raw("[");
        Self { writer, records: 0 }
    }

    /// Adds a record, with the time in milliseconds since 1970.
    ///
    /// # Errors
    /// [`BufferTooSmall`] if there is no room for it: the batch is as it was before, and
    /// `needed` is the length of a buffer for all the records with this one.
    pub fn push<'v>(
        &mut self,
        ts_ms: u64,
        values: impl IntoIterator<Item = (&'v str, Value<'v>)>,
    ) -> Result<(), BufferTooSmall> {
        let before = self.writer.len();
        if self.records > 0 {
            self.writer.raw(",");
        }
        record(&mut self.writer, ts_ms, values);
        // Room for the bracket that ends the array.
        let needed = self.writer.len() + 1;
        if needed > self.writer.capacity() {
            self.writer.truncate(before);
            return Err(BufferTooSmall { needed });
        }
        self.records += 1;
        Ok(())
    }

    /// How many records are in it.
    pub fn records(&self) -> usize {
        self.records
    }

    /// The message; `None` if no record was added, for then there is nothing to send.
    pub fn finish(mut self) -> Option<&'b [u8]> {
        self.writer.raw("]");
        if self.records == 0 {
            None
        } else {
            self.writer.finish().ok()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Decimal;

    const SAMPLE: [(&str, Value<'_>); 2] = [
        ("temperature", Value::Decimal(Decimal::new(425, 1))),
        ("humidity", Value::Int(70)),
    ];

    #[test]
    fn messages_are_those_of_the_documentation() {
        // thingsboard.io/docs/reference/mqtt-api#telemetry-upload-api, without its spaces.
        let mut buffer = [0; 128];
        let written = write_values(
            &mut buffer,
            [("key1", "value1".into()), ("key2", true.into())],
        );
        assert_eq!(written.unwrap(), br#"{"key1":"value1","key2":true}"#);
        let written = write_record(&mut buffer, 1_451_649_600_512, [("key1", "value1".into())]);
        assert_eq!(
            written.unwrap(),
            br#"{"ts":1451649600512,"values":{"key1":"value1"}}"#
        );
    }

    #[test]
    fn a_batch_takes_as_many_as_fit() {
        let mut one = [0; 128];
        let length = write_record(&mut one, 1_000, SAMPLE).unwrap().len();
        let mut buffer = [0; 512];
        // Two records with brackets and a comma, and one byte less.
        let room = 2 * length + 3;
        let mut batch = Batch::new(&mut buffer[..room]);
        batch.push(1_000, SAMPLE).unwrap();
        batch.push(2_000, SAMPLE).unwrap();
        assert_eq!(
            batch.push(3_000, SAMPLE),
            Err(BufferTooSmall {
                needed: room + length + 1
            })
        );
        assert_eq!(batch.records(), 2);
        let message = batch.finish().unwrap();
        assert_eq!(message.len(), room);
        let expected: &[u8] = br#"[{"ts":1000,"values":{"temperature":42.5,"humidity":70}},{"ts":2000,"values":{"temperature":42.5,"humidity":70}}]"#;
        assert_eq!(message, expected);

        let mut batch = Batch::new(&mut buffer[..room - 1]);
        batch.push(1_000, SAMPLE).unwrap();
        batch.push(2_000, SAMPLE).unwrap_err();
        assert_eq!(batch.finish().unwrap().len(), length + 2);
    }

    #[test]
    fn an_empty_batch_is_nothing_to_send() {
        assert_eq!(Batch::new(&mut [0; 16]).finish(), None);
        let mut none = [];
        let mut batch = Batch::new(&mut none);
        batch.push(0, SAMPLE).unwrap_err();
        assert_eq!(batch.finish(), None);
    }
}
