//! The mounted volume: listing, finding and reading files.
//!
//! Reads only; nothing is kept in memory but the layout, so every operation works on the flash as
//! it is. Consistency checking is `check`'s.

use core::{fmt, str};

use embedded_storage::nor_flash::ReadNorFlash;

use crate::{
    error::{Error, Fault},
    geometry::{Geometry, Layout, MAX_NAME_LEN, NAME_OFFSET, PAGE_HEADER_LEN},
    lookup::{Entry, Map, Walk},
    page::{INDEX_FLAG, PAGE_HEADER_BYTES, PageHeader},
    volume::Flash,
};

/// The size of a file that was created but never flushed (`SPIFFS_UNDEFINED_LEN`).
const SIZE_UNDEFINED: u32 = u32::MAX;

/// A SPIFFS volume on a NOR flash, mounted to be read.
///
/// Every method reads a number of bytes that is bounded by the size of the partition, whatever the
/// bytes are; none allocates. Results are those of the C library on the same bytes, except that
/// damage is reported where the C library would return garbage.
#[derive(Debug)]
pub struct Spiffs<F> {
    pub(crate) flash: Flash<F>,
    pub(crate) map: Map,
}

impl<F: ReadNorFlash> Spiffs<F> {
    /// The geometry given or found. Of a detected one, the lengths of name and metadata are exact
    /// only in their sum, which is all that the format depends on.
    pub fn geometry(&self) -> Geometry {
        self.map.layout.geometry
    }

    /// Gives the flash back.
    pub fn release(self) -> F {
        self.flash.release()
    }

