//! ELF files become apps, or are refused with what to do.

mod common;

use common::{CHIP_ID, app_bytes, chip, description};
use flashimage::{App, AppError, Chip, FlashImage, Program, bootloader, inspect};

const FLASH: u32 = 0x40_0000;
const RISC_V: u16 = 243;

struct Section {
    name: &'static str,
    address: u32,
    data: Vec<u8>,
}

fn section(name: &'static str, address: u32, data: impl Into<Vec<u8>>) -> Section {
    let data = data.into();
    Section {
        name,
        address,
        data,
    }
}

/// An ELF file of 32 bits with these sections (and one for their names).
fn elf(machine: u16, sections: &[Section]) -> Vec<u8> {
    let mut names = vec![0];
    let mut headers = vec![[0_u32; 10]];
    let mut elf = b"\x7FELF\x01\x01\x01".to_vec();
    elf.resize(52, 0);
    for section in sections {
        let (name, offset) = (names.len(), elf.len());
        names.extend(section.name.bytes().chain([0]));
        elf.extend(&section.data);
        let (name, offset, size) = (name as u32, offset as u32, section.data.len() as u32);
        headers.push([name, 1, 2, section.address, offset, size, 0, 0, 4, 0]);
    }
    let (name, offset) = (names.len() as u32, elf.len() as u32);
    names.extend(b".shstrtab\0");
    elf.extend(&names);
    headers.push([name, 3, 0, 0, offset, names.len() as u32, 0, 0, 1, 0]);
    let table = elf.len() as u32;
    elf.extend(headers.iter().flatten().flat_map(|word| word.to_le_bytes()));
    elf[16] = 2;
    elf[18..20].copy_from_slice(&machine.to_le_bytes());
    elf[20] = 1;
    elf[24..28].copy_from_slice(&0x4038_0000_u32.to_le_bytes());
    elf[32..36].copy_from_slice(&table.to_le_bytes());
    elf[40] = 52;
    elf[46] = 40;
    elf[48] = headers.len() as u8;
    elf[50] = headers.len() as u8 - 1;
    elf
}

/// What a small firmware has, with a gap that RAM's sections fill.
fn firmware() -> Vec<Section> {
    vec![
        section(".trap", 0x4038_0000, [0x13; 0x80]),
        section(".flash.appdesc", 0x3C00_0020, description()),
        section(".rodata", 0x3C00_0120, [7; 0x1234]),
        section(".text", 0x4201_0020, [0x6F; 0x2002]),
        section(".data", 0x3FC8_0000, [9; 0x101]),
    ]
}

fn refusal(bytes: &[u8], chip: Option<Chip>) -> AppError {
    App::new(bytes, chip, FLASH).expect_err("it cannot boot")
}

#[test]
fn an_elf_file_becomes_an_image_that_its_chip_starts() {
    let file = elf(RISC_V, &firmware());
    let app = App::new(&file, Some(chip()), FLASH).expect("an app");
    let program = app.program().expect("a program");
    assert_eq!(program.faults, [""; 0]);
    assert_eq!((program.chip_id, program.entry), (CHIP_ID, 0x4038_0000));
    assert_eq!(program.length, app.image().len());
    let told = program.app.expect("a description");
    assert_eq!((&*told.project, &*told.version), ("esptb", "1.2.3"));
    assert_eq!(told.built, "Nov 22 2026 12:34:56");
    assert_eq!(told.elf_sha256.len(), 64);

    let build = || {
        let app = App::new(&file, Some(chip()), FLASH).expect("an app");
        FlashImage::builder().app(app).build().expect("builds")
    };
    let image = build();
    assert!(image == build(), "the same file makes the same image");
    let report = inspect(&image).expect("a report");
    assert_eq!(report.faults, [""; 0]);
    let json = serde_json::to_value(&report).expect("JSON");
    assert_eq!(json["apps"][0]["app"]["project"], "esptb");
    assert_eq!(json["boot"]["partition"], "ota_0");
}

