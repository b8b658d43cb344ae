//! The builder's own rules: order, names, fullness. What its images are made of is `golden`'s.

use spiffs::{BuildError, Builder, Endianness, Geometry, GeometryError, Image, Magic};
use spiffs::{Partition, Spiffs};

use crate::vectors::{Random, content};

fn builder<'a>() -> Builder<'a> {
    Builder::new(0x10000, Geometry::ESP_IDF).expect("a geometry")
}

#[test]
fn order_does_not_matter_unless_it_is_kept() {
    let [forth, back] = [["/a", "/b"], ["/b", "/a"]].map(|names| {
        names.iter().fold(builder(), |builder, name| {
            builder.file(name, b"x").expect("a file")
        })
    });
    assert_eq!(forth.clone().build(), back.clone().build());
    assert_ne!(forth.keep_order().build(), back.keep_order().build());
}

#[test]
fn slash_in_front_is_added() {
    let with = builder().file("/device.crt", b"x").and_then(Builder::build);
    let without = builder().file("device.crt", b"x").and_then(Builder::build);
    assert!(with.is_ok());
    assert_eq!(with, without);
}

#[test]
fn names_that_cannot_be_opened_are_refused() {
    let refuse = |name: &str| builder().file(name, b"").unwrap_err();
    assert_eq!(refuse(""), BuildError::NameInvalid("/".into()));
    assert_eq!(refuse("/a\0b"), BuildError::NameInvalid("/a\0b".into()));
    let longest = "a".repeat(30);
    builder()
        .file(&longest, b"")
        .expect("31 bytes with the slash");
    let error = refuse(&format!("{longest}b"));
    assert_eq!(
        error,
        BuildError::NameTooLong {
            name: format!("/{longest}b"),
            limit: 31
        }
    );
    assert!(
        error.to_string().contains("has 32 bytes, 1 more than fit"),
        "{error}"
    );
    let twice = builder()
        .file("a", b"")
        .expect("once")
        .file("/a", b"")
        .unwrap_err();
    assert_eq!(twice, BuildError::NameTwice("/a".into()));
}

#[test]
fn a_full_image_says_how_much_is_missing() {
    // 15 pages of 251 bytes to a block of 4096, the first page for the index.
    let exactly = content(1, 251 * 14);
    let geometry = Geometry::ESP_IDF;
    let fits = Builder::new(4096, geometry)
        .expect("one block")
        .file("f", &exactly);
    fits.expect("a file").build().expect("fits");
    let more = content(1, 251 * 14 + 1);
    let full = Builder::new(4096, geometry)
        .expect("one block")
        .file("f", &more);
    let error = full.expect("a file").build().unwrap_err();
    assert_eq!(
        error,
        BuildError::ImageFull {
            size: 4096,
            needed: 8192
        }
    );
    assert!(
        error.to_string().contains("need 8192 bytes, 4096 more"),
        "{error}"
    );
}

#[test]
fn a_partition_has_whole_blocks() {
    let error = Builder::new(0x10001, Geometry::ESP_IDF).unwrap_err();
    assert_eq!(
        error,
        BuildError::Geometry(GeometryError::VolumeSize(0x10001))
    );
}

#[test]
fn names_beyond_ascii_are_read_back() {
    // The generator pads by characters, not bytes, and so misplaces such a file's index.
    let image = builder()
        .file("/größe.txt", b"12 cm")
        .and_then(Builder::build)
        .expect("builds");
    let whole = Partition::whole(image.len() as u32);
    let mut volume = Spiffs::mount(Image(&image), whole, None).expect("mounts");
    assert_eq!(volume.read_to_vec("größe.txt").expect("reads"), b"12 cm");
}

#[test]
fn whatever_is_built_is_detected_read_and_sound() {
    let mut random = Random(20_260_101);
    for round in 0..200 {
        let page_size = 256 << random.below(3);
        let geometry = Geometry {
            page_size,
            block_size: (page_size * 8).max(4096) << random.below(2),
            name_len: 24 + random.below(60) as u32,
            meta_len: random.below(12) as u32,
            magic: [Magic::Plain, Magic::WithLength][random.below(2)],
            endianness: [Endianness::Little, Endianness::Big][random.below(2)],
            aligned_index_tables: random.below(2) == 1,
        };
        let size = geometry.block_size * (3 + random.below(40) as u32);
        let files: Vec<_> = (0..random.below(9))
            .map(|i| {
                let len = random.below(3000) * [0, 1, 1, 4][random.below(4)];
                (format!("/{i}-{round}"), content(round + 1, len))
            })
            .collect();
        let built = files
            .iter()
            .fold(
                Builder::new(size, geometry).expect("a geometry"),
                |builder, (name, bytes)| builder.file(name, bytes).expect("a file"),
            )
            .build();
        let image = match built {
            Ok(image) => image,
            Err(BuildError::ImageFull { size: had, needed }) => {
                assert!(had == size && needed > u64::from(size), "{needed} of {had}");
                continue;
            }
            Err(error) => panic!("{error}"),
        };
        let mut volume =
            Spiffs::mount(Image(&image), Partition::whole(size), None).expect("mounts");
        assert_eq!(volume.files().count(), files.len(), "{geometry:?}");
        for (name, bytes) in &files {
            assert!(
                volume.read_to_vec(name).expect("reads") == *bytes,
                "{name} {geometry:?}"
            );
        }
        volume
            .check(|fault| panic!("{fault} {geometry:?}"))
            .expect("reads");
    }
}

#[test]
fn a_volume_whose_every_magic_is_covered_by_a_full_block_is_read_when_the_geometry_is_told() {
    // 31 entries a block, where the magic has the place of the 31st.
    let geometry = Geometry {
        page_size: 64,
        block_size: 2048,
        name_len: 4,
        meta_len: 1,
        ..Geometry::ESP_IDF
    };
    let contents = [0x5a; 2_000];
    let size = 2048;
    let build = |length: usize| {
        let builder = Builder::new(size, geometry).unwrap();
        builder.file("a", &contents[..length]).unwrap().build()
    };
    // As much as fits: then the last entry is taken.
    let most = (0..contents.len())
        .rev()
        .find(|&length| build(length).is_ok());
    let most = most.expect("something fits");
    let image = build(most).unwrap();
    let mount = |image| Spiffs::mount(Image(image), Partition::whole(size), Some(geometry));
    let mut volume = mount(&image).expect("our own image");
    let mut buffer = [0; 2048];
    assert_eq!(
        volume.read_all("/a", &mut buffer).unwrap(),
        &contents[..most]
    );
    // Erased flash is still none.
    assert_eq!(mount(&[0xff; 2048]).err(), Some(spiffs::Error::NotSpiffs));
}
