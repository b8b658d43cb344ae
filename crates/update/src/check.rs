//! Whether a board takes a package, and who must do what if not.

use core::fmt;

use crate::checksum::Algorithm;
use crate::image::{HEAD_LEN, Head};
use crate::key::KeyId;

/// How many bytes come behind the image.
pub const TRAILER_LEN: usize = 96;

/// What a package must fit.
#[derive(Clone, Copy, Debug)]
pub struct Board<'a> {
    /// The chip, by Espressif's number.
    pub chip: u16,
    /// Its revision, as major * 100 + minor.
    pub revision: u16,
    /// Bytes of the slot that is written.
    pub slot_len: u32,
    /// The product that runs now.
    pub product: &'a str,
    /// No image with a lesser number is taken: the greater one of the running image's own and of what
    /// the settings say. Versions are text that nobody can put in order; this number is what the maker
    /// raises when what came before must not come back, as ESP-IDF's anti-rollback has it.
    pub floor: u32,
}

impl Board<'_> {
    /// Whether an image with this head, in a package of this length, is for this board. Believed or not:
    /// also for the first chunk, before anything is erased for it.
    ///
    /// # Errors
    ///
    /// [`Refusal`].
    pub fn check(&self, head: &Head, len: u32) -> Result<(), Refusal> {
        if len > self.slot_len {
            let slot_len = self.slot_len;
            return Err(Refusal::TooLarge { len, slot_len });
        }
        if head.chip != self.chip {
            return Err(Refusal::OtherChip {
                built_for: head.chip,
                chip: self.chip,
            });
        }
        let has_greatest = !matches!(head.greatest_revision, 0 | u16::MAX);
        if self.revision < head.least_revision
            || (has_greatest && self.revision > head.greatest_revision)
        {
            return Err(Refusal::OtherRevision {
                least: head.least_revision,
                greatest: head.greatest_revision,
                revision: self.revision,
            });
        }
        if head.product.as_str() != self.product {
            return Err(Refusal::OtherProduct);
        }
        if head.secure_version < self.floor {
            return Err(Refusal::Downgrade {
                secure_version: head.secure_version,
                floor: self.floor,
            });
        }
        Ok(())
    }

    /// The same by the first bytes of a package of `len` bytes.
    ///
    /// # Errors
    ///
    /// [`Refusal`]; [`Refusal::NotAnApp`] also if they are fewer than [`HEAD_LEN`].
    pub fn check_first(&self, bytes: &[u8], len: u32) -> Result<(), Refusal> {
        if (len as usize) < HEAD_LEN + TRAILER_LEN {
            return Err(Refusal::NotAnApp);
        }
        self.check(&Head::read(bytes).ok_or(Refusal::NotAnApp)?, len)
    }
}

/// Why a package is not taken. The text says who must do what; it is meant for the server's `fw_error`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// Not an image of an app, or not one that starts as such.
    NotAnApp,
    /// Nobody signed it.
    NotSigned,
    /// Signed in a way that this device does not know; the number of the format.
    OtherFormat(u8),
    /// It was made longer or shorter after it was signed.
    OtherLength,
    /// Signed with a key that the device does not have.
    UnknownKey(KeyId),
    /// Changed after it was signed, or signed by somebody else.
    WrongSignature,
    /// Not all of it is there.
    CutShort {
        /// Bytes that are.
        has: u32,
        /// Bytes that should be.
        len: u32,
    },
    /// Not what the server has, by its checksum.
    Damaged(Algorithm),
    /// Longer than the slot.
    TooLarge {
        /// Bytes of the package.
        len: u32,
        /// Bytes of the slot.
        slot_len: u32,
    },
    /// Built for another chip.
    OtherChip {
        /// By Espressif's number.
        built_for: u16,
        /// The board's.
        chip: u16,
    },
    /// Built for other revisions of the chip; major * 100 + minor.
    OtherRevision {
        /// The least.
        least: u16,
        /// The greatest.
        greatest: u16,
        /// The board's.
        revision: u16,
    },
    /// Of another product.
    OtherProduct,
    /// Older than what may come back.
    Downgrade {
        /// The image's number.
        secure_version: u32,
        /// The least that is taken.
        floor: u32,
    },
}

impl Refusal {
    /// Whether fetching it once more may help: it got damaged on its way or in flash.
    pub fn may_be_fetched_again(self) -> bool {
        matches!(self, Self::Damaged(_) | Self::CutShort { .. })
    }
}

