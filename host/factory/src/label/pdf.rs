//! A label as PDF: squares and Helvetica, which every reader brings.

use pdf_writer::{Content, Finish, Name, Pdf, Rect, Ref, Str};
use zeroize::Zeroizing;

use super::code::Code;
use super::{CODE_MM, HEIGHT_MM, LINE_MM, MARGIN_MM, TEXT_MM, WIDTH_MM, letter_mm};

/// Points in a millimetre.
const POINTS: f32 = 72.0 / 25.4;

pub(super) fn page(lines: &[Zeroizing<String>], code: &Code) -> Zeroizing<Vec<u8>> {
    let [catalog, pages, page, font, contents] = [1, 2, 3, 4, 5].map(Ref::new);
    let helvetica = Name(b"F1");
    let mut pdf = Pdf::new();
    pdf.catalog(catalog).pages(pages);
    pdf.pages(pages).kids([page]).count(1);
    let mut sheet = pdf.page(page);
    sheet
        .media_box(Rect::new(0.0, 0.0, WIDTH_MM * POINTS, HEIGHT_MM * POINTS))
        .parent(pages)
        .contents(contents);
    sheet.resources().fonts().pair(helvetica, font);
    sheet.finish();
    pdf.type1_font(font)
        .base_font(Name(b"Helvetica"))
        .encoding_predefined(Name(b"WinAnsiEncoding"));

    let mut content = Content::new();
    // From here on in millimetres, from the lower left corner.
    content.transform([POINTS, 0.0, 0.0, POINTS, 0.0, 0.0]);
    let module = CODE_MM / code.side() as f32;
    let top = HEIGHT_MM - (HEIGHT_MM - CODE_MM) / 2.0;
    for y in 0..code.side() {
        // A run of dark modules is one piece, so that no light line shows between them.
        let mut x = 0;
        while x < code.side() {
            let run = (x..).take_while(|&x| code.is_dark(x, y)).count();
            if run > 0 {
                let left = MARGIN_MM + x as f32 * module;
                let low = top - (y + 1) as f32 * module;
                content.rect(left, low, run as f32 * module, module);
            }
            x += run.max(1);
        }
    }
    content.fill_nonzero();
    for (index, line) in lines.iter().enumerate() {
        let size = letter_mm(line);
        content.begin_text();
        content.set_font(helvetica, size);
        content.next_line(TEXT_MM, top - size - index as f32 * LINE_MM);
        content.show(Str(&Zeroizing::new(latin(line))));
        content.end_text();
    }
    pdf.stream(contents, &content.finish());
    Zeroizing::new(pdf.finish())
}

/// In the font's encoding, which is Latin-1 where that has letters.
fn latin(text: &str) -> Vec<u8> {
    text.chars()
        .map(|c| match u8::try_from(u32::from(c)) {
            Ok(byte) if !c.is_control() => byte,
            _ => b'?',
        })
        .collect()
}
