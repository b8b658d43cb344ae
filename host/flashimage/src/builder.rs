//! Putting a flash image together.

use std::path::Path;

use spiffs::Geometry;
use zeroize::Zeroize;

use crate::{
    App, Error, NvsEntry, Partition, PartitionTable, app,
    files::read_folder,
    nvs, otadata,
    table::{TABLE_LEN, TABLE_OFFSET},
};

/// The size of a flash in bytes, unless another is given: 4 MiB.
pub const FLASH_SIZE: usize = 0x40_0000;

/// The partition that holds the key-value store.
const NVS: &str = "nvs";
/// The partition that holds the device's files.
const SPIFFS: &str = "spiffs";

/// Collects what a flash is to hold, and makes the image. The same contents always make the same
/// image. What nothing is put into stays blank (0xFF), `otadata` among it, as ESP-IDF ships it: the
/// bootloader then starts the factory app, or else `ota_0`, and that is where the app is put.
#[derive(Clone)]
pub struct FlashImage {
    table: PartitionTable,
    flash_size: usize,
    geometry: Geometry,
    nvs: Vec<NvsEntry>,
    files: Vec<(String, Vec<u8>)>,
    left_out: Vec<String>,
    app: Option<App>,
    bootloader: Option<(usize, Vec<u8>)>,
}

impl FlashImage {
    /// An image of 4 MiB with the partitions of `partitions.csv` and nothing in them.
    pub fn builder() -> Self {
        Self {
            table: PartitionTable::default(),
            flash_size: FLASH_SIZE,
            geometry: Geometry::ESP_IDF,
            nvs: Vec::new(),
            files: Vec::new(),
            left_out: Vec::new(),
            app: None,
            bootloader: None,
        }
    }

    /// Uses other partitions. What is put in is found a place by type; that of NVS must have the
    /// name `nvs`, too.
    #[must_use]
    pub fn table(mut self, table: PartitionTable) -> Self {
        self.table = table;
        self
    }

    /// Uses a flash of another size in bytes.
    #[must_use]
    pub fn flash_size(mut self, bytes: usize) -> Self {
        self.flash_size = bytes;
        self
    }

    /// Lays SPIFFS out for a firmware that was not built with ESP-IDF's default settings.
    #[must_use]
    pub fn geometry(mut self, geometry: Geometry) -> Self {
        self.geometry = geometry;
        self
    }

    /// Adds a value to NVS.
    #[must_use]
    pub fn nvs(mut self, entry: NvsEntry) -> Self {
        self.nvs.push(entry);
        self
    }

    /// Adds a file to SPIFFS. The slash at the start of its name may be left out.
    #[must_use]
    pub fn file(mut self, name: &str, contents: impl Into<Vec<u8>>) -> Self {
        self.files.push((name.to_owned(), contents.into()));
        self
    }

    /// Adds all files below a folder to SPIFFS, under their paths from there on, but for what
    /// [`left_out`](Self::left_out) tells.
    ///
    /// # Errors
    ///
    /// [`Error::Io`], [`Error::FileName`].
    pub fn folder(mut self, folder: &Path) -> Result<Self, Error> {
        let mut read = read_folder(folder)?;
        self.files.append(&mut read.files);
        self.left_out.append(&mut read.left_out);
        Ok(self)
    }

    /// What [`folder`](Self::folder) left out: hidden files and folders, and copies that editors
    /// leave.
    #[must_use]
    pub fn left_out(&self) -> &[String] {
        &self.left_out
    }

    /// Puts an app in, and its chip's bootloader unless another is given.
    #[must_use]
    pub fn app(mut self, app: App) -> Self {
        self.app = Some(app);
        self
    }

    /// Puts a bootloader at `offset`: 0 on the ESP32-C3 and most others, 0x1000 on the ESP32.
    #[must_use]
    pub fn bootloader(mut self, offset: usize, image: impl Into<Vec<u8>>) -> Self {
        self.bootloader = Some((offset, image.into()));
        self
    }

