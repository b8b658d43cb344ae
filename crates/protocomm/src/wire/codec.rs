//! Protobuf with borrowed bytes, on micropb's decoder and encoder.
//!
//! Knows varints, lengths and tags; knows no message. Reading: [`Fields`] walks the fields of a
//! message and lends their bytes. Writing: a message is a function from a [`Writer`], called twice
//! for whatever is nested, once to count and once to write.

use core::convert::Infallible;

use micropb::{PbDecoder, PbEncoder, PbWrite, Tag, WIRE_TYPE_LEN, WIRE_TYPE_VARINT};

use super::{BufferTooSmall, Malformed};

/// The value of a field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Value<'a> {
    /// A varint, cut to 32 bits as protobuf does for 32-bit fields.
    Varint(u32),
    /// Bytes, a string, or a nested message.
    Bytes(&'a [u8]),
    /// A fixed-width value, which no message here uses.
    Other,
}

impl<'a> Value<'a> {
    /// The bytes, or [`Malformed`] if the field is not length-delimited.
    pub(crate) fn bytes(self) -> Result<&'a [u8], Malformed> {
        match self {
            Value::Bytes(bytes) => Ok(bytes),
            _ => Err(Malformed),
        }
    }

    /// The number, or [`Malformed`] if the field is not a varint.
    pub(crate) fn number(self) -> Result<u32, Malformed> {
        match self {
            Value::Varint(number) => Ok(number),
            _ => Err(Malformed),
        }
    }
}

/// The fields of a message, in the order of the wire.
pub(crate) struct Fields<'a>(PbDecoder<&'a [u8]>);

impl<'a> Fields<'a> {
    pub(crate) fn new(message: &'a [u8]) -> Self {
        Self(PbDecoder::new(message))
    }

    /// The next field's number and value; `None` at the end. Every call consumes at least a byte.
    pub(crate) fn next(&mut self) -> Result<Option<(u32, Value<'a>)>, Malformed> {
        if self.0.as_reader().is_empty() {
            return Ok(None);
        }
        let tag = self.0.decode_tag()?;
        // Field number 0 is illegal; protobuf parsers reject it.
        if tag.field_num() == 0 {
            return Err(Malformed);
        }
        let value = match tag.wire_type() {
            WIRE_TYPE_VARINT => Value::Varint(self.0.decode_varint32()?),
            WIRE_TYPE_LEN => {
                let len = self.0.decode_varint32()? as usize;
                let rest: &'a [u8] = self.0.as_reader();
                let bytes = rest.get(..len).ok_or(Malformed)?;
                self.0.skip_bytes(len)?;
                Value::Bytes(bytes)
            }
            other => {
                self.0.skip_wire_value(other)?;
                Value::Other
            }
        };
        Ok(Some((tag.field_num(), value)))
    }
}

impl<E> From<micropb::DecodeError<E>> for Malformed {
    fn from(_: micropb::DecodeError<E>) -> Self {
        Malformed
    }
}

/// Where encoded bytes go: into the buffer as far as it reaches, and counted in any case.
struct Sink<'a> {
    buffer: &'a mut [u8],
    len: usize,
}

impl PbWrite for Sink<'_> {
    type Error = Infallible;

    fn pb_write(&mut self, data: &[u8]) -> Result<(), Infallible> {
        let end = self.len + data.len();
        if let Some(target) = self.buffer.get_mut(self.len..end) {
            target.copy_from_slice(data);
        }
        self.len = end;
        Ok(())
    }
}

/// Writes the fields of one message. Zero and empty are left out, as proto3 has it, except by the
/// methods that say otherwise.
pub(crate) struct Writer<'a>(PbEncoder<Sink<'a>>);

