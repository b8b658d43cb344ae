//! Folders: writing an authority or an identity, and whether one is complete.

use std::{fs, path::Path};

use hostfile::Draft;

use crate::folder::{INTERMEDIATE, ROOT, io, unusable};
use crate::{Error, Identity, Pki, Role, authority::check_serial_number, load};

/// What to do about files that exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// Write nothing at all and say which file is in the way.
    Refuse,
    /// Replace them.
    Replace,
}

/// In the order in which they are written.
const DEVICE: [&str; 3] = ["device.key", "server_chain.pem", "device.crt"];

/// A file to write. Secret ones are for their owner only.
pub(crate) struct Output<'a> {
    name: &'a str,
    contents: &'a str,
    is_secret: bool,
}

impl<'a> Output<'a> {
    pub(crate) fn public(name: &'a str, contents: &'a str) -> Self {
        Self {
            name,
            contents,
            is_secret: false,
        }
    }

    pub(crate) fn secret(name: &'a str, contents: &'a str) -> Self {
        Self {
            name,
            contents,
            is_secret: true,
        }
    }
}

impl Pki {
    /// Writes `root.crt`, `root.key`, `intermediate.crt` and `intermediate.key`, and makes the
    /// folder if there is none. Keys can be read by their owner only.
    ///
    /// # Errors
    ///
    /// [`Error::Exists`], [`Error::Io`].
    pub fn write_to(&self, folder: &Path, existing: Existing) -> Result<(), Error> {
        let (root_key, intermediate_key) = self.key_pems()?;
        let root_key = root_key.as_deref();
        let root_key = root_key.map(|key| Output::secret(ROOT[1], key));
        let mut outputs: Vec<_> = root_key.into_iter().collect();
        outputs.extend([
            Output::public(ROOT[0], self.root_pem()),
            Output::secret(INTERMEDIATE[1], &intermediate_key),
            Output::public(INTERMEDIATE[0], self.intermediate_pem()),
        ]);
        write(folder, existing, &outputs)
    }

    /// Whether a folder holds the identity of this device, complete and issued by this authority.
    /// A key that is sealed was the certificate's when it was. `false` if there is no certificate in it, whatever a run that was killed has left beside;
    /// what is left of writing goes away.
    ///
    /// # Errors
    ///
    /// [`Error::Unusable`] if the certificate there is another's, or the other files do not go with
    /// it; [`Error::Invalid`] for a serial number that cannot be a name; [`Error::Io`].
    pub fn has_device(&self, folder: &Path, serial_number: &str) -> Result<bool, Error> {
        check_serial_number(serial_number)?;
        let [key_path, trust_path, certificate_path] = DEVICE.map(|name| folder.join(name));
        for path in [&key_path, &trust_path, &certificate_path] {
            hostfile::clean(path).map_err(io(path))?;
        }
        let chain = match hostfile::read(&certificate_path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
            chain => chain.map_err(io(&certificate_path))?,
        };
        let chain = load::certificates(&certificate_path, &chain)?;
        let authority = load::certificates(&certificate_path, self.intermediate_pem().as_bytes())?;
        let Some((leaf, _)) = chain
            .split_first()
            .filter(|(_, above)| **above == *authority)
        else {
            let reason = "not of this CA: its chain does not end with intermediate.crt";
            return Err(unusable(&certificate_path, reason));
        };
        let leaf = load::x509(&certificate_path, leaf)?;
        let names: Vec<_> = leaf.subject().iter_common_name().collect();
        if !matches!(names[..], [name] if name.as_str().ok() == Some(serial_number)) {
            let reason = "of another device: its CN is not the serial number";
            return Err(unusable(&certificate_path, reason));
        }
        if !is_sealed(&key_path)
            && !load::key(&key_path).is_ok_and(|key| load::is_pair(&leaf, &key))
        {
            let reason = "does not match the certificate beside it";
            return Err(unusable(&key_path, reason));
        }
        let trusted = hostfile::read(&trust_path).map_err(io(&trust_path))?;
        let anchors = load::certificates(&trust_path, self.anchors_pem().as_bytes())?;
        if load::certificates(&trust_path, &trusted)? != anchors {
            let reason = match self.anchors {
                None => "not the root of this CA",
                Some(_) => "not the CAs that devices are to verify the server by",
            };
            return Err(unusable(&trust_path, reason));
        }
        Ok(true)
    }
}

impl Identity {
    /// Writes the identity's files, and makes the folder if there is none: for a server
    /// `server.crt` and `server.key`; for a device `device.crt`, `device.key` and
    /// `server_chain.pem`, as a SPIFFS image takes them. The key can be read by its owner only.
    ///
    /// # Errors
    ///
    /// [`Error::Exists`], [`Error::Io`].
    pub fn write_to(&self, folder: &Path, existing: Existing) -> Result<(), Error> {
        let chain = self.chain_pem();
        let outputs: &[_] = match self.role() {
            Role::Server => &[
                Output::secret("server.key", self.key_pem()),
                Output::public("server.crt", &chain),
            ],
            Role::Device => &[
                Output::secret(DEVICE[0], self.key_pem()),
                Output::public(DEVICE[1], self.trust_pem()),
                Output::public(DEVICE[2], &chain),
            ],
        };
        write(folder, existing, outputs)
    }
}

/// Writes all of them or none. The last one tells that the others are complete: where it would
/// replace an old one, that goes first, so that a run that is killed in between leaves no
/// certificate beside another's key.
pub(crate) fn write(
    folder: &Path,
    existing: Existing,
    outputs: &[Output<'_>],
) -> Result<(), Error> {
    fs::create_dir_all(folder).map_err(io(folder))?;
    if existing == Existing::Refuse {
        // All of them first, so that a refusal leaves the folder as it was.
        for output in outputs {
            let path = folder.join(output.name);
            if path.symlink_metadata().is_ok() {
                return Err(Error::Exists(path));
            }
        }
    }
    let mut drafts = Vec::new();
    for output in outputs {
        let path = folder.join(output.name);
        let draft = Draft::write(&path, output.contents.as_bytes(), output.is_secret);
        let draft = draft.and_then(|draft| draft.sync().map(|()| draft));
        drafts.push(draft.map_err(io(&path))?);
    }
    if let Some(last) = drafts.last() {
        hostfile::remove(last.path()).map_err(io(last.path()))?;
    }
    for draft in drafts {
        let path = draft.path().to_owned();
        draft.keep().map_err(io(&path))?;
    }
    Ok(())
}

/// Whether the key in this file is sealed.
fn is_sealed(path: &Path) -> bool {
    hostfile::read(path).is_ok_and(|key| seal::is_sealed(&key))
}
