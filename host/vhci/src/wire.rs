//! HCI bytes: status codes, parameters in, events out.
//!
//! Everything is little-endian, as the Bluetooth Core Specification 5.4 (Vol 4, Part E) has it.
//! Nothing here knows what a command does.

use core::fmt;

/// H4 packet indicators (Core 5.4, Vol 4, Part A, section 2).
pub mod h4 {
    /// Host to controller: a command.
    pub const COMMAND: u8 = 1;
    /// Either way: ACL data.
    pub const ACL: u8 = 2;
    /// Either way: synchronous data, which a virtual controller ignores.
    pub const SYNC: u8 = 3;
    /// Controller to host: an event.
    pub const EVENT: u8 = 4;
    /// Either way: isochronous data, which a virtual controller ignores.
    pub const ISO: u8 = 5;
}

/// An HCI status or error code (Core 5.4, Vol 1, Part F).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Status(pub u8);

impl Status {
    /// Success.
    pub const SUCCESS: Self = Self(0x00);
    /// The controller does not know the opcode.
    pub const UNKNOWN_COMMAND: Self = Self(0x01);
    /// No link with that handle, or a connection attempt was cancelled.
    pub const UNKNOWN_CONNECTION: Self = Self(0x02);
    /// The other end was not heard for the supervision timeout.
    pub const CONNECTION_TIMEOUT: Self = Self(0x08);
    /// No further link can be had.
    pub const CONNECTION_LIMIT: Self = Self(0x09);
    /// A link to that peer is there already.
    pub const CONNECTION_EXISTS: Self = Self(0x0B);
    /// Not now: the state forbids the command.
    pub const DISALLOWED: Self = Self(0x0C);
    /// A parameter is out of range, or the packet is too short.
    pub const INVALID_PARAMETERS: Self = Self(0x12);
    /// The user of the remote device ended the link.
    pub const REMOTE_USER_TERMINATED: Self = Self(0x13);
    /// The local host ended the link.
    pub const LOCAL_HOST_TERMINATED: Self = Self(0x16);
    /// The remote controller cannot do this.
    pub const UNSUPPORTED_REMOTE_FEATURE: Self = Self(0x1A);
    /// Advertising ended because its time was over.
    pub const ADVERTISING_TIMEOUT: Self = Self(0x3C);
    /// The peer was never heard after the link was set up.
    pub const FAILED_TO_ESTABLISH: Self = Self(0x3E);
    /// No advertising set with that handle.
    pub const UNKNOWN_ADVERTISING_ID: Self = Self(0x42);
    /// Advertising ended because its number of events was reached.
    pub const LIMIT_REACHED: Self = Self(0x43);
    /// The packet is longer than allowed.
    pub const MEMORY_EXCEEDED: Self = Self(0x07);
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Status({:#04x})", self.0)
    }
}

/// A device address: its kind (0 public, 1 random) and its bytes as they go over the wire,
/// least significant first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// 0 for a public address, 1 for a random one.
    pub kind: u8,
    /// Least significant byte first.
    pub bytes: [u8; 6],
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, b) in self.bytes.iter().rev().enumerate() {
            if i > 0 {
                f.write_str(":")?;
            }
            write!(f, "{b:02X}")?;
        }
        f.write_str(if self.kind == 0 { "/P" } else { "" })
    }
}

/// The parameters of a command, read from the front.
pub(crate) struct Params<'a>(&'a [u8]);

impl<'a> Params<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn bytes(&mut self, n: usize) -> Result<&'a [u8], Status> {
        let (head, tail) = self
            .0
            .split_at_checked(n)
            .ok_or(Status::INVALID_PARAMETERS)?;
        self.0 = tail;
        Ok(head)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Status> {
        let (head, tail) = self
            .0
            .split_first_chunk::<N>()
            .ok_or(Status::INVALID_PARAMETERS)?;
        self.0 = tail;
        Ok(*head)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Status> {
        Ok(self.array::<1>()?[0])
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Status> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    pub(crate) fn u24(&mut self) -> Result<u32, Status> {
        let [a, b, c] = self.array()?;
        Ok(u32::from_le_bytes([a, b, c, 0]))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Status> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// A peer's address: its kind, then its bytes. Identity addresses (kinds 2 and 3) name the
    /// same device as kinds 0 and 1, since no address here is resolvable.
    pub(crate) fn address(&mut self) -> Result<Address, Status> {
        let kind = self.u8()?;
        Ok(Address {
            kind: kind & 1,
            bytes: self.array()?,
        })
    }
}

/// Bytes of an event or of a command's return parameters, in the making.
#[derive(Default)]
pub(crate) struct Bytes(Vec<u8>);

impl Bytes {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn u8(mut self, v: u8) -> Self {
        self.0.push(v);
        self
    }

    pub(crate) fn u16(mut self, v: u16) -> Self {
        self.0.extend_from_slice(&v.to_le_bytes());
        self
    }

    pub(crate) fn u64(mut self, v: u64) -> Self {
        self.0.extend_from_slice(&v.to_le_bytes());
        self
    }

    pub(crate) fn slice(mut self, v: &[u8]) -> Self {
        self.0.extend_from_slice(v);
        self
    }

    pub(crate) fn address(self, v: Address) -> Self {
        self.u8(v.kind).slice(&v.bytes)
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.0
    }
}

/// An event as an H4 packet. `parameters` has at most 255 bytes by construction of its callers;
/// what is beyond is cut, as the length field has one byte.
pub(crate) fn event(code: u8, parameters: &[u8]) -> Vec<u8> {
    let parameters = &parameters[..parameters.len().min(255)];
    let mut packet = Vec::with_capacity(3 + parameters.len());
    packet.extend_from_slice(&[h4::EVENT, code, parameters.len() as u8]);
    packet.extend_from_slice(parameters);
    packet
}

/// Event codes (Core 5.4, Vol 4, Part E, section 7.7).
pub(crate) mod event_code {
    pub(crate) const DISCONNECTION_COMPLETE: u8 = 0x05;
    pub(crate) const REMOTE_VERSION: u8 = 0x0C;
    pub(crate) const COMMAND_COMPLETE: u8 = 0x0E;
    pub(crate) const COMMAND_STATUS: u8 = 0x0F;
    pub(crate) const COMPLETED_PACKETS: u8 = 0x13;
    pub(crate) const BUFFER_OVERFLOW: u8 = 0x1A;
    pub(crate) const LE_META: u8 = 0x3E;
}

/// Subevent codes of the LE Meta event (section 7.7.65).
pub(crate) mod le_event {
    pub(crate) const CONNECTION_COMPLETE: u8 = 0x01;
    pub(crate) const ADVERTISING_REPORT: u8 = 0x02;
    pub(crate) const CONNECTION_UPDATE: u8 = 0x03;
    pub(crate) const REMOTE_FEATURES: u8 = 0x04;
    pub(crate) const PARAMETER_REQUEST: u8 = 0x06;
    pub(crate) const DATA_LENGTH: u8 = 0x07;
    pub(crate) const ENHANCED_CONNECTION: u8 = 0x0A;
    pub(crate) const PHY_UPDATE: u8 = 0x0C;
    pub(crate) const EXTENDED_REPORT: u8 = 0x0D;
    pub(crate) const SCAN_TIMEOUT: u8 = 0x11;
    pub(crate) const SET_TERMINATED: u8 = 0x12;
}
