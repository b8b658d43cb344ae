//! The vectors: golden images with their files, and digests of `spiffsgen.py`'s images. Where they
//! come from is told in `tests/vectors/README.md`.

use std::{fmt::Write as _, fs, path::PathBuf};

use sha2::{Digest, Sha256};
use spiffs::{Endianness, Geometry, Magic};

/// An image made by ESP-IDF's generator or aged by the C library.
pub(crate) struct Golden {
    pub(crate) name: String,
    pub(crate) image: Vec<u8>,
    /// Names and contents, in the order in which the generator took them.
    pub(crate) files: Vec<(String, Vec<u8>)>,
}

impl Golden {
    pub(crate) fn geometry(&self) -> Geometry {
        match self.name.as_str() {
            "page512_block8192" => Geometry {
                page_size: 512,
                block_size: 8192,
                ..Geometry::ESP_IDF
            },
            "meta_len_0" => Geometry {
                meta_len: 0,
                ..Geometry::ESP_IDF
            },
            _ => Geometry::ESP_IDF,
        }
    }

    pub(crate) fn is_aged(&self) -> bool {
        self.name.starts_with("aged")
    }
}

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/vectors")
        .join(name)
}

fn text(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn unpack(name: &str) -> Vec<u8> {
    let packed = fs::read(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    miniz_oxide::inflate::decompress_to_vec_zlib(&packed).expect("a zlib stream")
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").expect("a String takes everything");
            text
        })
}

pub(crate) fn golden_images() -> Vec<Golden> {
    let manifest = text("manifest.txt");
    let mut images: Vec<Golden> = Vec::new();
    let mut rest = Vec::new();
    for line in manifest.lines() {
        let fields: Vec<&str> = line.splitn(4, ' ').collect();
        match fields[..] {
            ["image", name, len, digest] => {
                let image = unpack(&format!("{name}.image.z"));
                assert_eq!(
                    (image.len().to_string(), sha256(&image)),
                    (len.into(), digest.into())
                );
                rest = unpack(&format!("{name}.files.z"));
                images.push(Golden {
                    name: name.into(),
                    image,
                    files: Vec::new(),
                });
            }
            ["file", len, digest, name] => {
                let tail = rest.split_off(len.parse().expect("a length"));
                let contents = std::mem::replace(&mut rest, tail);
                assert_eq!(sha256(&contents), digest, "{name}");
                let image = images.last_mut().expect("an image line comes first");
                image.files.push((name.into(), contents));
            }
            _ => panic!("no line of the manifest: {line}"),
        }
    }
    assert_eq!(images.len(), 7);
    images
}

/// One line of `options.txt`: what `spiffsgen.py` made of generated files.
pub(crate) struct Generated {
    pub(crate) size: u32,
    pub(crate) geometry: Geometry,
    pub(crate) files: Vec<(String, Vec<u8>)>,
    pub(crate) digest: String,
}

pub(crate) fn generated_images(lines: &str) -> Vec<Generated> {
    lines
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let fields: Vec<&str> = line.split(' ').collect();
            let [
                size,
                page,
                block,
                name,
                meta,
                magic,
                endianness,
                tables,
                set,
                digest,
            ] = fields[..]
            else {
                panic!("no line of options.txt: {line}");
            };
            let number = |text: &str| text.parse().expect("a number");
            let geometry = Geometry {
                page_size: number(page),
                block_size: number(block),
                name_len: number(name),
                meta_len: number(meta),
                magic: match magic {
                    "none" => Magic::None,
                    "plain" => Magic::Plain,
                    "length" => Magic::WithLength,
                    _ => panic!("no magic: {magic}"),
                },
                endianness: match endianness {
                    "little" => Endianness::Little,
                    "big" => Endianness::Big,
                    _ => panic!("no byte order: {endianness}"),
                },
                aligned_index_tables: tables == "aligned",
            };
            Generated {
                size: number(size),
                geometry,
                files: file_set(set),
                digest: digest.into(),
            }
        })
        .collect()
}

pub(crate) fn option_vectors() -> Vec<Generated> {
    generated_images(&text("options.txt"))
}

fn file_set(set: &str) -> Vec<(String, Vec<u8>)> {
    let lengths: Vec<usize> = match set {
        "none" => vec![],
        "small" => vec![0, 1, 251, 252, 700],
        "mixed" => vec![2291, 1704, 2173, 40000, 0, 62000, 26000],
        "many" => (0..60).map(|i| i * 37 % 900).collect(),
        _ => panic!("no set of files: {set}"),
    };
    lengths
        .into_iter()
        .enumerate()
        .map(|(i, len)| (format!("/dir/file{i:03}.bin"), content(i as u32 + 1, len)))
        .collect()
}

pub(crate) fn content(seed: u32, len: usize) -> Vec<u8> {
    let mut random = Random(seed.wrapping_mul(2_654_435_761).wrapping_add(12345));
    (0..len).map(|_| (random.next() >> 24) as u8).collect()
}

/// Marsaglia's xorshift32: the same numbers on every machine and in every run.
pub(crate) struct Random(pub(crate) u32);

impl Random {
    pub(crate) fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0
    }

    /// A number from 0 to `limit` - 1.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.next() as usize % limit
    }
}