    /// Makes the image: as many bytes as the flash has.
    ///
    /// # Errors
    ///
    /// [`Error::Table`] if the partitions do not fit the flash, [`Error::PartitionMissing`] and
    /// [`Error::NoSlot`] and [`Error::TooLarge`] for contents without a place, [`Error::App`] if
    /// the app's chip has no bootloader for this flash, and what NVS and SPIFFS refuse.
    pub fn build(&self) -> Result<Vec<u8>, Error> {
        self.table.check_within(self.flash_size)?;
        let mut image = vec![0xFF; self.flash_size];
        put(&mut image, TABLE_OFFSET, &self.table.to_bytes()?);
        if let Some((offset, bootloader)) = self.loader()? {
            let limit = TABLE_OFFSET.saturating_sub(offset);
            check_room("the bootloader", &bootloader, limit)?;
            put(&mut image, offset, &bootloader);
        }
        if let Some(app) = &self.app {
            let slot = otadata::first_app(&self.table).ok_or(Error::NoSlot)?;
            check_room("the app", app.image(), slot.size as usize)?;
            put(&mut image, slot.offset as usize, app.image());
        }
        if !self.nvs.is_empty() {
            let partition = self.table.nvs().ok_or(Error::PartitionMissing {
                name: NVS,
                purpose: "the settings",
            })?;
            let mut bytes = nvs::build(partition.size as usize, &self.nvs)?;
            put(&mut image, partition.offset as usize, &bytes);
            bytes.zeroize();
        }
        // Also without files: an empty volume can be mounted, blank flash cannot.
        if let Some(partition) = self.table.spiffs() {
            put(
                &mut image,
                partition.offset as usize,
                &self.spiffs(&partition)?,
            );
        } else if !self.files.is_empty() {
            return Err(self.no_spiffs());
        }
        Ok(image)
    }

    /// Makes what belongs into the SPIFFS partition alone: as many bytes as that has.
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build), of what concerns the files.
    pub fn build_spiffs(&self) -> Result<Vec<u8>, Error> {
        self.table.check_within(self.flash_size)?;
        let partition = self.table.spiffs().ok_or_else(|| self.no_spiffs())?;
        self.spiffs(&partition)
    }

    /// The bootloader that was given, or else the one of the app's chip.
    fn loader(&self) -> Result<Option<(usize, Vec<u8>)>, Error> {
        match (&self.bootloader, &self.app) {
            (Some(given), _) => Ok(Some(given.clone())),
            (None, Some(app)) => {
                let size = u32::try_from(self.flash_size).unwrap_or(u32::MAX);
                let (offset, image) = app::bootloader(app.chip(), size)?;
                Ok(Some((offset as usize, image)))
            }
            (None, None) => Ok(None),
        }
    }

    fn spiffs(&self, partition: &Partition) -> Result<Vec<u8>, Error> {
        let empty = spiffs::Builder::new(partition.size, self.geometry)?;
        let builder = self
            .files
            .iter()
            .try_fold(empty, |builder, (name, contents)| {
                builder.file(name, contents)
            })?;
        Ok(builder.build()?)
    }

    fn no_spiffs(&self) -> Error {
        match self.table.find(SPIFFS) {
            Some(Partition { kind, .. }) => Error::OtherFiles(kind),
            None => Error::PartitionMissing {
                name: SPIFFS,
                purpose: "the files",
            },
        }
    }
}

impl std::fmt::Debug for FlashImage {
    /// Leaves out the contents: there are keys among them.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let files: Vec<_> = self.files.iter().map(|(name, _)| name).collect();
        f.debug_struct("FlashImage")
            .field("flash_size", &self.flash_size)
            .field("app", &self.app)
            .field("nvs", &self.nvs)
            .field("files", &files)
            .finish_non_exhaustive()
    }
}

impl Drop for FlashImage {
    fn drop(&mut self) {
        for (_, contents) in &mut self.files {
            contents.zeroize();
        }
    }
}

fn check_room(what: &'static str, contents: &[u8], limit: usize) -> Result<(), Error> {
    if contents.len() > limit {
        return Err(Error::TooLarge {
            what,
            size: contents.len(),
            limit,
        });
    }
    Ok(())
}

/// Copies into the image what is known to fit.
fn put(image: &mut [u8], offset: usize, contents: &[u8]) {
    image[offset..offset + contents.len()].copy_from_slice(contents);
}

const _: () = assert!(TABLE_LEN <= 0x1000, "the table has a sector of its own");
