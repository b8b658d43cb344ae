//! One entry of a page: 32 bytes, alone or before the bytes of a longer value.

use esp_nvs::Key;
use esp_nvs::platform::software_crc32;

/// The bytes of an entry.
pub(super) const SIZE: usize = 32;

/// What a value is (components/nvs_flash/include/nvs_handle.hpp, ItemType).
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(in crate::storage) enum Type {
    U8 = 0x01,
    U32 = 0x04,
    U64 = 0x08,
    /// Text, ended by NUL, in the entries after this one.
    Text = 0x21,
    /// A piece of a blob, in the entries after this one.
    Piece = 0x42,
    /// How many pieces a blob has, and which is the first.
    Index = 0x48,
}

/// The number of what is no piece of a blob.
const NO_PIECE: u8 = 0xff;

/// What an entry says.
#[derive(Clone, Copy)]
pub(super) struct Entry([u8; SIZE]);

impl Entry {
    /// For a value of at most 8 bytes.
    pub(super) fn short(namespace: u8, kind: Type, key: &Key, value: &[u8]) -> Self {
        Self::new(namespace, kind, 1, NO_PIECE, key, value)
    }

    /// For a value that follows it.
    pub(super) fn long(namespace: u8, kind: Type, piece: u8, key: &Key, value: &[u8]) -> Self {
        let mut data = [0xff; 8];
        // Shorter than a page.
        data[..2].copy_from_slice(&(value.len() as u16).to_le_bytes());
        data[4..].copy_from_slice(&software_crc32(u32::MAX, value).to_le_bytes());
        let span = 1 + value.len().div_ceil(SIZE) as u8;
        let piece = if kind == Type::Piece { piece } else { NO_PIECE };
        Self::new(namespace, kind, span, piece, key, &data)
    }

    /// For a blob in one piece.
    pub(super) fn index(namespace: u8, key: &Key, length: usize, piece: u8) -> Self {
        let mut data = [0xff; 8];
        data[..4].copy_from_slice(&(length as u32).to_le_bytes());
        data[4] = 1;
        data[5] = piece;
        Self::short(namespace, Type::Index, key, &data)
    }

    fn new(namespace: u8, kind: Type, span: u8, piece: u8, key: &Key, data: &[u8]) -> Self {
        let mut bytes = [0xff; SIZE];
        bytes[..4].copy_from_slice(&[namespace, kind as u8, span, piece]);
        bytes[8..24].copy_from_slice(key.as_bytes());
        bytes[24..24 + data.len()].copy_from_slice(data);
        let checksum = Self(bytes).checksum();
        bytes[4..8].copy_from_slice(&checksum.to_le_bytes());
        Self(bytes)
    }

    /// None if its checksum is wrong.
    pub(super) fn parse(bytes: [u8; SIZE]) -> Option<Self> {
        let entry = Self(bytes);
        (entry.word(4) == entry.checksum()).then_some(entry)
    }

    fn checksum(&self) -> u32 {
        let head = software_crc32(u32::MAX, &self.0[..4]);
        software_crc32(head, &self.0[8..])
    }

    fn word(&self, at: usize) -> u32 {
        let mut word = [0; 4];
        word.copy_from_slice(&self.0[at..at + 4]);
        u32::from_le_bytes(word)
    }

    pub(super) fn bytes(&self) -> &[u8; SIZE] {
        &self.0
    }

    pub(super) fn namespace(&self) -> u8 {
        self.0[0]
    }

    pub(super) fn is(&self, kind: Type) -> bool {
        self.0[1] == kind as u8
    }

    /// Whether its value follows it: texts and blobs, also those of ESP-IDF before v3.3 (0x41).
    pub(super) fn is_long(&self) -> bool {
        [Type::Text as u8, 0x41, Type::Piece as u8].contains(&self.0[1])
    }

    /// How many entries it takes, with its value. At least one.
    pub(super) fn span(&self) -> usize {
        usize::from(self.0[2]).max(1)
    }

    /// Whether it is about the same value as another.
    pub(super) fn is_about(&self, namespace: u8, key: &Key) -> bool {
        self.namespace() == namespace && self.0[8..24] == *key.as_bytes()
    }

    /// Whether a later one of these stands for an earlier.
    pub(super) fn replaces(&self, other: &Self) -> bool {
        self.0[..2] == other.0[..2] && self.0[3] == other.0[3] && self.0[8..24] == other.0[8..24]
    }

    /// The value of a short one, the rest of whose 8 bytes is 0xff.
    pub(super) fn value(&self) -> [u8; 8] {
        let mut value = [0; 8];
        value.copy_from_slice(&self.0[24..]);
        value
    }

    /// The bytes of the value that follows it.
    pub(super) fn length(&self) -> usize {
        self.word(24) as usize & 0xffff
    }

    /// Whether this is the value that follows it.
    pub(super) fn vouches_for(&self, value: &[u8]) -> bool {
        self.word(28) == software_crc32(u32::MAX, value)
    }

    /// Which piece of its blob it is.
    pub(super) fn piece(&self) -> u8 {
        self.0[3]
    }

    /// Of an index: the bytes of the blob, its number of pieces, and which is the first.
    pub(super) fn blob(&self) -> (usize, u8, u8) {
        (self.word(24) as usize, self.0[28], self.0[29])
    }
}
