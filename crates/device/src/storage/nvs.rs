//! ESP-IDF's NVS: values by namespace and key, in pages of flash (components/nvs_flash, v5.4.1).
//!
//! Of it there is what the device and its tools keep: numbers, texts and blobs. All else stays as
//! it is, and is moved along. A crate for all of it (`esp-nvs` 0.6, which proves this one in the
//! tests) takes 50 KB of flash for speed that nobody needs here: nothing is cached, everything is
//! looked for in flash, so that there is no heap either.
//!
//! After a power cut at any point a value is the old or the new one: what is written counts only
//! with its last bit, what it replaces is erased afterwards, and of two the later counts. A page
//! is moved while it is marked so; where the power fails meanwhile, the move begins anew.

mod check;
mod entry;
mod page;
mod room;
#[cfg(test)]
mod tests;
mod walk;

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use embedded_storage::nor_flash::NorFlash;
use esp_nvs::Key;
use zeroize::Zeroizing;

use self::entry::{Entry, Type};
use self::page::{ENTRIES, Page, State};
use self::walk::{Cursor, Place};
use super::{Partition, StorageError};

/// The namespace of namespaces: each has a number there.
const NAMESPACES: u8 = 0;
/// Pieces of a blob are numbered from 0 or from here, whichever the one before is not.
const OTHER_PIECES: u8 = 128;
/// The longest value that is written: it must fit one page.
const MOST_BYTES: usize = (ENTRIES - 1) * entry::SIZE;

/// An opened NVS.
pub(super) struct Nvs<'a, F> {
    flash: &'a mut F,
    offset: u32,
    pages: u32,
}

/// A number, as it is kept.
pub(super) trait Number: Copy + PartialEq {
    const TYPE: Type;
    fn from_bytes(bytes: [u8; 8]) -> Self;
    fn bytes(&self) -> ([u8; 8], usize);
}

macro_rules! number {
    ($type:ty, $kind:ident) => {
        impl Number for $type {
            const TYPE: Type = Type::$kind;
            fn from_bytes(bytes: [u8; 8]) -> Self {
                u64::from_le_bytes(bytes) as Self
            }
            fn bytes(&self) -> ([u8; 8], usize) {
                (u64::from(*self).to_le_bytes(), size_of::<Self>())
            }
        }
    };
}

number!(u32, U32);
number!(u64, U64);

impl<'a, F: NorFlash> Nvs<'a, F> {
    /// Finishes what the power cut off.
    ///
    /// # Errors
    ///
    /// [`StorageError::PartitionOutside`], [`StorageError::FlashFailed`], or
    /// [`StorageError::NvsUnreadable`] if it is in another format.
    pub(super) fn open(flash: &'a mut F, partition: Partition) -> Result<Self, StorageError> {
        let mut this = Self::over(flash, partition)?;
        this.finish_move()?;
        Ok(this)
    }

    fn over(flash: &'a mut F, partition: Partition) -> Result<Self, StorageError> {
        let Partition { offset, size } = partition;
        let fits = offset
            .checked_add(size)
            .is_some_and(|end| end as usize <= flash.capacity());
        // One page is always kept free.
        if !fits || offset % page::SIZE != 0 || size < 2 * page::SIZE {
            return Err(StorageError::PartitionOutside("nvs"));
        }
        let pages = size / page::SIZE;
        Ok(Self {
            flash,
            offset,
            pages,
        })
    }

