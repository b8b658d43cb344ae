//! Sealed keys, as flash may have them: of this chip, of another, changed, cut, of any bytes.
//!
//! Only what this chip's key sealed is opened, and then it is what was sealed.
#![no_main]

use fuzz::{Noise, Script};
use libfuzzer_sys::fuzz_target;
use seal::{Block, Key, Sealed};

fuzz_target!(|data: &[u8]| {
    let mut script = Script::new(data);
    let mut noise = Noise(script.short().into());
    let block = Block::ALL[usize::from(script.byte_or_0() % 6)];
    let chip = Key::random(block, &mut noise);
    let contents = script.string();
    let honest = seal::seal(contents, block, &chip, &mut noise).expect("the chip has a key");
    let mut file = honest.clone();
    script.mutate(&mut file);
    let rest = script.rest();
    file.extend_from_slice(rest);
    check(&file, &honest, contents, &chip);
    check(rest, &honest, contents, &chip);
});

fn check(file: &[u8], honest: &[u8], contents: &[u8], chip: &Key) {
    match Sealed::parse(file).and_then(|sealed| sealed.open(chip)) {
        Ok(opened) => assert!(
            file == honest && *opened == contents,
            "what was changed is opened"
        ),
        Err(fault) => {
            assert!(file != honest, "{fault}");
            drop(fault.to_string());
        }
    }
    let first = Sealed::first(file).and_then(|(sealed, rest)| Ok((sealed.open(chip)?, rest)));
    if let Ok((opened, rest)) = first {
        assert_eq!(
            file.len(),
            honest.len() + rest.len(),
            "all is accounted for"
        );
        assert!(file.starts_with(honest) && *opened == contents);
    }
}