    /// All files, in the order in which they lie on the flash.
    pub fn files(&mut self) -> Files<'_, F> {
        Files {
            walk: Walk::new(&self.map),
            volume: self,
        }
    }

    /// Name and size of a file. The slash that ESP-IDF's names start with may be left out.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], [`Error::Corrupt`] for an impossible size, [`Error::Flash`].
    pub fn stat(&mut self, name: &str) -> Result<FileInfo, Error<F::Error>> {
        let mut walk = Walk::new(&self.map);
        while let Some(entry) = walk.next(&mut self.flash, &self.map)? {
            if let Some(header) = self.file_header(entry)?
                && unrooted(header.name.as_bytes()) == unrooted(name.as_bytes())
            {
                return header.check(&self.map.layout).map_err(Error::Corrupt);
            }
        }
        Err(Error::NotFound)
    }

    /// A handle to a file, for [`read`](Self::read).
    ///
    /// # Errors
    ///
    /// As [`stat`](Self::stat).
    pub fn open(&mut self, name: &str) -> Result<File, Error<F::Error>> {
        Ok(self.stat(name)?.file)
    }

    /// Reads from `offset` on until `buf` is full or the file ends, and returns the bytes read: 0
    /// at the end and past it.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] if a page of the file is missing, [`Error::Flash`].
    pub fn read(
        &mut self,
        file: &mut File,
        offset: u32,
        buf: &mut [u8],
    ) -> Result<usize, Error<F::Error>> {
        let content_len = self.map.layout.content_len;
        let left = file.size.saturating_sub(offset) as usize;
        let len = buf.len().min(left);
        let mut rest = &mut buf[..len];
        let mut offset = offset;
        while !rest.is_empty() {
            let within = offset % content_len;
            let (part, tail) = rest.split_at_mut(rest.len().min((content_len - within) as usize));
            let page = self.data_page(file, offset / content_len)?;
            let address = self.map.layout.page_address(page) + PAGE_HEADER_LEN + within;
            self.flash.read(address, part)?;
            offset += part.len() as u32;
            rest = tail;
        }
        Ok(len)
    }

    /// Reads a whole file into `buf` and returns the part of it that was filled.
    ///
    /// # Errors
    ///
    /// [`Error::BufferTooSmall`] with the size of the file, and as [`stat`](Self::stat) and
    /// [`read`](Self::read).
    pub fn read_all<'b>(
        &mut self,
        name: &str,
        buf: &'b mut [u8],
    ) -> Result<&'b [u8], Error<F::Error>> {
        let mut file = self.open(name)?;
        if file.size as usize > buf.len() {
            return Err(Error::BufferTooSmall(file.size));
        }
        let len = self.read(&mut file, 0, buf)?;
        Ok(&buf[..len])
    }

    /// Reads a whole file.
    ///
    /// # Errors
    ///
    /// As [`stat`](Self::stat) and [`read`](Self::read).
    #[cfg(feature = "alloc")]
    pub fn read_to_vec(&mut self, name: &str) -> Result<alloc::vec::Vec<u8>, Error<F::Error>> {
        let mut file = self.open(name)?;
        // No more than the volume's size: `stat` has checked it.
        let mut bytes = alloc::vec![0; file.size as usize];
        self.read(&mut file, 0, &mut bytes)?;
        Ok(bytes)
    }

    /// The name and size at a page in use, if it is the first page of a file.
    pub(crate) fn file_header(
        &mut self,
        entry: Entry,
    ) -> Result<Option<FileHeader>, Error<F::Error>> {
        if entry.id & INDEX_FLAG == 0 {
            return Ok(None);
        }
        let layout = &self.map.layout;
        let mut bytes = [0; HEADER_BUF];
        let len = (NAME_OFFSET + layout.geometry.name_len) as usize;
        self.flash
            .read(layout.page_address(entry.page), &mut bytes[..len])?;
        Ok(FileHeader::parse(&bytes, entry, &layout.geometry))
    }

    /// The page that holds a file's data page `span`, its header checked.
    pub(crate) fn data_page(&mut self, file: &mut File, span: u32) -> Result<u32, Error<F::Error>> {
        let layout = self.map.layout;
        let (index_span, at) = layout.table_entry(span);
        self.seek_index(file, index_span)?;
        let address = layout.page_address(file.index_page) + at;
        let page = u32::from(self.flash.u16(&layout, address)?);
        if self.is_data_page(file.object, span, page)? {
            Ok(page)
        } else {
            Err(Error::Corrupt(Fault::DataMissing {
                object: file.object,
                span,
                page,
            }))
        }
    }

    /// Whether `page` is the complete data page `span` of `object`.
    pub(crate) fn is_data_page(
        &mut self,
        object: u16,
        span: u32,
        page: u32,
    ) -> Result<bool, Error<F::Error>> {
        if !self.map.is_usable(page) {
            return Ok(false);
        }
        let header = self.flash.page_header(&self.map.layout, page)?;
        Ok(header.is_data() && header.id == object && u32::from(header.span) == span)
    }

    /// Makes an index page of a file its current one.
    pub(crate) fn seek_index(&mut self, file: &mut File, span: u32) -> Result<(), Error<F::Error>> {
        if file.index_span != span {
            file.index_page = self.index_page(file, span)?;
            file.index_span = span;
        }
        Ok(())
    }

    /// Finds an index page of a file, searching from the last one found on.
    fn index_page(&mut self, file: &File, span: u32) -> Result<u32, Error<F::Error>> {
        if span == 0 {
            return Ok(file.header_page);
        }
        let id = file.object | INDEX_FLAG;
        let mut walk = Walk::after(&self.map, file.index_page);
        while let Some(entry) = walk.next(&mut self.flash, &self.map)? {
            if entry.id != id {
                continue;
            }
            let header = self.flash.page_header(&self.map.layout, entry.page)?;
            if header.is_index() && header.id == id && u32::from(header.span) == span {
                return Ok(entry.page);
            }
        }
        Err(Error::Corrupt(Fault::IndexMissing {
            object: file.object,
            span,
        }))
    }
}

const HEADER_BUF: usize = NAME_OFFSET as usize + MAX_NAME_LEN;

/// The first index page of a file, its size not yet checked.
pub(crate) struct FileHeader {
    pub(crate) name: Name,
    pub(crate) object: u16,
    pub(crate) page: u32,
    size: u32,
}

impl FileHeader {
    fn parse(bytes: &[u8; HEADER_BUF], entry: Entry, geometry: &Geometry) -> Option<Self> {
        let (head, rest) = bytes.split_first_chunk::<PAGE_HEADER_BYTES>()?;
        let header = PageHeader::parse(*head, geometry.endianness);
        if !header.is_file() || header.id != entry.id {
            return None;
        }
        // Three bytes pad the header to a word; the byte after the size is the object's type.
        let (_, rest) = rest.split_at_checked(3)?;
        let (size, rest) = rest.split_first_chunk::<4>()?;
        let (_, rest) = rest.split_at_checked(1)?;
        Some(Self {
            name: Name::parse(rest.get(..geometry.name_len as usize)?),
            object: entry.id & !INDEX_FLAG,
            page: entry.page,
            size: match geometry.endianness.u32(*size) {
                SIZE_UNDEFINED => 0,
                size => size,
            },
        })
    }

