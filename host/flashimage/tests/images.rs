//! Whole images: built, looked into, refused. NVS is held against Espressif's own generator.

mod common;

use std::fs;

use common::{CHIP_ID, app_bytes, chip};
use esp_nvs::{Key, Nvs, mem_flash::MemFlash};
use flashimage::{
    App, AppError, Error, FLASH_SIZE, FileContents, FlashImage, NvsEntry, NvsItem, NvsValue,
    PartitionTable, Report, inspect,
};
use pki::{Existing, Options, Pki};
use spiffs::{BuildError, Image, Partition, Spiffs};

const NVS: std::ops::Range<usize> = 0x9000..0xD000;
const SPIFFS: std::ops::Range<usize> = 0x29_0000..0x2D_0000;
const OTA_0: usize = 0x1_0000;

fn entry(namespace: &str, key: &str, value: NvsValue) -> NvsEntry {
    NvsEntry {
        namespace: namespace.into(),
        key: key.into(),
        value,
    }
}

fn report(image: &[u8]) -> Report {
    inspect(image).expect("an image")
}

fn open(partition: &[u8]) -> Nvs<MemFlash> {
    Nvs::new(0, partition.len(), MemFlash::from_bytes(partition.to_vec())).expect("opens")
}

/// What Espressif's generators made: see `tests/vectors/README.md`.
fn unpack(packed: &[u8]) -> Vec<u8> {
    miniz_oxide::inflate::decompress_to_vec_zlib(packed).expect("a zlib stream")
}

fn generated_nvs() -> Vec<u8> {
    unpack(include_bytes!("vectors/nvs.bin.z"))
}

fn app(len: usize) -> App {
    App::new(&app_bytes(len), Some(chip()), 0x40_0000).expect("an app")
}

#[test]
fn a_device_is_built_and_looked_into() {
    let folder = tempfile::tempdir().expect("a folder");
    let pki = Pki::new(&Options::default()).expect("makes");
    let device = pki.device("SN-000001").expect("issues");
    device
        .write_to(folder.path(), Existing::Refuse)
        .expect("writes");
    fs::create_dir(folder.path().join("sub")).expect("a folder");
    fs::write(folder.path().join("sub/settings.json"), "{}").expect("writes");

    let image = FlashImage::builder()
        .folder(folder.path())
        .expect("reads")
        .nvs(entry("esptb", "pop", NvsValue::text("abcd1234")))
        .nvs(entry(
            "esptb",
            "last_good_time",
            NvsValue::U64(1_767_225_600),
        ))
        .nvs(entry("other", "bytes", NvsValue::blob([1; 5000])))
        .app(app(0x14_0000))
        .build()
        .expect("builds");
    assert_eq!(image.len(), FLASH_SIZE);
    assert_eq!(image[OTA_0..][..0x14_0000], *app(0x14_0000).image());

    let report = report(&image);
    assert_eq!(report.faults, [""; 0]);
    assert_eq!(report.table, PartitionTable::default());
    let told = report.apps[0].program.app.as_ref().expect("a description");
    assert_eq!((&*told.project, &*told.version), ("esptb", "1.2.3"));
    let bootloader = report.bootloader.as_ref().expect("a bootloader");
    assert_eq!(
        (bootloader.offset, bootloader.program.chip_id),
        (0, CHIP_ID)
    );
    assert_eq!(bootloader.program.flash_size, Some(0x40_0000));
    let boot = report.boot.as_ref().expect("an app");
    assert_eq!(boot.partition, "ota_0");
    let item = |namespace: &str, key: &str, kind| NvsItem {
        namespace: namespace.into(),
        key: key.into(),
        kind,
    };
    assert_eq!(
        report.nvs,
        [
            item("esptb", "last_good_time", "u64"),
            item("esptb", "pop", "text"),
            item("other", "bytes", "blob")
        ]
    );
    let names: Vec<_> = report.files.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "/device.crt",
            "/device.key",
            "/server_chain.pem",
            "/sub/settings.json"
        ]
    );
    let FileContents::Certificates(chain) = &report.files[0].contents else {
        panic!("{:?}", report.files[0]);
    };
    assert_eq!(chain[0].subject, "CN=SN-000001");
    assert_eq!(chain[0].issuer, chain[1].subject);
    assert_eq!(report.files[1].contents, FileContents::PrivateKey);
    assert_eq!(report.files[3].contents, FileContents::Other);

    let shown = report.to_string();
    for part in [
        "ota_0",
        "ota_0, started: otadata is blank\n  esptb 1.2.3\n",
        "CN=SN-000001",
        "pop",
        "private key",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert!(!shown.contains("abcd1234"));

    let mut volume =
        Spiffs::mount(Image(&image[SPIFFS]), Partition::whole(0x4_0000), None).expect("mounts");
    assert_eq!(
        volume.read_to_vec("device.crt").expect("reads"),
        device.chain_pem().as_bytes()
    );
    let mut nvs = open(&image[NVS]);
    let esptb = Key::from_str("esptb");
    let pop: String = nvs.get(&esptb, &Key::from_str("pop")).expect("there");
    assert_eq!(pop, "abcd1234");
    let bytes: Vec<u8> = nvs
        .get(&Key::from_str("other"), &Key::from_str("bytes"))
        .expect("there");
    assert_eq!(bytes, [1; 5000]);
}

