//! Logins kept by name, so that an operator of several servers names them and types no password.
//!
//! One JSON file in the operator's own configuration folder, readable for its owner only. Whoever can
//! read it can do on each server what its user may: where that is too much, the environment or a prompt
//! gives the login instead, and nothing is kept.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{Address, Login};

/// The kept logins.
#[derive(Debug)]
pub struct Servers {
    path: PathBuf,
    all: BTreeMap<String, Kept>,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    url: Address,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    #[serde(
        default,
        with = "crate::secret",
        skip_serializing_if = "Option::is_none"
    )]
    password: Option<Zeroizing<String>>,
    #[serde(
        default,
        with = "crate::secret",
        skip_serializing_if = "Option::is_none"
    )]
    api_key: Option<Zeroizing<String>>,
    /// PEM of the CA of its web page.
    #[serde(skip_serializing_if = "Option::is_none")]
    ca: Option<String>,
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kept")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

/// Why a kept login cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeptError {
    /// The operating system refused.
    #[error("{path}: {source}")]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others may read it.
    #[error(
        "{path} can be read by others, and holds passwords: `chmod 600` it, and change what is in it"
    )]
    Open {
        /// Which file.
        path: PathBuf,
    },
    /// It is damaged.
    #[error(
        "{path} cannot be read ({reason}): mend it, or delete it and log in anew with `esptb tb login`"
    )]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// There is no server of that name.
    #[error(
        "no server is kept under the name `{name}` ({known}): `esptb tb login {name} URL` keeps one"
    )]
    Unknown {
        /// The name.
        name: String,
        /// Those that are.
        known: String,
    },
    /// Nowhere to keep it.
    #[error("there is no folder for the configuration: set HOME, or XDG_CONFIG_HOME")]
    NoFolder,
}

impl Servers {
    /// Where they are kept: `esptb/servers.json` in the configuration folder of this user.
    ///
    /// # Errors
    ///
    /// [`KeptError::NoFolder`]
    pub fn default_path() -> Result<PathBuf, KeptError> {
        let windows = std::env::var_os("APPDATA").filter(|_| cfg!(windows));
        let windows = windows.filter(|_| std::env::var_os("XDG_CONFIG_HOME").is_none());
        let folder = windows.map(PathBuf::from);
        let folder = folder.or_else(|| hostfile::user_folder("XDG_CONFIG_HOME", ".config"));
        Ok(folder
            .ok_or(KeptError::NoFolder)?
            .join("esptb")
            .join("servers.json"))
    }

    /// Reads them; none if there is no file.
    ///
    /// # Errors
    ///
    /// [`KeptError`], if others may read the file, too.
    pub fn open(path: &Path) -> Result<Self, KeptError> {
        let path = path.to_owned();
        let text = match std::fs::read(&path) {
            Ok(text) => Zeroizing::new(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Self {
                    path,
                    all: BTreeMap::new(),
                });
            }
            Err(source) => return Err(KeptError::File { path, source }),
        };
        if is_open_to_others(&path) {
            return Err(KeptError::Open { path });
        }
        match serde_json::from_slice(&text) {
            Ok(all) => Ok(Self { path, all }),
            Err(error) => Err(KeptError::Damaged {
                path,
                // Not the text beside it, which may be a password.
                reason: format!("line {}, column {}", error.line(), error.column()),
            }),
        }
    }

    /// Names and addresses.
    pub fn names(&self) -> impl Iterator<Item = (&str, &Address)> {
        self.all
            .iter()
            .map(|(name, kept)| (name.as_str(), &kept.url))
    }

    /// The login of that name, and the CA of its page.
    ///
    /// # Errors
    ///
    /// [`KeptError::Unknown`], with those that there are.
    pub fn get(&self, name: &str) -> Result<(Address, Login, Option<String>), KeptError> {
        let unknown = || KeptError::Unknown {
            name: name.to_owned(),
            known: match self.all.is_empty() {
                true => "none is".to_owned(),
                false => format!(
                    "but {}",
                    self.all.keys().cloned().collect::<Vec<_>>().join(", ")
                ),
            },
        };
        let kept = self.all.get(name).ok_or_else(unknown)?;
        let login = match (&kept.api_key, &kept.user, &kept.password) {
            (Some(key), ..) => Login::ApiKey(key.clone()),
            (None, Some(user), Some(password)) => Login::Password {
                user: user.clone(),
                password: password.clone(),
            },
            _ => {
                return Err(KeptError::Damaged {
                    path: self.path.clone(),
                    reason: format!("{name} has neither user and password nor an API key"),
                });
            }
        };
        Ok((kept.url.clone(), login, kept.ca.clone()))
    }

    /// Keeps a login under a name, in place of any other.
    ///
    /// # Errors
    ///
    /// [`KeptError::File`]
    pub fn keep(
        &mut self,
        name: &str,
        url: &Address,
        login: &Login,
        ca: Option<&str>,
    ) -> Result<(), KeptError> {
        let (user, password, api_key) = match login.clone() {
            Login::Password { user, password } => (Some(user), Some(password), None),
            Login::ApiKey(key) => (None, None, Some(key)),
        };
        let kept = Kept {
            url: url.clone(),
            user,
            password,
            api_key,
            ca: ca.map(str::to_owned),
        };
        self.all.insert(name.to_owned(), kept);
        self.write()
    }

    /// Forgets a login; `false` if there was none.
    ///
    /// # Errors
    ///
    /// [`KeptError::File`]
    pub fn forget(&mut self, name: &str) -> Result<bool, KeptError> {
        let was = self.all.remove(name).is_some();
        if was {
            self.write()?;
        }
        Ok(was)
    }

    /// Where they are.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn write(&self) -> Result<(), KeptError> {
        let failed = |source| KeptError::File {
            path: self.path.clone(),
            source,
        };
        let text = serde_json::to_vec_pretty(&self.all).map_err(|error| failed(error.into()))?;
        let text = Zeroizing::new(text);
        if let Some(folder) = self.path.parent() {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        hostfile::write_private(&self.path, &text).map_err(failed)
    }
}

