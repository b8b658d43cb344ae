//! The golden images: read, checked, and rebuilt byte for byte.

use spiffs::{Builder, Error, Geometry, Image, Magic, Partition, Spiffs};

use crate::vectors::{Golden, golden_images, option_vectors, sha256};

fn mount(image: &[u8], geometry: Option<Geometry>) -> Spiffs<Image<'_>> {
    Spiffs::mount(Image(image), Partition::whole(image.len() as u32), geometry).expect("mounts")
}

fn build(size: u32, geometry: Geometry, files: &[(String, Vec<u8>)]) -> Vec<u8> {
    files
        .iter()
        .fold(
            Builder::new(size, geometry).expect("a geometry"),
            |builder, (name, contents)| builder.file(name, contents).expect("a file"),
        )
        .keep_order()
        .build()
        .expect("an image")
}

fn assert_files(volume: &mut Spiffs<Image<'_>>, files: &[(String, Vec<u8>)]) {
    let mut listed: Vec<_> = volume
        .files()
        .map(|file| {
            let file = file.expect("a sound file");
            (
                file.name().as_str().expect("UTF-8").to_owned(),
                file.size() as usize,
            )
        })
        .collect();
    listed.sort();
    let mut expected: Vec<_> = files
        .iter()
        .map(|(name, contents)| (name.clone(), contents.len()))
        .collect();
    expected.sort();
    assert_eq!(listed, expected);
    for (name, contents) in files {
        assert!(
            volume.read_to_vec(name).expect("reads") == *contents,
            "{name}"
        );
        assert_eq!(
            volume.stat(&name[1..]).expect("found").size() as usize,
            contents.len()
        );
    }
}

#[test]
fn golden_images_are_detected_read_and_sound() {
    for Golden { name, image, files } in &golden_images() {
        println!("{name}");
        let mut volume = mount(image, None);
        assert_files(&mut volume, files);
        let summary = volume
            .check(|fault| panic!("{name}: {fault}"))
            .expect("reads");
        assert_eq!(summary.files as usize, files.len());
        let mut given = mount(image, Some(volume.geometry()));
        assert_files(&mut given, files);
    }
}

#[test]
fn detected_geometry_is_the_one_it_was_made_with() {
    for golden in golden_images() {
        assert_eq!(
            mount(&golden.image, None).geometry(),
            golden.geometry(),
            "{}",
            golden.name
        );
    }
}

#[test]
fn golden_images_are_rebuilt_byte_for_byte() {
    for golden in golden_images().iter().filter(|golden| !golden.is_aged()) {
        let image = build(golden.image.len() as u32, golden.geometry(), &golden.files);
        assert!(image == golden.image, "{}", golden.name);
    }
}

#[test]
fn every_option_of_the_generator_makes_its_image() {
    let vectors = option_vectors();
    assert!(vectors.len() >= 40);
    for vector in vectors {
        let image = build(vector.size, vector.geometry, &vector.files);
        assert_eq!(sha256(&image), vector.digest, "{:?}", vector.geometry);
        assert_files(&mut mount(&image, Some(vector.geometry)), &vector.files);
        // Blocks of 32768 with pages of 256 leave no room for the magic in full blocks, and only
        // powers of two are tried.
        let Geometry {
            page_size,
            block_size,
            magic,
            ..
        } = vector.geometry;
        let known = block_size.is_power_of_two() && block_size != page_size * 128;
        if magic != Magic::None && known {
            let mut volume = mount(&image, None);
            assert_files(&mut volume, &vector.files);
            volume
                .check(|fault| panic!("{:?}: {fault}", vector.geometry))
                .expect("reads");
        }
    }
}

#[test]
fn reads_start_and_end_anywhere() {
    let golden = golden_images()
        .into_iter()
        .find(|golden| golden.name == "edges")
        .expect("edges");
    let (name, contents) = golden
        .files
        .iter()
        .max_by_key(|(_, c)| c.len())
        .expect("files");
    let mut volume = mount(&golden.image, None);
    let mut file = volume.open(name).expect("opens");
    assert_eq!(file.size() as usize, contents.len());
    let mut buf = [0; 600];
    for offset in (0..contents.len() + 300).step_by(97) {
        for len in [0, 1, 250, 251, 252, 600] {
            let read = volume
                .read(&mut file, offset as u32, &mut buf[..len])
                .expect("reads");
            let end = (offset + len).min(contents.len());
            assert_eq!(buf[..read], contents[offset.min(end)..end]);
        }
    }
    assert_eq!(volume.read(&mut file, u32::MAX, &mut buf), Ok(0));
    assert_eq!(
        volume.read_all(name, &mut buf).unwrap_err(),
        Error::BufferTooSmall(contents.len() as u32)
    );
    assert_eq!(volume.open("/nothing").unwrap_err(), Error::NotFound);
}

#[test]
fn a_volume_of_another_length_is_refused() {
    let golden = &golden_images()[0];
    let short = &golden.image[..0x20000];
    let refused = Spiffs::mount(Image(short), Partition::whole(0x20000), None).unwrap_err();
    assert_eq!(refused, Error::NotSpiffs);
    let blank = vec![0xFF; 0x40000];
    for geometry in [None, Some(Geometry::ESP_IDF)] {
        let refused = Spiffs::mount(Image(&blank), Partition::whole(0x40000), geometry);
        assert_eq!(refused.unwrap_err(), Error::NotSpiffs);
    }
}

#[test]
fn a_block_whose_erasure_was_cut_short_is_ignored() {
    let golden = &golden_images()[0];
    let mut image = golden.image.clone();
    image[40 * 4096..41 * 4096].fill(0xA5);
    let mut volume = mount(&image, None);
    assert_files(&mut volume, &golden.files);
    let mut faults = Vec::new();
    volume.check(|fault| faults.push(fault)).expect("reads");
    assert_eq!(faults, [spiffs::Fault::BlockMagic { block: 40 }]);
    // A second one: no volume any more.
    image[41 * 4096..42 * 4096].fill(0xA5);
    let refused = Spiffs::mount(Image(&image), Partition::whole(0x40000), None);
    assert_eq!(refused.unwrap_err(), Error::NotSpiffs);
}