/// Encodes the message that `write` writes, and returns its length.
pub(crate) fn encode(
    buffer: &mut [u8],
    write: impl FnOnce(&mut Writer<'_>),
) -> Result<usize, BufferTooSmall> {
    let capacity = buffer.len();
    let mut writer = Writer(PbEncoder::new(Sink { buffer, len: 0 }));
    write(&mut writer);
    let needed = writer.0.as_writer().len;
    if needed > capacity {
        return Err(BufferTooSmall { needed });
    }
    Ok(needed)
}

/// The length of the message that `write` writes.
fn measure(write: impl FnOnce(&mut Writer<'_>)) -> usize {
    let mut writer = Writer(PbEncoder::new(Sink {
        buffer: &mut [],
        len: 0,
    }));
    write(&mut writer);
    writer.0.as_writer().len
}

fn never(result: Result<(), Infallible>) {
    let Ok(()) = result;
}

impl Writer<'_> {
    pub(crate) fn number(&mut self, field: u32, value: u32) {
        if value != 0 {
            self.number_even_if_zero(field, value);
        }
    }

    /// A number that is written even where it is zero: a member of a `oneof`.
    pub(crate) fn number_even_if_zero(&mut self, field: u32, value: u32) {
        never(self.0.encode_tag(Tag::from_parts(field, WIRE_TYPE_VARINT)));
        never(self.0.encode_varint32(value));
    }

    pub(crate) fn signed(&mut self, field: u32, value: i32) {
        if value != 0 {
            never(self.0.encode_tag(Tag::from_parts(field, WIRE_TYPE_VARINT)));
            never(self.0.encode_int32(value));
        }
    }

    pub(crate) fn bytes(&mut self, field: u32, value: &[u8]) {
        if !value.is_empty() {
            never(self.0.encode_tag(Tag::from_parts(field, WIRE_TYPE_LEN)));
            never(self.0.encode_bytes(value));
        }
    }

    /// A nested message, written even where it is empty.
    pub(crate) fn message(&mut self, field: u32, write: impl Fn(&mut Writer<'_>)) {
        let len = measure(&write);
        never(self.0.encode_tag(Tag::from_parts(field, WIRE_TYPE_LEN)));
        // A message longer than 4 GiB does not fit this machine's memory.
        never(self.0.encode_varint32(len as u32));
        write(self);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_all_wire_types() {
        // field 1 varint 300, field 2 bytes "hi", field 3 fixed64, field 4 fixed32
        let message = [
            0x08, 0xAC, 0x02, 0x12, 2, b'h', b'i', 0x19, 1, 2, 3, 4, 5, 6, 7, 8, 0x25, 1, 2, 3, 4,
        ];
        let mut fields = Fields::new(&message);
        assert_eq!(fields.next(), Ok(Some((1, Value::Varint(300)))));
        assert_eq!(fields.next(), Ok(Some((2, Value::Bytes(b"hi")))));
        assert_eq!(fields.next(), Ok(Some((3, Value::Other))));
        assert_eq!(fields.next(), Ok(Some((4, Value::Other))));
        assert_eq!(fields.next(), Ok(None));
    }

    #[test]
    fn broken_fields_are_refused() {
        let broken: [&[u8]; 6] = [
            &[0x08],                               // tag without a value
            &[0x12, 5, 1],                         // length beyond the end
            &[0x0B],                               // a group
            &[0x00, 0x00],                         // field number 0
            &[0xFF; 11],                           // endless varint
            &[0x12, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F], // length near 4 GiB
        ];
        for bytes in broken {
            assert_eq!(Fields::new(bytes).next(), Err(Malformed), "{bytes:?}");
        }
    }

    #[test]
    fn a_short_buffer_says_what_is_needed() {
        let write = |w: &mut Writer<'_>| {
            w.message(1, |w| w.bytes(2, b"abc"));
            w.signed(3, -1);
        };
        let mut buffer = [0; 32];
        let len = encode(&mut buffer, write).unwrap();
        assert_eq!(
            buffer[..len],
            [
                0x0A, 5, 0x12, 3, b'a', b'b', b'c', 0x18, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
                0xFF, 0xFF, 0x01
            ]
        );
        assert_eq!(
            encode(&mut [0; 17], write),
            Err(BufferTooSmall { needed: 18 })
        );
    }
}
