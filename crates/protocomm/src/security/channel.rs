//! The encryption of an established session.

use aes::Aes256;
use aes_gcm::aead::AeadInOut;
use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::aes::cipher::consts::U16;
use aes_gcm::{Aes256Gcm, AesGcm, KeyInit, Tag};
use ctr::Ctr128BE;
use ctr::cipher::StreamCipher;
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::IvMode;
use crate::wire::BufferTooSmall;

/// The length of AES-GCM's tag, which follows the ciphertext.
const TAG_LEN: usize = 16;

/// The most that encryption adds to a message, in bytes.
pub const OVERHEAD_MAX: usize = TAG_LEN;

/// AES-256-CTR: the key stream runs on over requests and replies alike.
pub(super) type KeyStream = Ctr128BE<Aes256>;

/// Why a message could not pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChannelError {
    /// It is not what the peer encrypted next in this session.
    Undecryptable,
    /// The nonce's counter, or the key stream, is used up.
    Exhausted,
    /// The buffer has no room for the tag.
    Buffer(BufferTooSmall),
}

/// Encrypts and decrypts in place, in the order of the messages.
#[allow(
    clippy::large_enum_variant,
    reason = "there is one of it, and boxing needs a heap"
)]
pub(crate) enum Channel {
    /// Security 0.
    Plain,
    /// Security 1. The cipher wipes itself.
    Stream(KeyStream),
    /// Security 2.
    Sealed(Sealed),
}

/// Key and nonce of security 2. The key schedule is rebuilt per message: that is a fraction of the
/// message's own cost, and keeps half a kilobyte out of the device's state.
#[derive(ZeroizeOnDrop)]
pub(crate) struct Sealed {
    key: [u8; 32],
    nonce: Nonce,
}

/// The nonce of security 2. It is sent in plain text, and so is no secret.
#[derive(Clone, Copy, Zeroize)]
pub(crate) enum Nonce {
    /// 8 random bytes, and a big-endian counter of messages.
    Counting([u8; 12]),
    /// 12 bytes that stay.
    Fixed12([u8; 12]),
    /// 16 bytes that stay; ESP-IDF before 5.4.1. AES-GCM hashes them into a counter block.
    Fixed16([u8; 16]),
}

impl Nonce {
    /// What a device sent, read as its `sec_patch_ver` says. `None` if the length is wrong.
    pub(crate) fn new(bytes: &[u8], iv_mode: IvMode) -> Option<Self> {
        match iv_mode {
            IvMode::Counter => bytes.try_into().ok().map(Self::Counting),
            IvMode::Fixed => match bytes.len() {
                12 => bytes.try_into().ok().map(Self::Fixed12),
                _ => bytes.try_into().ok().map(Self::Fixed16),
            },
        }
    }

    /// As it is sent.
    pub(crate) const fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Counting(nonce) | Self::Fixed12(nonce) => nonce,
            Self::Fixed16(nonce) => nonce,
        }
    }
}

impl Sealed {
    pub(super) fn new(key: &[u8; 32], nonce: Nonce) -> Self {
        Self { key: *key, nonce }
    }

    /// In counter mode, zero comes after the last counter, and says that the session is over.
    /// ESP-IDF v5.4.1 (4c2820d), `security2.c`, `sec2_encrypt`.
    fn check_counter(&self) -> Result<(), ChannelError> {
        match self.nonce {
            Nonce::Counting([.., 0, 0, 0, 0]) => Err(ChannelError::Exhausted),
            _ => Ok(()),
        }
    }

    fn advance(&mut self) {
        if let Nonce::Counting([.., a, b, c, d]) = &mut self.nonce {
            let next = u32::from_be_bytes([*a, *b, *c, *d]).wrapping_add(1);
            [*a, *b, *c, *d] = next.to_be_bytes();
        }
    }

    fn encrypt(&mut self, text: &mut [u8]) -> Result<Tag, ChannelError> {
        self.check_counter()?;
        let key = &self.key.into();
        let text = InOutBuf::from(text);
        let tag = match self.nonce {
            Nonce::Counting(nonce) | Nonce::Fixed12(nonce) => {
                Aes256Gcm::new(key).encrypt_inout_detached(&nonce.into(), &[], text)
            }
            Nonce::Fixed16(nonce) => {
                AesGcm::<Aes256, U16>::new(key).encrypt_inout_detached(&nonce.into(), &[], text)
            }
        };
        // Fails for messages of 64 GiB and more only.
        let tag = tag.map_err(|_| ChannelError::Exhausted)?;
        self.advance();
        Ok(tag)
    }

    fn decrypt(&mut self, text: &mut [u8], tag: &Tag) -> Result<(), ChannelError> {
        self.check_counter()?;
        let key = &self.key.into();
        let text = InOutBuf::from(text);
        match self.nonce {
            Nonce::Counting(nonce) | Nonce::Fixed12(nonce) => {
                Aes256Gcm::new(key).decrypt_inout_detached(&nonce.into(), &[], text, tag)
            }
            Nonce::Fixed16(nonce) => AesGcm::<Aes256, U16>::new(key).decrypt_inout_detached(
                &nonce.into(),
                &[],
                text,
                tag,
            ),
        }
        .map_err(|_| ChannelError::Undecryptable)?;
        self.advance();
        Ok(())
    }
}

