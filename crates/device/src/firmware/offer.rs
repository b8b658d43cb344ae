//! What the server offers, as shared attributes.

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use core::fmt::{Display, Write};

use thingsboard::firmware::Offer as Attributes;
use thingsboard::json::{Json, Object};
use update::checksum::{Algorithm, Checksum};
use update::download::Offer;
use update::image::Head;

use super::Why;

/// The shared attribute of a package that is somewhere else.
pub(crate) const URL: &str = "fw_url";

pub(super) const OTHER_NAMES: &str = "title or version of the package are not those of its image: give \
    the package the product's name and the version that `esptb firmware show` tells";

/// A package that is offered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Package {
    pub(super) title: String,
    pub(super) version: String,
    len: u32,
    checksum: Option<Checksum>,
}

impl Package {
    pub(super) fn offer(&self) -> Offer<'_> {
        Offer {
            title: &self.title,
            version: &self.version,
            len: self.len,
            // One without is never considered.
            checksum: self.checksum.unwrap_or_else(no_checksum),
        }
    }

    /// Whether an image is of this title and version: else the server would never see it as done.
    pub(super) fn is_told_by(&self, head: &Head) -> bool {
        self.title == head.product.as_str() && self.version == head.version.as_str()
    }
}

fn no_checksum() -> Checksum {
    Checksum::parse(Algorithm::Crc32, "00000000").unwrap_or_else(|| unreachable!("eight digits"))
}

/// What shared attributes say.
pub(super) enum Offered {
    /// Nothing of firmware.
    Nothing,
    /// A package.
    Package(Package),
    /// One that cannot be taken.
    Refused {
        /// Which.
        package: Package,
        /// Why.
        why: Box<Why>,
    },
}

impl Offered {
    pub(super) fn read(shared: Option<Object<'_>>) -> Self {
        let Some(shared) = shared else {
            return Self::Nothing;
        };
        let text = |key| {
            shared
                .get(key)
                .and_then(Json::as_text)
                .map(|text| text.to_string())
        };
        let (title, version) = (text("fw_title"), text("fw_version"));
        if title.is_none() && shared.get(URL).is_none() {
            return Self::Nothing;
        }
        let mut package = Package {
            title: title.unwrap_or_default(),
            version: version.unwrap_or_default(),
            len: 0,
            checksum: None,
        };
        let refused = |package, why: &dyn Display| Self::Refused {
            package,
            why: Box::new(text_of(why)),
        };
        if text(URL).is_some_and(|url| !url.is_empty()) {
            let why = "this device fetches packages from its server alone, not by URL: upload the package \
                       itself";
            return refused(package, &why);
        }
        let Some(offer) = Attributes::find(shared) else {
            let why = "the server does not tell size and checksum: upload the package, and assign it again";
            return refused(package, &why);
        };
        package.len = offer.size;
        let name = offer.checksum_algorithm.to_string();
        let Some(algorithm) = Algorithm::parse(&name) else {
            let why = "its checksum is of a kind that this device has not: upload it with SHA256";
            return refused(package, &why);
        };
        package.checksum = Checksum::parse(algorithm, &offer.checksum.to_string());
        match package.checksum {
            Some(_) => Self::Package(package),
            None => refused(package, &"its checksum is none: upload it with SHA256"),
        }
    }
}

/// Text, cut where it is too long.
pub(super) fn text(what: &dyn Display) -> Why {
    text_of(what)
}

fn text_of(what: &dyn Display) -> Why {
    let mut cut = Cut(Why::new());
    // It never fails.
    let _ = write!(cut, "{what}");
    cut.0
}

struct Cut(Why);

impl Write for Cut {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        for character in text.chars() {
            if self.0.push(character).is_err() {
                break;
            }
        }
        Ok(())
    }
}

/// A version, cut where it is too long for an event.
pub(super) fn cut(version: &str) -> heapless::String<32> {
    let mut text = heapless::String::new();
    for character in version.chars() {
        if text.push(character).is_err() {
            break;
        }
    }
    text
}