#[test]
fn every_chip_of_the_list_has_a_bootloader_of_its_own() {
    for id in [0, 2, 5, 9, 12, 13, 20, 23] {
        let chip = Chip::try_from(id).expect("a chip");
        let (offset, image) = bootloader(chip, FLASH).expect("a bootloader");
        let program = Program::read(&image).expect("a program");
        assert_eq!(program.faults, [""; 0], "{chip}");
        assert_eq!((program.chip_id, program.flash_size), (id, Some(FLASH)));
        assert!(offset as usize + image.len() <= 0x8000, "{chip}");
        assert!(program.bootloader.is_some(), "{chip}");
    }
}

#[test]
fn what_cannot_boot_is_refused() {
    let good = elf(RISC_V, &firmware());
    assert_eq!(refusal(b"#!/bin/sh\n", None), AppError::NotAnApp);
    assert_eq!(refusal(&[], Some(chip())), AppError::NotAnApp);
    assert_eq!(refusal(&good, None), AppError::ChipUnknown);

    let mut without = firmware();
    without.remove(1);
    let error = refusal(&elf(RISC_V, &without), Some(chip()));
    assert_eq!(error, AppError::NoDescription);
    assert!(error.to_string().contains("esp_app_desc!()"), "{error}");

    // x86-64, and the other family of chips.
    let error = refusal(&elf(62, &firmware()), Some(chip()));
    assert!(matches!(error, AppError::OtherMachine { .. }), "{error}");
    let error = refusal(&elf(94, &firmware()), Some(chip()));
    assert!(error.to_string().contains("Xtensa"), "{error}");

    // A chip of the same family whose flash is seen elsewhere.
    let error = refusal(&good, Chip::try_from(13).ok());
    assert!(matches!(error, AppError::OtherAddresses(_)), "{error}");

    let mut overlapping = firmware();
    overlapping.push(section(".more", 0x3C00_0200, [1; 16]));
    let error = refusal(&elf(RISC_V, &overlapping), Some(chip()));
    assert!(error.to_string().contains("overlap"), "{error}");

    let odd = App::new(&good, Some(chip()), 0x30_0000).expect_err("no such flash");
    assert_eq!(odd, AppError::FlashSize(0x30_0000));
}

#[test]
fn images_that_are_ready_are_checked_too() {
    let sound = app_bytes(0x400);
    assert_eq!(
        App::new(&sound, None, FLASH).expect("an app").chip(),
        chip()
    );
    let error = refusal(&sound, Chip::try_from(13).ok());
    assert!(matches!(error, AppError::OtherChip { .. }), "{error}");
    let mut changed = sound.clone();
    changed[0x200] ^= 1;
    assert!(refusal(&changed, None).to_string().contains("checksum"));
    let mut signed = sound.clone();
    signed[0x3F0] ^= 1;
    assert!(refusal(&signed, None).to_string().contains("SHA-256"));
    assert!(
        refusal(&sound[..0x300], None)
            .to_string()
            .contains("cut short")
    );
    let (_, loader) = bootloader(chip(), FLASH).expect("a bootloader");
    assert_eq!(refusal(&loader, None), AppError::NoDescription);
}

/// Whatever the file says, there is an app or an error.
#[test]
fn damaged_elf_files_never_panic() {
    let sound = elf(RISC_V, &firmware());
    let headers = sound.len() - 40 * (firmware().len() + 2);
    let mut random = 7_u32;
    let mut next = || {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (random >> 8) as usize
    };
    let mut refused = 0;
    for _ in 0..3000 {
        let mut file = sound.clone();
        for _ in 0..=next() % 3 {
            let range = [0..52, headers..sound.len(), 52..0x200][next() % 3].clone();
            file[range.start + next() % range.len()] = next() as u8;
        }
        if next() % 8 == 0 {
            file.truncate(next() % sound.len());
        }
        refused += usize::from(App::new(&file, Some(chip()), FLASH).is_err());
    }
    assert!((100..2900).contains(&refused), "{refused}");
}