struct Revision(u16);

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}.{}", self.0 / 100, self.0 % 100)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAnApp => f.write_str(
                "this is no app image: upload the file that `esptb firmware sign` wrote",
            ),
            Self::NotSigned => f.write_str(
                "nobody signed it: sign it with `esptb firmware sign` and upload what that writes",
            ),
            Self::OtherFormat(format) => write!(
                f,
                "its signature is of format {format}, which this device does not know: sign it with the \
                 esptb that the running firmware was made with"
            ),
            Self::OtherLength => f.write_str(
                "it was made longer or shorter after it was signed: upload the file that `esptb firmware \
                 sign` wrote, as it is",
            ),
            Self::UnknownKey(key) => write!(
                f,
                "signed with the key {key}, which this device does not have: sign it with the key whose \
                 public part the device was given"
            ),
            Self::WrongSignature => f.write_str(
                "changed after it was signed, or not signed by the maker: find out who uploaded it, and \
                 upload what `esptb firmware verify` finds good",
            ),
            Self::CutShort { has, len } => write!(
                f,
                "{has} of its {len} bytes are there: assign it again"
            ),
            Self::Damaged(algorithm) => write!(
                f,
                "its {algorithm} is not the server's: damaged on its way, or the flash is failing; assign \
                 it again, and replace the board if that does not help"
            ),
            Self::TooLarge { len, slot_len } => write!(
                f,
                "it has {len} bytes and the slot {slot_len}: make the firmware smaller"
            ),
            Self::OtherChip { built_for, chip } => write!(
                f,
                "built for chip number {built_for}, and this is {chip}: assign the package that was built \
                 for this board"
            ),
            Self::OtherRevision {
                least,
                greatest,
                revision,
            } => {
                write!(f, "built for revisions of the chip from {}", Revision(*least))?;
                if !matches!(*greatest, 0 | u16::MAX) {
                    write!(f, " to {}", Revision(*greatest))?;
                }
                write!(
                    f,
                    ", and this is {}: assign the package that was built for this board",
                    Revision(*revision)
                )
            }
            Self::OtherProduct => f.write_str(
                "it is the firmware of another product: assign this product's, or mend the profile that \
                 the package is assigned to",
            ),
            Self::Downgrade {
                secure_version,
                floor,
            } => write!(
                f,
                "its number against downgrades is {secure_version}, and this device takes {floor} and up: \
                 assign a newer version"
            ),
        }
    }
}

impl core::error::Error for Refusal {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::testing::head;
    use std::string::ToString;

    const BOARD: Board<'_> = Board {
        chip: 5,
        revision: 101,
        slot_len: 0x14_0000,
        product: "esptb",
        floor: 7,
    };
    const LEN: u32 = 1000;

    #[track_caller]
    fn refused(board: Board<'_>, refusal: Refusal) {
        assert_eq!(board.check_first(&head("esptb", "1"), LEN), Err(refusal));
    }

    #[test]
    fn a_board_takes_what_was_made_for_it() {
        assert_eq!(BOARD.check_first(&head("esptb", "1"), LEN), Ok(()));
        for revision in [3, 199] {
            let board = Board { revision, ..BOARD };
            assert_eq!(board.check_first(&head("esptb", "1"), LEN), Ok(()));
        }
        let mut any = head("esptb", "1");
        any[17..19].copy_from_slice(&[0xFF, 0xFF]);
        let newest = Board {
            revision: 900,
            ..BOARD
        };
        assert_eq!(newest.check_first(&any, LEN), Ok(()));
    }

    #[test]
    fn each_reason_has_its_refusal() {
        refused(
            Board { chip: 9, ..BOARD },
            Refusal::OtherChip {
                built_for: 5,
                chip: 9,
            },
        );
        for revision in [2, 200] {
            refused(
                Board { revision, ..BOARD },
                Refusal::OtherRevision {
                    least: 3,
                    greatest: 199,
                    revision,
                },
            );
        }
        refused(
            Board {
                slot_len: 999,
                ..BOARD
            },
            Refusal::TooLarge {
                len: LEN,
                slot_len: 999,
            },
        );
        refused(
            Board {
                product: "esptb2",
                ..BOARD
            },
            Refusal::OtherProduct,
        );
        refused(
            Board { floor: 8, ..BOARD },
            Refusal::Downgrade {
                secure_version: 7,
                floor: 8,
            },
        );
        let short = BOARD.check_first(&head("esptb", "1")[1..], LEN);
        assert_eq!(short, Err(Refusal::NotAnApp));
        let short = BOARD.check_first(&head("esptb", "1"), 300);
        assert_eq!(short, Err(Refusal::NotAnApp));
    }

    #[test]
    fn revisions_are_told_as_espressif_writes_them() {
        let told = Refusal::OtherRevision {
            least: 3,
            greatest: 199,
            revision: 301,
        };
        let told = told.to_string();
        assert!(
            told.contains("from v0.3 to v1.99, and this is v3.1"),
            "{told}"
        );
    }
}