    pub(crate) fn check(self, layout: &Layout) -> Result<FileInfo, Fault> {
        if self.size > layout.entry_count() * layout.content_len {
            return Err(Fault::SizeImpossible {
                object: self.object,
                size: self.size,
            });
        }
        Ok(FileInfo {
            name: self.name,
            file: File {
                object: self.object,
                size: self.size,
                header_page: self.page,
                index_span: 0,
                index_page: self.page,
            },
        })
    }
}

/// A name without the slash that ESP-IDF puts before every one.
pub(crate) fn unrooted(name: &[u8]) -> &[u8] {
    name.strip_prefix(b"/").unwrap_or(name)
}

/// A file of a volume, as [`Spiffs::open`] found it. Good for as long as the flash is not written.
#[derive(Clone, Debug)]
pub struct File {
    object: u16,
    size: u32,
    header_page: u32,
    /// The index page used last, where reading on most likely continues.
    index_span: u32,
    index_page: u32,
}

impl File {
    /// Length in bytes.
    pub fn size(&self) -> u32 {
        self.size
    }

    /// The object id: 1 to 0x7FFF, one per file of a sound volume.
    pub fn object(&self) -> u16 {
        self.object
    }
}

/// Name and size of a file.
#[derive(Clone, Debug)]
pub struct FileInfo {
    name: Name,
    file: File,
}

impl FileInfo {
    /// The name as stored, in ESP-IDF's images with a slash in front.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// Length in bytes.
    pub fn size(&self) -> u32 {
        self.file.size
    }

    /// A handle to read the file with.
    pub fn into_file(self) -> File {
        self.file
    }
}

/// A file's name: up to 256 bytes, by convention UTF-8.
#[derive(Clone)]
pub struct Name {
    bytes: [u8; MAX_NAME_LEN],
    len: usize,
}

impl Name {
    /// Takes the bytes before the first zero.
    fn parse(field: &[u8]) -> Self {
        let text = field.split(|&byte| byte == 0).next().unwrap_or(field);
        let len = text.len().min(MAX_NAME_LEN);
        let mut bytes = [0; MAX_NAME_LEN];
        bytes[..len].copy_from_slice(&text[..len]);
        Self { bytes, len }
    }

    /// The bytes of the name, without a terminator.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// The name as text.
    ///
    /// # Errors
    ///
    /// If it is not UTF-8.
    pub fn as_str(&self) -> Result<&str, str::Utf8Error> {
        str::from_utf8(self.as_bytes())
    }
}

impl fmt::Display for Name {
    /// Writes what is no UTF-8 as U+FFFD.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.as_bytes().utf8_chunks() {
            f.write_str(chunk.valid())?;
            if !chunk.invalid().is_empty() {
                f.write_str("\u{FFFD}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.as_bytes().escape_ascii())
    }
}

/// The files of a volume. A damaged one is an error in its place, and the listing goes on after
/// it; after an error of the flash it ends.
#[derive(Debug)]
pub struct Files<'a, F> {
    volume: &'a mut Spiffs<F>,
    walk: Walk,
}

impl<F: ReadNorFlash> Files<'_, F> {
    fn advance(&mut self) -> Result<Option<FileInfo>, Error<F::Error>> {
        while let Some(entry) = self.walk.next(&mut self.volume.flash, &self.volume.map)? {
            if let Some(header) = self.volume.file_header(entry)? {
                return header
                    .check(&self.volume.map.layout)
                    .map(Some)
                    .map_err(Error::Corrupt);
            }
        }
        Ok(None)
    }
}

impl<F: ReadNorFlash> Iterator for Files<'_, F> {
    type Item = Result<FileInfo, Error<F::Error>>;

    fn next(&mut self) -> Option<Self::Item> {
        let item = self.advance().transpose();
        if !matches!(item, Some(Ok(_) | Err(Error::Corrupt(_)))) {
            self.walk.stop();
        }
        item
    }
}