#[test]
fn the_table_is_the_one_that_espressifs_tool_makes() {
    let image = FlashImage::builder().build().expect("builds");
    let table = unpack(include_bytes!("vectors/table.bin.z"));
    assert_eq!(image[0x8000..0x8C00], table);
}

#[test]
fn the_same_contents_make_the_same_image() {
    let build = |names: [&str; 2]| {
        names
            .iter()
            .fold(FlashImage::builder(), |image, name| image.file(name, *name))
            .nvs(entry("a", "b", NvsValue::text("c")))
            .nvs(entry("a", "d", NvsValue::I32(-1)))
            .build()
            .expect("builds")
    };
    assert!(build(["x", "y"]) == build(["y", "x"]));
}

#[test]
fn an_empty_image_has_a_table_and_a_volume_and_nothing_else() {
    let image = FlashImage::builder().build().expect("builds");
    let report = report(&image);
    assert_eq!(report.faults, [""; 0]);
    assert!(report.apps.is_empty() && report.nvs.is_empty() && report.files.is_empty());
    assert!(image[0x8C00..0x29_0000].iter().all(|&byte| byte == 0xFF));
    Spiffs::mount(Image(&image[SPIFFS]), Partition::whole(0x4_0000), None).expect("mounts");
}

#[test]
fn what_does_not_fit_is_refused_with_the_size() {
    let large = FlashImage::builder()
        .app(app(0x14_0010))
        .build()
        .unwrap_err();
    assert!(
        matches!(
            &large,
            Error::TooLarge {
                size: 0x14_0010,
                limit: 0x14_0000,
                ..
            }
        ),
        "{large}"
    );
    assert!(
        large.to_string().contains("16 more than the 1310720"),
        "{large}"
    );
    let loader = FlashImage::builder()
        .bootloader(0x1000, [0; 0x7001])
        .build()
        .unwrap_err();
    assert!(
        matches!(&loader, Error::TooLarge { limit: 0x7000, .. }),
        "{loader}"
    );
    let files = FlashImage::builder()
        .file("f", vec![0; 0x4_0000])
        .build()
        .unwrap_err();
    assert!(
        matches!(&files, Error::Spiffs(BuildError::ImageFull { .. })),
        "{files}"
    );
    let blob = NvsValue::blob([0; 0x4000]);
    let nvs = FlashImage::builder()
        .nvs(entry("n", "k", blob))
        .build()
        .unwrap_err();
    assert!(
        nvs.to_string()
            .contains("\"n\"/\"k\": the partition is full"),
        "{nvs}"
    );
    let text = NvsValue::text("x".repeat(4001));
    let nvs = FlashImage::builder()
        .nvs(entry("n", "k", text))
        .build()
        .unwrap_err();
    assert!(nvs.to_string().contains("too long"), "{nvs}");
    let flash = FlashImage::builder()
        .flash_size(0x20_0000)
        .build()
        .unwrap_err();
    assert!(
        flash.to_string().contains("\"ota_1\" does not lie between"),
        "{flash}"
    );
    let table = PartitionTable::from_csv("ota_0,app,ota_0,0x10000,1M\n").expect("a table");
    let flash = FlashImage::builder().table(table).flash_size(0x20_1000);
    let odd = flash.app(app(0x200)).build().unwrap_err();
    assert!(
        matches!(odd, Error::App(AppError::FlashSize(0x20_1000))),
        "{odd}"
    );
}

#[test]
fn what_has_no_place_is_refused_with_the_partition() {
    let table = PartitionTable::from_csv("t,app,test,0x10000,1M\n").expect("a table");
    let image = || FlashImage::builder().table(table.clone());
    let missing = |image: FlashImage| match image.build() {
        Err(Error::PartitionMissing { name, .. }) => name,
        other => panic!("{other:?}"),
    };
    assert_eq!(missing(image().file("f", "")), "spiffs");
    assert_eq!(
        missing(image().nvs(entry("n", "k", NvsValue::U8(1)))),
        "nvs"
    );
    let homeless = image().app(app(0x200)).build();
    assert!(matches!(homeless, Err(Error::NoSlot)), "{homeless:?}");
    image().build().expect("nothing to place");
}

#[test]
fn nvs_names_are_checked() {
    for name in ["", "sixteen_letters_", "ä", "a\0"] {
        for (namespace, key) in [(name, "k"), ("n", name)] {
            let image = FlashImage::builder().nvs(entry(namespace, key, NvsValue::U8(1)));
            assert!(matches!(image.build(), Err(Error::NvsName(_))), "{name}");
        }
    }
    let image = FlashImage::builder()
        .nvs(entry("n", "k", NvsValue::U8(1)))
        .nvs(entry("n", "k", NvsValue::U8(2)));
    assert!(matches!(image.build(), Err(Error::NvsTwice { .. })));
}

