//! Certificates in pieces: a packet has no room for a chain, so a server sets it as attributes one by one.
//!
//! `renewedChain1` to `renewedChainN` are the Base64 of DER certificates one after the other, cut wherever it
//! pleases; `renewedChain` is the [`Notice`] of how many there are and which digest the whole has. It
//! comes last, so that whoever sees it can ask for the pieces.

use alloc::vec::Vec;
use core::fmt;

use base64ct::{Base64, Encoding};

/// The most pieces: with 512 characters in each, more than is kept of them.
pub const MOST_PIECES: u16 = 32;

/// The most bytes of certificates that are put together: they are kept in one page of NVS, with a key.
pub const MOST_BYTES: usize = 3_072;

/// What is to be had: `"<N> <SHA-256>"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Notice {
    /// How many pieces there are: 1 to [`MOST_PIECES`].
    pub pieces: u16,
    /// The SHA-256 of the whole.
    pub digest: [u8; 32],
}

impl Notice {
    /// Reads one. None if it is something else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (pieces, hex) = text.trim().split_once(' ')?;
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let pieces = digits(pieces).then(|| pieces.parse().ok())??;
        if !(1..=MOST_PIECES).contains(&pieces) {
            return None;
        }
        let hex = hex.trim().as_bytes();
        let mut digest = [0; 32];
        if hex.len() != 2 * digest.len() {
            return None;
        }
        for (byte, pair) in digest.iter_mut().zip(hex.chunks_exact(2)) {
            let digit = |byte: u8| char::from(byte).to_digit(16);
            let [high, low] = pair else { return None };
            *byte = (digit(*high)? << 4 | digit(*low)?) as u8;
        }
        Some(Self { pieces, digest })
    }
}

/// The first bytes of a digest, by which something is known again.
#[must_use]
pub fn mark(digest: &[u8; 32]) -> u64 {
    let first = digest.iter().take(8);
    first.fold(0, |mark, byte| mark << 8 | u64::from(*byte))
}

/// Why pieces make no whole. Whoever set them must act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// There is no such piece.
    Missing(u16),
    /// A piece is no Base64, or goes on behind its end.
    NotBase64(u16),
    /// More bytes than are taken.
    TooLong,
    /// The whole is cut.
    Cut,
    /// It has another digest.
    Digest,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(piece) => write!(f, "piece {piece} is not there"),
            Self::NotBase64(piece) => write!(f, "piece {piece} is no Base64"),
            Self::TooLong => write!(
                f,
                "more than {MOST_BYTES} bytes: leave out the root, or use P-256"
            ),
            Self::Cut => f.write_str("the pieces end amid the Base64"),
            Self::Digest => f.write_str("the pieces have another digest than was told"),
        }
    }
}

/// Pieces on their way.
pub struct Gathering {
    notice: Notice,
    /// By which the caller knows it again.
    mark: u64,
    /// What is wrong, if that is known.
    spoilt: Option<Fault>,
    /// How many came.
    came: u16,
    bytes: Vec<u8>,
    /// Characters that make no byte yet.
    rest: [u8; 4],
    rests: usize,
    /// Whether the padding came, behind which there is nothing.
    ended: bool,
}

impl Gathering {
    /// None came yet.
    #[must_use]
    pub fn new(notice: Notice, mark: u64) -> Self {
        Self {
            notice,
            mark,
            spoilt: None,
            came: 0,
            bytes: Vec::new(),
            rest: [0; 4],
            rests: 0,
            ended: false,
        }
    }

    /// The same, of which none came yet.
    #[must_use]
    pub fn anew(&self) -> Self {
        Self::new(self.notice, self.mark)
    }

    /// What the caller knows it by.
    #[must_use]
    pub fn mark(&self) -> u64 {
        self.mark
    }

    /// The number of the next piece, from 1; none if all came, or one was wrong.
    #[must_use]
    pub fn wanted(&self) -> Option<u16> {
        let more = self.came < self.notice.pieces && self.spoilt.is_none();
        more.then_some(self.came + 1)
    }

    /// The rest is not worth asking for.
    pub fn spoil(&mut self, fault: Fault) {
        self.spoilt.get_or_insert(fault);
    }

    /// Takes the piece that is [wanted](Self::wanted), or learns that there is none.
    ///
    /// # Errors
    ///
    /// [`Fault`]; then it is spoilt.
    pub fn take(&mut self, piece: Option<impl Iterator<Item = char>>) -> Result<(), Fault> {
        let taken = self.take_piece(piece);
        if let Err(fault) = taken {
            self.spoil(fault);
        }
        taken
    }

