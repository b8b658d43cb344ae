//! Building an image from files, byte for byte as ESP-IDF's `spiffsgen.py` does.
//!
//! Ported from components/spiffs/spiffsgen.py (espressif/esp-idf v5.4.1, 4c2820d), and held
//! against it in tests. The generator fills the volume page by page without a gap, an index page
//! before the data pages that it lists, so the whole layout follows from one running page number.
//!
//! It differs on purpose where the generator's image could not be read back: names of the full
//! field length (the C library cannot open them) and geometries that the C library lays out
//! otherwise are refused, and names beyond ASCII are padded by bytes, not by characters.

use alloc::{string::String, vec, vec::Vec};
use core::fmt;

use crate::{
    geometry::{
        Endianness, Geometry, GeometryError, ID_LEN, INDEX_TABLE_OFFSET, Layout, PAGE_HEADER_LEN,
    },
    page::{FLAGS_DATA, FLAGS_INDEX, INDEX_FLAG},
};

/// Object type of a regular file (`SPIFFS_TYPE_FILE`).
const TYPE_FILE: u8 = 1;

/// Object ids are 1 to 0x7FFE: 0x7FFF with the index flag would mean a free page.
const MOST_FILES: usize = 0x7FFE;

/// Why an image cannot be built. All of them are for whoever chose the files or the partition.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BuildError {
    /// The geometry or the partition size is not possible.
    Geometry(GeometryError),
    /// A name is empty, or has a zero byte in it.
    NameInvalid(String),
    /// A name is longer than the name field has room for.
    NameTooLong {
        /// The name, with its slash.
        name: String,
        /// The longest possible length in bytes, the slash included.
        limit: u32,
    },
    /// Two files have the same name.
    NameTwice(String),
    /// There are more files than object ids: 32766.
    TooManyFiles(usize),
    /// The files do not fit.
    ImageFull {
        /// The size of the partition in bytes.
        size: u32,
        /// The size that would do, in whole blocks.
        needed: u64,
    },
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Geometry(error) => error.fmt(f),
            Self::NameInvalid(name) => {
                write!(f, "{name:?} cannot be a file's name: rename the file")
            }
            Self::NameTooLong { name, limit } => write!(
                f,
                "the name {name:?} has {} bytes, {} more than fit: shorten it, or raise \
                 CONFIG_SPIFFS_OBJ_NAME_LEN on both sides",
                name.len(),
                name.len() - *limit as usize
            ),
            Self::NameTwice(name) => write!(f, "two files are named {name:?}: rename one"),
            Self::TooManyFiles(count) => write!(
                f,
                "{count} files are more than the {MOST_FILES} that SPIFFS can tell apart: remove \
                 some, or join them"
            ),
            Self::ImageFull { size, needed } => write!(
                f,
                "the files need {needed} bytes, {} more than the partition has: remove some, or \
                 enlarge the partition",
                needed - u64::from(*size)
            ),
        }
    }
}

impl core::error::Error for BuildError {}

/// Collects files and lays them out as an image.
///
/// ```
/// # fn main() -> Result<(), spiffs::BuildError> {
/// use spiffs::{Builder, Geometry};
///
/// let image = Builder::new(0x40000, Geometry::ESP_IDF)?
///     .file("device.crt", b"-----BEGIN CERTIFICATE-----")?
///     .build()?;
/// assert_eq!(image.len(), 0x40000);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Builder<'a> {
    layout: Layout,
    size: u32,
    files: Vec<(String, &'a [u8])>,
    sorted: bool,
}

impl<'a> Builder<'a> {
    /// An empty image for a partition of `size` bytes.
    ///
    /// # Errors
    ///
    /// [`BuildError::Geometry`]: also if `size` is not a multiple of the block size.
    pub fn new(size: u32, geometry: Geometry) -> Result<Self, BuildError> {
        let layout = Layout::new(geometry, size).map_err(BuildError::Geometry)?;
        if !size.is_multiple_of(geometry.block_size) {
            return Err(BuildError::Geometry(GeometryError::VolumeSize(size)));
        }
        Ok(Self {
            layout,
            size,
            files: Vec::new(),
            sorted: true,
        })
    }

    /// Lays files out in the order in which they are added. By default they are sorted by name,
    /// so that the same files always make the same image.
    #[must_use]
    pub fn keep_order(mut self) -> Self {
        self.sorted = false;
        self
    }

    /// Adds a file. Names start with a slash, which is added if it is missing.
    ///
    /// # Errors
    ///
    /// [`BuildError::NameInvalid`], [`BuildError::NameTooLong`], [`BuildError::NameTwice`].
    pub fn file(mut self, name: &str, contents: &'a [u8]) -> Result<Self, BuildError> {
        let mut path = String::with_capacity(name.len() + 1);
        if !name.starts_with('/') {
            path.push('/');
        }
        path.push_str(name);
        // SPIFFS_open of spiffs_hydrogen.c (pellepl/spiffs, 0dbb3f7) wants room for a zero.
        let limit = self.layout.geometry.name_len - 1;
        if path.len() < 2 || path.contains('\0') {
            Err(BuildError::NameInvalid(path))
        } else if path.len() > limit as usize {
            Err(BuildError::NameTooLong { name: path, limit })
        } else if self.files.iter().any(|(other, _)| *other == path) {
            Err(BuildError::NameTwice(path))
        } else {
            self.files.push((path, contents));
            Ok(self)
        }
    }