impl Channel {
    /// What encryption adds to a message, in bytes.
    pub(crate) const fn overhead(&self) -> usize {
        match self {
            Self::Plain | Self::Stream(_) => 0,
            Self::Sealed(_) => TAG_LEN,
        }
    }

    /// Encrypts the first `len` bytes of `buffer`, and returns the length of the ciphertext.
    ///
    /// On an error the plain text is wiped.
    pub(crate) fn encrypt(&mut self, buffer: &mut [u8], len: usize) -> Result<usize, ChannelError> {
        let needed = len.saturating_add(self.overhead());
        let result = if needed > buffer.len() {
            Err(ChannelError::Buffer(BufferTooSmall { needed }))
        } else {
            let (text, rest) = buffer.split_at_mut(len);
            match self {
                Self::Plain => Ok(()),
                Self::Stream(stream) => stream
                    .try_apply_keystream(text)
                    .map_err(|_| ChannelError::Exhausted),
                Self::Sealed(sealed) => sealed
                    .encrypt(text)
                    .map(|tag| rest[..TAG_LEN].copy_from_slice(&tag)),
            }
        };
        match result {
            Ok(()) => Ok(needed),
            Err(error) => {
                buffer.zeroize();
                Err(error)
            }
        }
    }

    /// Decrypts `message` in place, and returns the plain text, which is a prefix of it.
    ///
    /// A message that security 2 refuses leaves the session as it was.
    pub(crate) fn decrypt<'a>(
        &mut self,
        message: &'a mut [u8],
    ) -> Result<&'a mut [u8], ChannelError> {
        match self {
            Self::Plain => Ok(message),
            Self::Stream(stream) => {
                stream
                    .try_apply_keystream(message)
                    .map_err(|_| ChannelError::Exhausted)?;
                Ok(message)
            }
            Self::Sealed(sealed) => {
                let (text, tag) = message
                    .split_last_chunk_mut::<TAG_LEN>()
                    .ok_or(ChannelError::Undecryptable)?;
                sealed.decrypt(text, &Tag::from(*tag))?;
                Ok(text)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(nonce: Nonce) -> [Channel; 2] {
        [(); 2].map(|()| Channel::Sealed(Sealed::new(&[3; 32], nonce)))
    }

    fn counting(counter: u32) -> Nonce {
        let mut nonce = [7; 12];
        nonce[8..].copy_from_slice(&counter.to_be_bytes());
        Nonce::new(&nonce, IvMode::Counter).unwrap()
    }

    fn fixed(nonce: &[u8]) -> Nonce {
        Nonce::new(nonce, IvMode::Fixed).unwrap()
    }

    fn seal(channel: &mut Channel, text: &[u8]) -> ([u8; 64], usize) {
        let mut buffer = [0; 64];
        buffer[..text.len()].copy_from_slice(text);
        let len = channel.encrypt(&mut buffer, text.len()).unwrap();
        (buffer, len)
    }

    #[test]
    fn the_counter_moves_and_the_fixed_nonce_does_not() {
        for (nonce, repeats) in [
            (counting(1), false),
            (fixed(&[7; 12]), true),
            (fixed(&[7; 16]), true),
        ] {
            let [mut a, mut b] = pair(nonce);
            let first = seal(&mut a, b"text");
            let second = seal(&mut a, b"text");
            assert_eq!(first.0 == second.0, repeats);
            for (mut message, len) in [first, second] {
                assert_eq!(b.decrypt(&mut message[..len]).unwrap(), b"text");
            }
        }
    }

    #[test]
    fn a_replay_is_refused_and_changes_nothing() {
        let [mut a, mut b] = pair(counting(1));
        let (message, len) = seal(&mut a, b"one");
        assert!(b.decrypt(&mut { message }[..len]).is_ok());
        assert_eq!(
            b.decrypt(&mut { message }[..len]),
            Err(ChannelError::Undecryptable)
        );
        let (mut message, len) = seal(&mut a, b"two");
        assert_eq!(b.decrypt(&mut message[..len]).unwrap(), b"two");
    }

    #[test]
    fn the_counter_ends() {
        let [mut a, _] = pair(counting(u32::MAX));
        seal(&mut a, b"last");
        let mut buffer = [1; 64];
        assert_eq!(a.encrypt(&mut buffer, 4), Err(ChannelError::Exhausted));
        assert_eq!(buffer, [0; 64], "plain text was left behind");
        assert_eq!(a.decrypt(&mut buffer), Err(ChannelError::Exhausted));
        // A fixed nonce may end in zeros by chance.
        let [mut a, _] = pair(fixed(&[0; 12]));
        seal(&mut a, b"text");
    }

    #[test]
    fn short_messages_and_buffers() {
        let [mut a, mut b] = pair(counting(1));
        for len in 0..TAG_LEN {
            assert_eq!(
                b.decrypt(&mut [0; TAG_LEN][..len]),
                Err(ChannelError::Undecryptable)
            );
        }
        assert_eq!(
            a.encrypt(&mut [0; 19], 4),
            Err(ChannelError::Buffer(BufferTooSmall { needed: 20 }))
        );
        let (mut message, len) = seal(&mut a, b"");
        assert_eq!(b.decrypt(&mut message[..len]).unwrap(), b"");
    }
}