    fn take_piece(&mut self, piece: Option<impl Iterator<Item = char>>) -> Result<(), Fault> {
        let number = self.came.saturating_add(1);
        let piece = piece.ok_or(Fault::Missing(number))?;
        for character in piece.filter(|character| !character.is_ascii_whitespace()) {
            let byte = u8::try_from(character).ok().filter(|_| !self.ended);
            let byte = byte.ok_or(Fault::NotBase64(number))?;
            if let Some(place) = self.rest.get_mut(self.rests) {
                *place = byte;
            }
            self.rests += 1;
            if self.rests == self.rest.len() {
                self.rests = 0;
                let mut three = [0; 3];
                let bytes = Base64::decode(self.rest, &mut three);
                let bytes = bytes.map_err(|_| Fault::NotBase64(number))?;
                self.ended = bytes.len() < 3;
                if self.bytes.len() + bytes.len() > MOST_BYTES {
                    return Err(Fault::TooLong);
                }
                self.bytes.extend_from_slice(bytes);
            }
        }
        self.came = number;
        Ok(())
    }

    /// The whole.
    ///
    /// # Errors
    ///
    /// [`Fault`]
    pub fn finish(self) -> Result<Vec<u8>, Fault> {
        if let Some(fault) = self.spoilt {
            return Err(fault);
        }
        if let Some(missing) = self.wanted() {
            return Err(Fault::Missing(missing));
        }
        if self.rests > 0 {
            return Err(Fault::Cut);
        }
        if crate::digest(&self.bytes) != self.notice.digest {
            return Err(Fault::Digest);
        }
        Ok(self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::String;
    use alloc::vec::Vec;

    fn notice(pieces: usize, bytes: &[u8]) -> Notice {
        let digest = crate::digest(bytes);
        let hex: String = digest.iter().map(|byte| format!("{byte:02X}")).collect();
        Notice::parse(&format!("{pieces} {hex}")).unwrap()
    }

    fn gather(notice: Notice, pieces: &[&str]) -> Result<Vec<u8>, Fault> {
        let mut gathering = Gathering::new(notice, 1);
        for (number, piece) in (1..).zip(pieces) {
            assert_eq!(gathering.wanted(), Some(number));
            gathering.take(Some(piece.chars()))?;
        }
        gathering.finish()
    }

    #[test]
    fn what_was_cut_anywhere_is_put_together() {
        for length in [1, 2, 3, 4, 200, MOST_BYTES] {
            let bytes: Vec<u8> = (0..length).map(|i| (i * 7) as u8).collect();
            let text = Base64::encode_string(&bytes);
            for size in [1, 2, 3, 4, 5, 511, 512] {
                let pieces: Vec<_> = text
                    .as_bytes()
                    .chunks(size.max(text.len().div_ceil(usize::from(MOST_PIECES))))
                    .map(|piece| core::str::from_utf8(piece).unwrap())
                    .collect();
                let notice = notice(pieces.len(), &bytes);
                assert_eq!(gather(notice, &pieces).unwrap(), bytes, "{length} {size}");
            }
        }
    }

    #[test]
    fn what_is_no_notice_is_none() {
        let hex = "0".repeat(64);
        for text in [
            "",
            "1",
            "1 ",
            &hex,
            &format!("0 {hex}"),
            &format!("33 {hex}"),
            &format!("+1 {hex}"),
            &format!("1 {hex}0"),
            &format!("1 {}g", "0".repeat(63)),
            &format!("1 {}é", "0".repeat(62)),
        ] {
            assert_eq!(Notice::parse(text), None, "{text:?}");
        }
        assert_eq!(Notice::parse(&format!(" 32  {hex}\n")).unwrap().pieces, 32);
    }

    #[test]
    fn what_is_wrong_with_pieces_is_told() {
        let bytes = [7; 30];
        let text = Base64::encode_string(&bytes);
        let two = notice(2, &bytes);
        let (first, second) = text.split_at(22);
        assert_eq!(gather(two, &[first, second]).unwrap(), bytes);
        assert_eq!(gather(two, &[first]), Err(Fault::Missing(2)));
        assert_eq!(
            Gathering::new(two, 1).take(None::<core::str::Chars<'_>>),
            Err(Fault::Missing(1))
        );
        assert_eq!(gather(two, &[second, first]), Err(Fault::Digest));
        assert_eq!(gather(two, &[first, &second[..1]]), Err(Fault::Cut));
        assert_eq!(gather(two, &[first, "é==="]), Err(Fault::NotBase64(2)));
        let padded = notice(2, &[7; 4]);
        assert_eq!(
            gather(padded, &["BwcHBw==", "BwcH"]),
            Err(Fault::NotBase64(2))
        );
        let long = "A".repeat(MOST_BYTES / 3 * 4 + 4);
        assert_eq!(gather(two, &[&long]), Err(Fault::TooLong));
    }
}
