//! A SPIFFS model: random files and options, built into an image, read back and compared with a
//! map from names to contents.
#![no_main]

use std::collections::HashMap;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use spiffs::{BuildError, Builder, Endianness, Geometry, Image, Magic, Partition, Spiffs};

#[derive(Arbitrary, Debug)]
struct Volume<'a> {
    page: u8,
    pages_per_block: u8,
    blocks: u8,
    name_len: u8,
    meta_len: u8,
    plain_magic: bool,
    big_endian: bool,
    aligned: bool,
    keep_order: bool,
    reread_at: u32,
    files: Vec<(&'a str, Contents<'a>)>,
}

#[derive(Arbitrary, Debug)]
enum Contents<'a> {
    Bytes(&'a [u8]),
    Repeated(u8, u16),
}

impl Contents<'_> {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Bytes(bytes) => bytes.to_vec(),
            Self::Repeated(seed, length) => (0..*length)
                .map(|n| seed.wrapping_add((n ^ n >> 8) as u8))
                .collect(),
        }
    }
}

fuzz_target!(|volume: Volume<'_>| {
    let page_size = 64 << (volume.page % 5);
    let geometry = Geometry {
        page_size,
        block_size: page_size * (u32::from(volume.pages_per_block % 32) + 1),
        name_len: volume.name_len.into(),
        meta_len: volume.meta_len.into(),
        magic: if volume.plain_magic {
            Magic::Plain
        } else {
            Magic::WithLength
        },
        endianness: if volume.big_endian {
            Endianness::Big
        } else {
            Endianness::Little
        },
        aligned_index_tables: volume.aligned,
    };
    let size = geometry.block_size * u32::from(volume.blocks % 33);
    if size > 512 * 1024 {
        return;
    }
    let contents: Vec<_> = volume
        .files
        .iter()
        .map(|(name, c)| (*name, c.bytes()))
        .collect();
    let Ok(mut builder) = Builder::new(size, geometry) else {
        return;
    };
    if volume.keep_order {
        builder = builder.keep_order();
    }
    let mut model = HashMap::new();
    for (name, bytes) in &contents {
        builder = match builder.clone().file(name, bytes) {
            Ok(builder) => builder,
            Err(_) => continue,
        };
        let path = format!("{}{name}", if name.starts_with('/') { "" } else { "/" });
        assert!(
            model.insert(path, bytes.as_slice()).is_none(),
            "two of one name"
        );
    }
    let image = match builder.clone().build() {
        Ok(image) => image,
        Err(BuildError::ImageFull { needed, .. }) => {
            // The size that it names does, unless page numbers do not reach that far.
            let enough = u32::try_from(needed)
                .ok()
                .filter(|size| *size <= 1024 * 1024);
            if let Some(enough) = enough
                && let Ok(larger) = Builder::new(enough, geometry)
            {
                let larger = model
                    .iter()
                    .try_fold(larger, |b, (name, bytes)| b.file(name, bytes));
                assert!(larger.expect("they were taken before").build().is_ok());
            }
            return;
        }
        Err(error) => panic!("{error}"),
    };
    assert_eq!(image.len(), size as usize);
    assert_eq!(
        builder.build().as_ref(),
        Ok(&image),
        "the same files, the same image"
    );
    compare(&image, geometry, &model, volume.reread_at);
});

fn compare(image: &[u8], geometry: Geometry, model: &HashMap<String, &[u8]>, at: u32) {
    let partition = Partition::whole(image.len() as u32);
    let mut volume = Spiffs::mount(Image(image), partition, Some(geometry)).expect("our own image");
    assert_eq!(volume.geometry(), geometry);
    let mut seen = 0;
    for file in volume.files() {
        let file = file.expect("sound");
        let name = file.name().as_str().expect("it was text");
        assert_eq!(
            model.get(name).map(|bytes| bytes.len()),
            Some(file.size() as usize)
        );
        seen += 1;
    }
    assert_eq!(seen, model.len());
    let mut buffer = vec![0; image.len()];
    for (name, bytes) in model {
        assert_eq!(volume.read_all(name, &mut buffer).expect("sound"), *bytes);
        let mut file = volume.open(name).expect("it is there");
        let at = at % (file.size() + 2);
        let part = &mut buffer[..37.min(image.len())];
        let length = volume.read(&mut file, at, part).expect("sound");
        let rest = bytes.get(at as usize..).unwrap_or_default();
        assert_eq!(&part[..length], &rest[..rest.len().min(part.len())]);
    }
    // One that nobody added, unless the fuzzer thought of it.
    const NOBODYS: &str = "/no such file, surely";
    assert_eq!(
        volume.read_all(NOBODYS, &mut buffer).is_ok(),
        model.contains_key(NOBODYS)
    );
    let summary = volume.check(|fault| panic!("{fault}")).expect("sound");
    assert_eq!(summary.files as usize, model.len());

    // Whoever is not told the geometry finds one that reads the same.
    if geometry.magic == Magic::WithLength
        && let Ok(mut found) = Spiffs::mount(Image(image), partition, None)
        && found.geometry() == geometry
    {
        for (name, bytes) in model {
            assert_eq!(found.read_all(name, &mut buffer).expect("sound"), *bytes);
        }
    }
}
