//! Labels, read by a reader of QR codes that shares no code with their writer.

use super::*;

fn label() -> Label {
    let mac = [0x24, 0x0A, 0xC4, 0x1A, 0x2B, 0x3C];
    Label::new(
        "SN-000001",
        &mac,
        "PROV_",
        Some("wifiprov"),
        Some("a^b_c~1\u{e9}"),
        2,
    )
    .unwrap()
}

const TEXT: &str = "{\"ver\":\"v1\",\"name\":\"PROV_1A2B3C\",\"username\":\"wifiprov\",\
                    \"pop\":\"a^b_c~1\u{e9}\",\"transport\":\"ble\",\"security\":2}";

/// What is read on a light ground of which these pixels are dark.
fn read(width: usize, height: usize, is_dark: impl Fn(usize, usize) -> bool) -> String {
    let mut image = rqrr::PreparedImage::prepare_from_greyscale(width, height, |x, y| {
        if is_dark(x, y) { 20 } else { 230 }
    });
    let grids = image.detect_grids();
    assert_eq!(grids.len(), 1);
    grids[0].decode().unwrap().1
}

/// The bitmap in ZPL, as a printer puts it onto a label.
fn printed(zpl: &str, dots_per_mm: usize) -> String {
    let field = zpl.split("^FO").nth(1).unwrap();
    let (place, rest) = field.split_once("^GFA,").unwrap();
    let (left, top) = place.split_once(',').unwrap();
    let (left, top): (usize, usize) = (left.parse().unwrap(), top.parse().unwrap());
    let parts: Vec<_> = rest.trim_end_matches("^FS").splitn(4, ',').collect();
    let row: usize = parts[2].parse().unwrap();
    let bytes: Vec<_> = (0..parts[3].len() / 2)
        .map(|at| u8::from_str_radix(&parts[3][2 * at..2 * at + 2], 16).unwrap())
        .collect();
    assert_eq!(parts[0].parse(), Ok(bytes.len()));
    read(50 * dots_per_mm, 25 * dots_per_mm, |x, y| {
        let (Some(x), Some(y)) = (x.checked_sub(left), y.checked_sub(top)) else {
            return false;
        };
        let byte = bytes.get(y * row + x / 8).filter(|_| x / 8 < row);
        byte.is_some_and(|byte| byte & (0x80 >> (x % 8)) != 0)
    })
}

#[test]
fn the_code_of_a_printed_label_is_read_at_both_resolutions() {
    for dots in [8, 12] {
        let zpl = label().as_zpl(dots).unwrap();
        assert_eq!(printed(&zpl, dots.into()), TEXT);
    }
    assert_eq!(label().code_text(), TEXT);
}

#[test]
fn no_text_of_a_label_is_a_command_of_the_printer() {
    let zpl = label().as_zpl(8).unwrap();
    assert!(zpl.starts_with("^XA") && zpl.ends_with("^XZ\n"));
    assert!(zpl.contains("^FDa_5Eb_5Fc_7E1_C3_A9^FS"), "{}", &*zpl);
    assert!(zpl.contains("^FDSN-000001^FS") && zpl.contains("^FDPROV_5F1A2B3C^FS"));
    assert!(!zpl.contains('~'));
}

/// The squares of a PDF: what is before `re` are left, low, width and height in millimetres.
#[test]
fn the_code_of_a_pdf_is_read() {
    let pdf = label().as_pdf().unwrap();
    let pdf = String::from_utf8_lossy(&pdf);
    assert!(pdf.starts_with("%PDF-1.") && pdf.contains("(SN-000001) Tj"));
    let squares: Vec<[f32; 4]> = pdf
        .lines()
        .filter_map(|line| line.strip_suffix(" re"))
        .map(|line| {
            let numbers: Vec<f32> = line.split(' ').map(|part| part.parse().unwrap()).collect();
            numbers.try_into().unwrap()
        })
        .collect();
    let scale = 20.0;
    let text = read(1000, 500, |x, y| {
        let (x, y) = ((x as f32 + 0.5) / scale, 25.0 - (y as f32 + 0.5) / scale);
        squares.iter().any(|[left, low, width, height]| {
            (*left..left + width).contains(&x) && (*low..low + height).contains(&y)
        })
    });
    assert_eq!(text, TEXT);
}

#[test]
fn long_serial_numbers_are_small_and_long_proofs_refused() {
    assert!((letter_mm("SN-000001") - LETTER_MM).abs() < f32::EPSILON);
    assert!(letter_mm(&"W".repeat(64)) * 64.0 * 0.5 < TEXT_WIDTH_MM);
    let mac = [0; 6];
    let long = "\u{1}".repeat(100);
    assert!(Label::new("1", &mac, "P", None, Some(&long), 1).is_err());
    let none = Label::new("1", &mac, "P", None, None, 0).unwrap();
    assert!(!none.as_text().contains("proof") && !none.as_text().contains("claim"));
    let label = Label::new("1", &mac, "P", None, Some("abcdefghijkm"), 2).unwrap();
    let secret = protocomm::claim::secret("abcdefghijkm");
    let line = format!("claim secret         {secret}\n");
    assert!(label.as_text().contains(&line));
}