#[test]
fn espressifs_nvs_is_read() {
    let mut nvs = open(&generated_nvs());
    let idf = Key::from_str("nvs.net80211");
    let ssid: Vec<u8> = nvs.get(&idf, &Key::from_str("sta.ssid")).expect("there");
    assert_eq!(
        (ssid.len(), &ssid[..16]),
        (36, &b"\x0c\0\0\0Test-Network"[..])
    );
    let password: Vec<u8> = nvs.get(&idf, &Key::from_str("sta.pswd")).expect("there");
    assert_eq!(
        (password.len(), &password[..16]),
        (65, &b"desk-passphrase\0"[..])
    );
    let ours = Key::from_str("esptb");
    assert_eq!(nvs.get::<u8>(&ours, &Key::from_str("u8")), Ok(200));
    assert_eq!(nvs.get::<i8>(&ours, &Key::from_str("i8")), Ok(-100));
    assert_eq!(nvs.get::<u16>(&ours, &Key::from_str("u16")), Ok(50000));
    assert_eq!(nvs.get::<i16>(&ours, &Key::from_str("i16")), Ok(-20000));
    assert_eq!(
        nvs.get::<u32>(&ours, &Key::from_str("u32")),
        Ok(4_000_000_000)
    );
    assert_eq!(
        nvs.get::<i32>(&ours, &Key::from_str("i32")),
        Ok(-2_000_000_000)
    );
    assert_eq!(
        nvs.get::<u64>(&ours, &Key::from_str("u64")),
        Ok(1_767_225_600)
    );
    assert_eq!(nvs.get::<i64>(&ours, &Key::from_str("i64")), Ok(-5));
    assert_eq!(
        nvs.get::<String>(&ours, &Key::from_str("text")),
        Ok("abcd1234".to_owned())
    );
    let long: String = nvs.get(&ours, &Key::from_str("text_40")).expect("there");
    assert_eq!(long, "0123456789abcdefghijklmnopqrstuvwxyzABCD");
    let big: Vec<u8> = nvs.get(&ours, &Key::from_str("big")).expect("there");
    let expected: Vec<u8> = (0..5000_u32).map(|i| (7 * i + i / 251) as u8).collect();
    assert!(big == expected);
}

#[test]
fn espressifs_nvs_is_listed() {
    let mut image = FlashImage::builder().build().expect("builds");
    image[NVS].copy_from_slice(&generated_nvs());
    let report = report(&image);
    assert_eq!(report.faults, [""; 0]);
    let kinds: Vec<_> = report
        .nvs
        .iter()
        .map(|item| (&*item.key, item.kind))
        .collect();
    let expected = [
        ("big", "blob"),
        ("i16", "i16"),
        ("i32", "i32"),
        ("i64", "i64"),
        ("i8", "i8"),
        ("text", "text"),
        ("text_40", "text"),
        ("u16", "u16"),
        ("u32", "u32"),
        ("u64", "u64"),
        ("u8", "u8"),
        ("sta.apinfo", "blob"),
        ("sta.apsw", "blob"),
        ("sta.pmk", "blob"),
        ("sta.pswd", "blob"),
        ("sta.ssid", "blob"),
    ];
    assert_eq!(kinds, expected);
}

#[test]
fn any_bytes_give_a_report_or_an_error() {
    let mut random = 7_u32;
    let mut next = || {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (random >> 8) as usize
    };
    let mut sound = FlashImage::builder()
        .file(
            "a.crt",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        )
        .file("b", vec![7; 30_000])
        .app(app(0x200))
        .build()
        .expect("builds");
    sound[NVS].copy_from_slice(&generated_nvs());
    assert!(matches!(inspect(&[]), Err(Error::Table(_))));
    let mut damaged = 0;
    for round in 0..300 {
        let mut image = sound.clone();
        for _ in 0..=next() % 30 {
            let range = [
                NVS,
                SPIFFS.start..SPIFFS.start + 0xA000,
                0..0x6000,
                OTA_0..OTA_0 + 0x200,
                0xD000..0xF000,
            ][next() % 5]
                .clone();
            image[range.start + next() % range.len()] ^= 1 << (next() % 8);
        }
        if round % 10 == 0 {
            image[NVS].fill_with(|| next() as u8);
        }
        if round % 10 == 1 {
            image[SPIFFS].fill_with(|| next() as u8);
        }
        let report = report(&image);
        damaged += usize::from(!report.faults.is_empty());
        assert!(!report.to_string().contains("desk-passphrase"));
    }
    assert!(damaged >= 30, "{damaged}");
}

#[test]
fn nothing_that_is_shown_holds_a_value() {
    let image = FlashImage::builder()
        .nvs(entry("esptb", "pop", NvsValue::text("abcd1234")))
        .file("device.key", "secret");
    let shown = format!("{image:?}");
    assert!(
        shown.contains("device.key") && shown.contains("pop"),
        "{shown}"
    );
    assert!(
        !shown.contains("abcd1234") && !shown.contains("secret"),
        "{shown}"
    );
}