    /// A blob; none if there is none, or it is damaged.
    pub(super) fn blob(
        &mut self,
        namespace: &Key,
        key: &Key,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, StorageError> {
        let Some(namespace) = self.namespace(namespace)? else {
            return Ok(None);
        };
        let Some((_, index)) = self.find(|entry| is(entry, namespace, Type::Index, key))? else {
            return Ok(None);
        };
        let (length, pieces, first) = index.blob();
        let mut blob = Zeroizing::new(Vec::new());
        for number in (first..=u8::MAX).take(pieces.into()) {
            let piece = self
                .find(|entry| is(entry, namespace, Type::Piece, key) && entry.piece() == number)?;
            let Some(piece) = piece else {
                return Ok(None);
            };
            let Some(bytes) = self.long_value(piece)? else {
                return Ok(None);
            };
            blob.extend_from_slice(&bytes);
        }
        Ok((blob.len() == length).then_some(blob))
    }

    /// # Errors
    ///
    /// [`StorageError::NvsFull`], also if it is longer than a page.
    pub(super) fn set_blob(
        &mut self,
        namespace: &Key,
        key: &Key,
        value: &[u8],
    ) -> Result<(), StorageError> {
        if self
            .blob(namespace, key)?
            .is_some_and(|before| **before == *value)
        {
            return Ok(());
        }
        let namespace = self.namespace_or_new(namespace)?;
        let before = self.find(|entry| is(entry, namespace, Type::Index, key))?;
        let number = match before {
            Some((_, index)) if index.blob().2 < OTHER_PIECES => OTHER_PIECES,
            _ => 0,
        };
        let piece = Entry::long(namespace, Type::Piece, number, key, value);
        let index = Entry::index(namespace, key, value.len(), number);
        let added = self.add(&piece, value).and_then(|()| self.add(&index, &[]));
        if added.is_err() {
            // The one before stays.
            self.erase(namespace, key, |entry| !entry.replaces(&piece))?;
            return added;
        }
        self.erase(namespace, key, |entry| {
            entry.replaces(&piece) || entry.replaces(&index)
        })
    }

    /// A text; none if there is none, or it is damaged.
    pub(super) fn string(
        &mut self,
        namespace: &Key,
        key: &Key,
    ) -> Result<Option<Zeroizing<String>>, StorageError> {
        let Some(namespace) = self.namespace(namespace)? else {
            return Ok(None);
        };
        let Some(found) = self.find(|entry| is(entry, namespace, Type::Text, key))? else {
            return Ok(None);
        };
        let Some(bytes) = self.long_value(found)? else {
            return Ok(None);
        };
        let text = bytes.split_last().filter(|(end, _)| **end == 0);
        let text = text.and_then(|(_, text)| core::str::from_utf8(text).ok());
        Ok(text.map(|text| Zeroizing::new(text.into())))
    }

    /// # Errors
    ///
    /// [`StorageError::NvsFull`], also if it is longer than a page.
    pub(super) fn set_string(
        &mut self,
        namespace: &Key,
        key: &Key,
        value: &str,
    ) -> Result<(), StorageError> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(value.len() + 1));
        bytes.extend_from_slice(value.as_bytes());
        bytes.push(0);
        if self
            .string(namespace, key)?
            .is_some_and(|before| *before == value)
        {
            return Ok(());
        }
        let namespace = self.namespace_or_new(namespace)?;
        let entry = Entry::long(namespace, Type::Text, 0, key, &bytes);
        self.replace(&entry, &bytes, namespace, key)
    }

    /// A number; none if there is none, or it is of another type.
    pub(super) fn number<T: Number>(
        &mut self,
        namespace: &Key,
        key: &Key,
    ) -> Result<Option<T>, StorageError> {
        let Some(namespace) = self.namespace(namespace)? else {
            return Ok(None);
        };
        let found = self.find(|entry| is(entry, namespace, T::TYPE, key))?;
        Ok(found.map(|(_, entry)| T::from_bytes(entry.value())))
    }

    /// # Errors
    ///
    /// [`StorageError::NvsFull`].
    pub(super) fn set_number<T: Number>(
        &mut self,
        namespace: &Key,
        key: &Key,
        value: T,
    ) -> Result<(), StorageError> {
        if self.number(namespace, key)? == Some(value) {
            return Ok(());
        }
        let (bytes, width) = value.bytes();
        let namespace = self.namespace_or_new(namespace)?;
        let entry = Entry::short(namespace, T::TYPE, key, &bytes[..width]);
        self.replace(&entry, &[], namespace, key)
    }

    /// Deletes a value, and overwrites its bytes in flash and those of all that was replaced.
    pub(super) fn wipe(&mut self, namespace: &Key, key: &Key) -> Result<(), StorageError> {
        if let Some(namespace) = self.namespace(namespace)? {
            self.erase(namespace, key, |_| false)?;
        }
        for number in 0..self.pages {
            let mut page = self.page(number);
            if page.header()?.is_some() {
                page.wipe_erased()?;
            }
        }
        Ok(())
    }

    /// The bytes that follow an entry, if they are what it says.
    fn long_value(
        &mut self,
        (place, entry): (Place, Entry),
    ) -> Result<Option<Zeroizing<Vec<u8>>>, StorageError> {
        if entry.length() > (entry.span() - 1) * entry::SIZE {
            return Ok(None);
        }
        let mut bytes = Zeroizing::new(vec![0; entry.length()]);
        self.page(place.page).value(place.index, &mut bytes)?;
        Ok(entry.vouches_for(&bytes).then_some(bytes))
    }

    pub(super) fn namespace(&mut self, name: &Key) -> Result<Option<u8>, StorageError> {
        let found = self.find(|entry| is(entry, NAMESPACES, Type::U8, name))?;
        Ok(found.map(|(_, entry)| entry.value()[0]))
    }

    fn namespace_or_new(&mut self, name: &Key) -> Result<u8, StorageError> {
        if let Some(number) = self.namespace(name)? {
            return Ok(number);
        }
        let (mut cursor, mut highest) = (Cursor::START, NAMESPACES);
        while let Some((_, entry)) = self.next(&mut cursor)? {
            if entry.namespace() == NAMESPACES && entry.is(Type::U8) {
                highest = highest.max(entry.value()[0]);
            }
        }
        // 255 is no namespace.
        let number = match highest.checked_add(1) {
            None | Some(u8::MAX) => return Err(StorageError::NvsFull),
            Some(number) => number,
        };
        self.add(&Entry::short(NAMESPACES, Type::U8, name, &[number]), &[])?;
        Ok(number)
    }

    fn replace(
        &mut self,
        entry: &Entry,
        value: &[u8],
        namespace: u8,
        key: &Key,
    ) -> Result<(), StorageError> {
        self.add(entry, value)?;
        self.erase(namespace, key, |other| other.replaces(entry))
    }

    /// Erases all about a key, but the last of those that are to stay.
    fn erase(
        &mut self,
        namespace: u8,
        key: &Key,
        stays: impl Fn(&Entry) -> bool,
    ) -> Result<(), StorageError> {
        let mut cursor = Cursor::START;
        while let Some((at, entry)) = self.next(&mut cursor)? {
            let stays =
                entry.is_about(namespace, key) && stays(&entry) && self.is_last(&cursor, &entry)?;
            if entry.is_about(namespace, key) && !stays {
                let mut page = self.page(at.page);
                page.mark(at.index, entry.span(), State::Erased)?;
            }
        }
        Ok(())
    }

    fn page(&mut self, number: u32) -> Page<'_, F> {
        Page {
            flash: self.flash,
            at: self.offset + number * page::SIZE,
        }
    }
}

/// Whether an entry is this.
fn is(entry: &Entry, namespace: u8, kind: Type, key: &Key) -> bool {
    entry.is(kind) && entry.is_about(namespace, key)
}
