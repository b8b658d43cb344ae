//! The rules of the chip, and what a power cut leaves.

use super::*;

#[test]
fn writing_only_clears_bits() {
    let mut flash = Flash::from_bytes(vec![0xff; SECTOR]);
    flash.write(4, &[0x0f; 4]).unwrap();
    flash.write(4, &[0x0e; 4]).unwrap();
    assert_eq!(flash.write(4, &[0x1e; 4]), Err(FlashError::NotErased));
    flash.erase(0, SECTOR as u32).unwrap();
    flash.write(4, &[0x1e; 4]).unwrap();
}

#[test]
fn what_the_chip_cannot_do_is_refused() {
    let mut flash = Flash::from_bytes(vec![0xff; SECTOR]);
    assert_eq!(flash.write(1, &[0; 4]), Err(FlashError::NotAligned));
    assert_eq!(flash.write(0, &[0; 3]), Err(FlashError::NotAligned));
    assert_eq!(flash.erase(0, 4), Err(FlashError::NotAligned));
    assert_eq!(flash.erase(4096, 0), Err(FlashError::OutOfBounds));
    assert_eq!(flash.write(4096, &[0; 4]), Err(FlashError::OutOfBounds));
    assert_eq!(
        flash.read(u32::MAX - 3, &mut [0; 4]),
        Err(FlashError::OutOfBounds)
    );
}