#[cfg(unix)]
fn is_open_to_others(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path)
        .is_ok_and(|there| there.is_file() && there.permissions().mode() & 0o077 != 0)
}

#[cfg(not(unix))]
fn is_open_to_others(_: &Path) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password() -> Login {
        Login::Password {
            user: "tenant@example.com".into(),
            password: Zeroizing::new("hunter2".into()),
        }
    }

    #[test]
    fn what_is_kept_is_found_again_by_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("esptb/servers.json");
        let url: Address = "https://tb.example.com".parse().unwrap();
        let mut servers = Servers::open(&path).unwrap();
        servers
            .keep("plant", &url, &password(), Some("PEM"))
            .unwrap();
        let key = Login::ApiKey(Zeroizing::new("tb_key".into()));
        servers.keep("desk", &url, &key, None).unwrap();

        let again = Servers::open(&path).unwrap();
        assert!(!format!("{again:?}").contains("hunter2"));
        let names: Vec<_> = again.names().map(|(name, _)| name).collect();
        assert_eq!(names, ["desk", "plant"]);
        let (found, login, ca) = again.get("plant").unwrap();
        assert_eq!((found, ca.as_deref()), (url, Some("PEM")));
        assert!(matches!(login, Login::Password { password, .. } if *password == "hunter2"));
        assert!(matches!(again.get("desk").unwrap().1, Login::ApiKey(key) if *key == "tb_key"));
        let unknown = again.get("other").err().unwrap().to_string();
        assert!(unknown.contains("but desk, plant"), "{unknown}");

        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
            let open = std::fs::Permissions::from_mode(0o640);
            std::fs::set_permissions(&path, open).unwrap();
            assert!(matches!(Servers::open(&path), Err(KeptError::Open { .. })));
        }
    }

    #[test]
    fn a_damaged_file_is_told_without_what_is_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("servers.json");
        hostfile::write_private(&path, br#"{"plant":{"url":"x","password":"hunter2"}}"#).unwrap();
        let error = Servers::open(&path).unwrap_err();
        assert!(matches!(error, KeptError::Damaged { .. }));
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }

    #[test]
    fn what_is_forgotten_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("servers.json");
        let mut servers = Servers::open(&path).unwrap();
        let url: Address = "http://127.0.0.1".parse().unwrap();
        servers.keep("desk", &url, &password(), None).unwrap();
        assert!(servers.forget("desk").unwrap() && !servers.forget("desk").unwrap());
        assert!(Servers::open(&path).unwrap().get("desk").is_err());
    }
}
