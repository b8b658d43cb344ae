//! SPIFFS images: the golden one, and ones of any size.

use spiffs::{Builder, Geometry, Image, Partition, Spiffs};

/// The three credentials, as the device names them.
pub const CREDENTIALS: [&str; 3] = ["device.crt", "device.key", "server_chain.pem"];

/// An image of 256 KiB with credentials, made by ESP-IDF's generator: one of `spiffs`'s vectors.
///
/// # Panics
///
/// If it is not in the repository.
#[must_use]
pub fn golden() -> Vec<u8> {
    let packed = include_bytes!("../../../crates/spiffs/tests/vectors/credentials.image.z");
    miniz_oxide::inflate::decompress_to_vec_zlib(packed).expect("a zlib stream")
}

/// The contents of the three credentials in the golden image.
///
/// # Panics
///
/// If it is damaged.
#[must_use]
pub fn credentials() -> Vec<Vec<u8>> {
    let image = golden();
    mount_and_read(&image)
}

/// Mounts an image and reads the three credentials.
///
/// # Panics
///
/// If they are not there.
#[must_use]
pub fn mount_and_read(image: &[u8]) -> Vec<Vec<u8>> {
    let size = u32::try_from(image.len()).expect("a partition's size");
    let mut volume = Spiffs::mount(Image(image), Partition::whole(size), None).expect("a volume");
    CREDENTIALS
        .iter()
        .map(|name| volume.read_to_vec(name).expect("a file"))
        .collect()
}

/// Builds an image of `size` bytes with the credentials and `more` files of 300 bytes.
///
/// # Panics
///
/// If they do not fit.
#[must_use]
pub fn build(size: u32, credentials: &[Vec<u8>], more: u32) -> Vec<u8> {
    let other = [b'x'; 300];
    let mut builder = Builder::new(size, Geometry::ESP_IDF).expect("a size of whole blocks");
    for (name, contents) in CREDENTIALS.iter().zip(credentials) {
        builder = builder.file(name, contents).expect("a name");
    }
    for number in 0..more {
        let name = format!("more{number:05}");
        builder = builder.file(&name, &other).expect("a name");
    }
    builder.build().expect("room")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_measured_is_right() {
        let credentials = credentials();
        assert!(credentials[0].starts_with(b"-----BEGIN CERTIFICATE"));
        let image = build(1 << 20, &credentials, 100);
        assert_eq!(mount_and_read(&image), credentials);
    }
}