    /// Lays the files out. The image has exactly the size of the partition.
    ///
    /// # Errors
    ///
    /// [`BuildError::ImageFull`] with the size needed, [`BuildError::TooManyFiles`].
    pub fn build(mut self) -> Result<Vec<u8>, BuildError> {
        if self.sorted {
            self.files.sort_by(|(a, _), (b, _)| a.cmp(b));
        }
        if self.files.len() > MOST_FILES {
            return Err(BuildError::TooManyFiles(self.files.len()));
        }
        let pages = self
            .files
            .iter()
            .map(|(_, contents)| self.pages_for(contents.len()))
            .sum();
        if pages > u64::from(self.layout.entry_count()) {
            let blocks = u64::div_ceil(pages, u64::from(self.layout.entries_per_block));
            return Err(BuildError::ImageFull {
                size: self.size,
                needed: blocks * u64::from(self.layout.geometry.block_size),
            });
        }
        let mut writer = Writer {
            layout: self.layout,
            image: vec![0xFF; self.size as usize],
            next_entry: 0,
        };
        for ((name, contents), object) in self.files.iter().zip(1_u16..) {
            writer.file(object, name, contents);
        }
        writer.magics();
        Ok(writer.image)
    }

    /// Pages that a file takes, lookup pages aside.
    fn pages_for(&self, len: usize) -> u64 {
        let data = (len as u64).div_ceil(u64::from(self.layout.content_len));
        let later = data.saturating_sub(u64::from(self.layout.header_entries));
        data + 1 + later.div_ceil(u64::from(self.layout.index_entries))
    }
}

/// The image being written. Whoever calls it has made sure that all pages fit.
struct Writer {
    layout: Layout,
    image: Vec<u8>,
    /// The lookup entry of the next page to be written.
    next_entry: u32,
}

impl Writer {
    fn file(&mut self, object: u16, name: &str, contents: &[u8]) {
        let content_len = self.layout.content_len as usize;
        let mut index = self.index_page(object, 0);
        self.header(index, name, contents.len() as u32);
        for (span, part) in (0_u32..).zip(contents.chunks(content_len)) {
            let (index_span, at) = self.layout.table_entry(span);
            if index_span > 0 && at == INDEX_TABLE_OFFSET {
                index = self.index_page(object, index_span);
            }
            let page = self.page(object, span, FLAGS_DATA);
            let address = (self.layout.page_address(page) + PAGE_HEADER_LEN) as usize;
            self.image[address..address + part.len()].copy_from_slice(part);
            self.u16(index + at, page as u16);
        }
    }

    /// Starts an index page and returns its address.
    fn index_page(&mut self, object: u16, span: u32) -> u32 {
        let page = self.page(object | INDEX_FLAG, span, FLAGS_INDEX);
        self.layout.page_address(page)
    }

    /// Starts a page: its lookup entry and its header.
    fn page(&mut self, id: u16, span: u32, flags: u8) -> u32 {
        let page = self.layout.page_of_entry(self.next_entry);
        self.u16(self.layout.entry_address(self.next_entry), id);
        self.next_entry += 1;
        let address = self.layout.page_address(page);
        self.u16(address, id);
        self.u16(address + ID_LEN, span as u16);
        self.image[address as usize + 4] = flags;
        page
    }

    /// Writes size, type, name and metadata (zeros) of a file's first index page.
    fn header(&mut self, address: u32, name: &str, size: u32) {
        let size = match self.layout.geometry.endianness {
            Endianness::Little => size.to_le_bytes(),
            Endianness::Big => size.to_be_bytes(),
        };
        let end = (address + self.layout.header_table_offset) as usize;
        let header = &mut self.image[address as usize + 8..end];
        header.fill(0);
        header[..4].copy_from_slice(&size);
        header[4] = TYPE_FILE;
        header[5..5 + name.len()].copy_from_slice(name.as_bytes());
    }

    /// Marks all blocks, but those whose lookup table has grown into the place of the magic.
    fn magics(&mut self) {
        for block in 0..self.layout.block_count {
            let address = self.layout.magic_address(block);
            let free = self.image[address as usize..][..4]
                .iter()
                .all(|&byte| byte == 0xFF);
            if let Some(magic) = self.layout.magic(block)
                && free
            {
                self.u16(address, magic);
            }
        }
    }

    fn u16(&mut self, address: u32, value: u16) {
        let bytes = match self.layout.geometry.endianness {
            Endianness::Little => value.to_le_bytes(),
            Endianness::Big => value.to_be_bytes(),
        };
        self.image[address as usize..][..2].copy_from_slice(&bytes);
    }
}
