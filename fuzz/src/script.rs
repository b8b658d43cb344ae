//! The fuzzer's bytes, read as a script: small numbers and strings, in the order written.
//!
//! Every byte string is a script. One that ends early ends the run.

/// What is left of the script.
#[derive(Clone, Copy)]
pub struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    /// A script of these bytes.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The next byte; none at the end.
    pub fn byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(byte)
    }

    /// The next byte, or 0 at the end.
    pub fn byte_or_0(&mut self) -> u8 {
        self.byte().unwrap_or(0)
    }

    /// A number of two bytes, little-endian; what is missing is 0.
    pub fn short(&mut self) -> u16 {
        u16::from_le_bytes([self.byte_or_0(), self.byte_or_0()])
    }

    /// A string with its length before it, two bytes little-endian; cut where the script ends.
    pub fn string(&mut self) -> &'a [u8] {
        let length = usize::from(self.short());
        self.take(length)
    }

    /// A string with its length before it in one byte; cut where the script ends.
    pub fn short_string(&mut self) -> &'a [u8] {
        let length = usize::from(self.byte_or_0());
        self.take(length)
    }

    /// The next `length` bytes, or as many as there are.
    pub fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// All that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    /// Whether nothing is left.
    pub fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    /// Changes a message as the script says: bits flipped, bytes replaced, cut, lengthened.
    pub fn mutate(&mut self, message: &mut Vec<u8>) {
        for _ in 0..self.byte_or_0() % 4 {
            let kind = self.byte_or_0();
            let at = usize::from(self.short()) % (message.len() + 1);
            let value = self.byte_or_0();
            match (kind % 4, message.get_mut(at)) {
                (0, Some(byte)) => *byte ^= value,
                (1, Some(byte)) => *byte = value,
                (2, _) => message.truncate(at),
                _ => {
                    let piece = self.take(usize::from(value % 32));
                    message.splice(at..at, piece.iter().copied());
                }
            }
        }
    }
}

/// Writes what [`Script`] reads, for the seeds.
#[derive(Default)]
pub struct Writer(pub Vec<u8>);

impl Writer {
    /// A byte.
    pub fn byte(&mut self, byte: u8) -> &mut Self {
        self.0.push(byte);
        self
    }

    /// A number of two bytes.
    pub fn short(&mut self, number: u16) -> &mut Self {
        self.0.extend(number.to_le_bytes());
        self
    }

    /// A string with its length in two bytes.
    pub fn string(&mut self, bytes: &[u8]) -> &mut Self {
        self.short(bytes.len() as u16);
        self.0.extend(bytes);
        self
    }

    /// A string with its length in one byte.
    pub fn short_string(&mut self, bytes: &[u8]) -> &mut Self {
        self.byte(bytes.len() as u8);
        self.0.extend(&bytes[..bytes.len().min(255)]);
        self
    }
}
