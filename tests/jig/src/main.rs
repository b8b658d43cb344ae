//! A jig of its own: `jig ESPTB COUNT FOLDER`.
//!
//! Says at which port it is, and keeps each board's flash in the folder, by the board's address, once it was
//! taken off. Ends with the last board.

use std::env;
use std::fs;
use std::io::{Write, stdout};
use std::path::PathBuf;

use jig::{Jig, blank};

fn main() {
    let arguments: Vec<_> = env::args_os().skip(1).collect();
    let [esptb, count, folder] = arguments.as_slice() else {
        panic!("jig ESPTB COUNT FOLDER");
    };
    let count = count.to_str().and_then(|count| count.parse().ok());
    let boards = (1..=count.expect("a count up to 255")).map(blank).collect();
    let folder = PathBuf::from(folder);
    fs::create_dir_all(&folder).expect("a folder");
    let jig = Jig::telling(esptb.as_ref(), boards, move |board| {
        let mac = board.mac().map(|byte| format!("{byte:02X}")).concat();
        fs::write(folder.join(format!("{mac}.bin")), &board.flash).expect("writes");
    });
    println!("{}", jig.port());
    stdout().flush().expect("somebody reads");
    jig.wait();
}
