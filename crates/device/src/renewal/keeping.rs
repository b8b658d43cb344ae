//! A candidate beside what is proven, in flash: what [`renewal::kept`] says, done.

use alloc::vec::Vec;

use embedded_storage::nor_flash::NorFlash;
use esp_nvs::Key;
use renewal::kept::{self, Place, Standing};
use zeroize::Zeroizing;

use crate::storage::{Storage, StorageError};

/// Where something is kept.
pub struct Keys {
    even: Key,
    odd: Key,
    proven: Key,
}

/// The device's certificate: 32 bytes of key, then the chain.
pub static IDENTITY: Keys = Keys {
    even: Key::from_array(b"identity0"),
    odd: Key::from_array(b"identity1"),
    proven: Key::from_array(b"identity"),
};

/// The CAs of the broker: certificates one after the other.
pub static ANCHORS: Keys = Keys {
    even: Key::from_array(b"anchors0"),
    odd: Key::from_array(b"anchors1"),
    proven: Key::from_array(b"anchors"),
};

impl Keys {
    fn of(&self, place: Place) -> &Key {
        match place {
            Place::Even => &self.even,
            Place::Odd => &self.odd,
        }
    }
}

/// One of them, in a flash whose files are of this origin.
pub struct Keeping<'a, F> {
    storage: &'a Storage<F>,
    keys: &'static Keys,
    origin: [u8; 32],
}

/// What is kept. Wiped when dropped.
#[derive(Default)]
pub struct Kept {
    /// What is proven, if a renewal brought it.
    pub proven: Option<Zeroizing<Vec<u8>>>,
    /// What is to be tried, or waits for more.
    pub candidate: Option<Zeroizing<Vec<u8>>>,
}

impl<'a, F: NorFlash> Keeping<'a, F> {
    /// Of these keys and this origin: the SHA-256 of what came by cable.
    #[must_use]
    pub fn new(storage: &'a Storage<F>, keys: &'static Keys, origin: [u8; 32]) -> Self {
        Self {
            storage,
            keys,
            origin,
        }
    }

    /// Finds what there is. What is over is wiped on the way: should that fail, the next time.
    ///
    /// # Errors
    ///
    /// [`StorageError`] from the flash.
    pub fn find(&self) -> Result<Kept, StorageError> {
        let proven = self.proven()?;
        let mut found = Kept::default();
        for place in Place::BOTH {
            let key = self.keys.of(place);
            let Some(value) = self.storage.renewal_blob(key)? else {
                continue;
            };
            // A copy without what goes before it, which is no business of others.
            let content = || Zeroizing::new(kept::content(&value).to_vec());
            match kept::standing(&value, place, proven, &self.origin) {
                Standing::Proven => found.proven = Some(content()),
                Standing::Candidate { .. } => found.candidate = Some(content()),
                Standing::Over => self.storage.wipe_renewal(key)?,
            }
        }
        Ok(found)
    }

    /// Keeps a candidate, made of these parts, in the place of the one before.
    ///
    /// # Errors
    ///
    /// [`StorageError`]: then there is the one before, or none.
    pub fn keep(&self, parts: &[&[u8]]) -> Result<(), StorageError> {
        let generation = self.proven()?.wrapping_add(1);
        let key = self.keys.of(Place::of(generation));
        let value = kept::write(generation, &self.origin, parts);
        self.storage.keep_renewal_blob(key, &value)
    }

    /// The candidate is proven from now on, and what was before it is wiped.
    ///
    /// # Errors
    ///
    /// [`StorageError`]: then it is as it was. That what was before could not be wiped is none: it is
    /// tried again.
    pub fn prove(&self) -> Result<(), StorageError> {
        let proven = self.proven()?;
        let next = proven.wrapping_add(1);
        let keep = |number| {
            self.storage
                .keep_renewal_number(&self.keys.proven, u64::from(number))
        };
        keep(next)?;
        if let Err(error) = self.storage.wipe_renewal(self.keys.of(Place::of(proven))) {
            log::warn!("what was renewed is not wiped yet: {error}");
        }
        Ok(())
    }

    /// There is no candidate any more.
    ///
    /// # Errors
    ///
    /// [`StorageError`] if there still is.
    pub fn drop_candidate(&self) -> Result<(), StorageError> {
        let next = self.proven()?.wrapping_add(1);
        self.storage.wipe_renewal(self.keys.of(Place::of(next)))
    }

    fn proven(&self) -> Result<u32, StorageError> {
        let number = self.storage.renewal_number(&self.keys.proven)?;
        Ok(u32::try_from(number).unwrap_or_default())
    }
}