#[test]
fn an_overlay_is_for_the_device_only() {
    let file = std::env::temp_dir().join(format!("overlay-{}", std::process::id()));
    std::fs::write(&file, [0xff; 2 * SECTOR]).unwrap();
    let mut flash = Flash::open(&file).unwrap();
    flash.overlay(SECTOR, &[1; SECTOR]);
    flash.write(0, &[2; 4]).unwrap();
    let kept = std::fs::read(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    assert_eq!(flash.to_bytes()[SECTOR..], [1; SECTOR]);
    assert_eq!((kept[0], &kept[SECTOR..]), (2, &[0xff; SECTOR][..]));
}

#[test]
fn a_file_is_the_flash_of_one_device() {
    let file = std::env::temp_dir().join(format!("in-use-{}", std::process::id()));
    std::fs::write(&file, [0xff; SECTOR]).unwrap();
    let flash = Flash::open(&file).unwrap();
    let second = Flash::open(&file).err();
    assert!(matches!(second, Some(OpenError::InUse(_))), "{second:?}");
    drop(flash);
    assert!(Flash::open(&file).is_ok());
    std::fs::remove_file(&file).unwrap();
}

#[test]
fn a_power_cut_leaves_the_write_half_done() {
    let mut flash = Flash::from_bytes(vec![0xff; SECTOR]);
    flash.lose_power_after(1);
    assert_eq!(flash.write(0, &[0; 8]), Err(FlashError::PowerLost));
    assert_eq!(flash.read(0, &mut [0; 4]), Err(FlashError::PowerLost));
    flash.restore_power();
    assert_eq!(flash.to_bytes()[..9], [0, 0, 0, 0, 255, 255, 255, 255, 255]);
}

#[test]
fn a_power_cut_amid_a_write_leaves_a_word_of_which_some_bits_have_fallen() {
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..32 {
        let mut flash = Flash::from_bytes(vec![0xff; SECTOR]);
        flash.write(4, &[0xf0; 4]).unwrap();
        flash.lose_power_amid(1, seed);
        assert_eq!(flash.write(0, &[0x00; 8]), Err(FlashError::PowerLost));
        assert!(flash.power_is_lost());
        // What comes later changes nothing.
        assert_eq!(flash.write(8, &[0; 4]), Err(FlashError::PowerLost));
        flash.restore_power();
        let bytes = flash.to_bytes();
        assert_eq!((&bytes[..4], &bytes[8..12]), (&[0; 4][..], &[0xff; 4][..]));
        assert!(bytes[4..8].iter().all(|byte| byte & 0x0f == 0));
        seen.insert(bytes[4..8].to_vec());
    }
    assert!(seen.len() > 16, "{seen:?}");
}

#[test]
fn until_an_operation_has_begun_the_flash_can_be_read() {
    let mut flash = Flash::from_bytes(vec![0xff; SECTOR]);
    flash.lose_power_amid(1, 1);
    flash.write(0, &[0; 4]).unwrap();
    assert!(!flash.power_is_lost());
    flash.read(0, &mut [0; 4]).unwrap();
    assert_eq!(flash.write(4, &[0; 4]), Err(FlashError::PowerLost));
    assert!(flash.power_is_lost());
    assert_eq!(flash.read(0, &mut [0; 4]), Err(FlashError::PowerLost));
    flash.restore_power();
    assert_ne!(flash.to_bytes()[4..8], [0xff; 4]);
}

#[test]
fn a_power_cut_amid_an_erase_leaves_a_sector_between_old_and_blank() {
    let old: Vec<u8> = (0..2 * SECTOR).map(|at| at as u8).collect();
    let mut risen = Vec::new();
    for seed in 0..8 {
        let mut flash = Flash::from_bytes(old.clone());
        flash.lose_power_amid(1, seed);
        let erased = flash.erase(0, 2 * SECTOR as u32);
        assert_eq!(erased, Err(FlashError::PowerLost));
        let bytes = flash.to_bytes();
        assert_eq!(bytes[..SECTOR], [0xff; SECTOR]);
        let pairs = || bytes[SECTOR..].iter().zip(&old[SECTOR..]);
        if seed % 4 == 0 {
            assert!(pairs().all(|(new, old)| [0, *old].contains(new)));
            continue;
        }
        assert!(pairs().all(|(new, old)| new & old == *old));
        risen.push(pairs().map(|(new, old)| (new ^ old).count_ones()).sum());
    }
    // Half of the bits were zeros.
    let zeros = SECTOR as u32 * 4;
    let parts: Vec<f64> = risen
        .iter()
        .map(|risen: &u32| f64::from(*risen) / f64::from(zeros))
        .collect();
    for part in parts.chunks(3) {
        assert!(part[0] > 0.0 && part[0] < 0.05, "{parts:?}");
        assert!(part[1] > 0.4 && part[1] < 0.6, "{parts:?}");
        assert!(part[2] > 0.95 && part[2] < 1.0, "{parts:?}");
    }
}

#[test]
fn flashes_share_what_none_of_them_changed() {
    let mut bytes = vec![0xff; 4 * SECTOR];
    bytes[SECTOR] = 1;
    let image = Image::new(&bytes);
    let read = |flash: &Flash, from: usize| flash.to_bytes()[from..from + 16].to_vec();

    let (mut one, other) = (Flash::new(&image), Flash::new(&image));
    let mut own = vec![0xff; 2 * SECTOR];
    own[SECTOR] = 7;
    one.overlay(2 * SECTOR, &own);
    let own = |flash: &Flash| flash.0.borrow().contents.own();
    assert_eq!(own(&one), 1, "a page that stays blank takes no memory");
    assert_eq!(read(&one, 3 * SECTOR)[..2], [7, 255]);

    one.write(SECTOR as u32 - 4, &[0; 8]).unwrap();
    let across = [[255; 4], [0; 4], [0; 4], [255; 4]].concat();
    assert_eq!(read(&one, SECTOR - 8), across);
    assert_eq!(read(&other, SECTOR)[..2], [1, 255]);
    assert_eq!((own(&one), own(&other)), (3, 0));

    one.erase(0, 2 * SECTOR as u32).unwrap();
    assert_eq!(read(&one, SECTOR), [0xff; 16], "not what the image has");
    assert_eq!(own(&one), 2, "one page is blank as at first");
}

#[test]
fn a_chip_that_refuses_nothing_keeps_the_bits_that_both_have() {
    let mut flash = Flash::from_bytes(vec![0xff; SECTOR]).without_refusals();
    flash.write(0, &[0xf0; 4]).unwrap();
    flash.write(0, &[0x3c; 4]).unwrap();
    assert_eq!(flash.to_bytes()[..5], [0x30, 0x30, 0x30, 0x30, 0xff]);
    assert_eq!((flash.operations(), flash.calls()), (2, 2));
}
