use super::*;

/// The layout of the C firmware that this project succeeds.
const DEFAULT_CSV: &str = include_str!("../../../../partitions.csv");

const HEAD: &str = "nvs,data,nvs,0x9000,0x4000\n";

fn image(table: &PartitionTable) -> Vec<u8> {
    let mut image = vec![0xFF; 0x40_0000];
    image[TABLE_OFFSET..][..TABLE_LEN].copy_from_slice(&table.to_bytes().unwrap());
    image
}

#[test]
fn default_is_the_layout_of_the_c_firmware() {
    let table = PartitionTable::default();
    let rows: Vec<_> = table
        .partitions()
        .map(|p| (p.name, p.kind, p.offset, p.size))
        .collect();
    let expected = [
        ("nvs", "data/nvs", 0x9000, 0x4000),
        ("otadata", "data/ota", 0xd000, 0x2000),
        ("phy_init", "data/phy", 0xf000, 0x1000),
        ("ota_0", "app/ota_0", 0x1_0000, 0x14_0000),
        ("ota_1", "app/ota_1", 0x15_0000, 0x14_0000),
        ("spiffs", "data/spiffs", 0x29_0000, 0x4_0000),
    ];
    assert_eq!(
        rows,
        expected.map(|(n, k, o, s)| (n.to_owned(), k.to_owned(), o, s))
    );
    assert_eq!(PartitionTable::from_csv(DEFAULT_CSV).unwrap(), table);
}

#[test]
fn binary_is_read_back_and_checked() {
    let table = PartitionTable::default();
    let mut image = image(&table);
    assert_eq!(PartitionTable::from_image(&image).unwrap(), table);
    // The size of nvs; the checksum notices.
    image[TABLE_OFFSET + 9] ^= 0x10;
    assert!(matches!(
        PartitionTable::from_image(&image),
        Err(TableError::Rejected(_))
    ));
    assert_eq!(PartitionTable::from_image(&[]), Err(TableError::Missing));
    assert_eq!(
        PartitionTable::from_image(&[0xFF; 0x9000]),
        Err(TableError::Missing)
    );
}

#[test]
fn a_table_for_a_larger_flash_is_refused() {
    let image = image(&PartitionTable::default());
    assert_eq!(
        PartitionTable::from_image(&image[..0x20_0000]),
        Err(TableError::Outside {
            name: "ota_1".into(),
            flash_size: 0x20_0000
        })
    );
    let table = PartitionTable::from_csv("nvs,data,nvs,0x8000,0x1000\na,app,ota_0,0x10000,1M\n");
    assert!(matches!(
        table.unwrap().check_within(0x40_0000),
        Err(TableError::Outside { .. })
    ));
}

#[test]
fn any_bytes_are_an_error_or_a_table() {
    let mut random = 1_u32;
    let mut next = || {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        random >> 8
    };
    let whole = image(&PartitionTable::default());
    let mut image = whole.clone();
    let mut accepted = 0;
    for _ in 0..4_000 {
        let table = TABLE_OFFSET..TABLE_OFFSET + 0x1000;
        image[table.clone()].copy_from_slice(&whole[table]);
        for _ in 0..=next() % 3 {
            let at = TABLE_OFFSET + next() as usize % 0x100;
            image[at] = next() as u8;
        }
        // No checksum: the entries are then all there is to go by.
        if next() % 2 == 0 {
            image[TABLE_OFFSET + 6 * ENTRY_LEN..][..ENTRY_LEN].fill(0xFF);
        }
        accepted += usize::from(PartitionTable::from_image(&image).is_ok());
    }
    assert!(accepted > 100, "{accepted}");
}

#[test]
fn any_text_is_an_error_or_a_table() {
    let mut random = 5_u32;
    let mut next = |limit: usize| {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (random >> 8) as usize % limit
    };
    let pieces = [
        "",
        ",",
        "\n",
        "\r",
        "#",
        "0x",
        "0",
        "9",
        "K",
        "M",
        "data",
        "app",
        "nvs",
        "ota_0",
        "0x99",
        "4294967295",
        "encrypted",
        ":",
        " ",
        "\"",
        "-1",
        "0xFFFFF000",
        "factory",
        "\0",
        "_",
    ];
    let mut accepted = 0;
    for _ in 0..1_500 {
        let mut csv = DEFAULT_CSV.to_owned();
        for _ in 0..=next(3) {
            let at = next(csv.len() - 8);
            csv.replace_range(at..at + next(8), pieces[next(pieces.len())]);
        }
        accepted += usize::from(PartitionTable::from_csv(&csv).is_ok());
    }
    assert!(accepted > 30, "{accepted}");
    assert!(
        PartitionTable::from_csv(&format!("{DEFAULT_CSV}x,data,fat,,1K,\ry,data,0x99,,1K"))
            .is_err()
    );
}

#[test]
fn csv_is_refused_with_its_line() {
    let refused = |line: &str| {
        let csv = format!("# comment\n{HEAD}{line}\nota_0,app,ota_0,0x10000,1M\n");
        match PartitionTable::from_csv(&csv) {
            Err(TableError::Line { line: 3, reason }) => reason,
            other => panic!("{line}: {other:?}"),
        }
    };
    assert!(refused("x,data,nvs").contains("give name"));
    assert!(refused("a_name_of_17_char,data,nvs,,0x1000").contains("1 to 16"));
    assert!(refused("x,date,nvs,,0x1000").contains("not app, data"));
    assert!(refused("x,data,ota_0,,0x1000").contains("no subtype of"));
    assert!(refused("x,data,0x99,,0x1000").contains("no subtype of"));
    assert!(refused("x,data,nvs,zero,0x1000").contains("not an offset"));
    assert!(refused("x,data,nvs,,").contains("not a size"));
    assert!(refused("x,data,nvs,,4294967295M").contains("not a size"));
    assert!(refused("x,data,nvs,0xFFFFF000,0x1000").contains("32 bits"));
    assert!(refused("\"x\",data,nvs,,4K").contains("quotes"));
}

#[test]
fn tables_that_contradict_themselves_are_refused() {
    let rejected = |rest: &str| match PartitionTable::from_csv(&format!("{HEAD}{rest}")) {
        Err(TableError::Rejected(reason)) => reason,
        other => panic!("{other:?}"),
    };
    let overlap = rejected("x,data,fat,0xC000,0x1000\nota_0,app,ota_0,0x10000,1M\n");
    assert!(overlap.contains("overlapping"), "{overlap}");
    let twice = rejected("nvs,data,nvs,0x9000,0x4000\nota_0,app,ota_0,0x10000,1M\n");
    assert!(twice.contains("nvs"), "{twice}");
    assert!(rejected("").contains("'app'"));
}
