//! Writes the seeds of all targets into `corpus/`: `cargo xtask fuzz --seeds`.
//!
//! From real things: ESP-IDF's conversations that protocomm keeps as vectors, the golden SPIFFS
//! images that spiffs keeps, as far as they are small, and the credentials in them, flash as our own
//! code leaves it, MQTT packets as a device and a broker send them.

mod seeds {
    pub(crate) mod air;
    pub(crate) mod bluetooth;
    pub(crate) mod flash;
    pub(crate) mod provisioning;
    pub(crate) mod text;
    pub(crate) mod tls;
}

// Its coverage counters: everything here is built as the targets are.
use libfuzzer_sys as _;

use std::fs;
use std::path::{Path, PathBuf};

/// The longest seed, in bytes: what the targets are run with.
const LONGEST: usize = 8192;

/// Where the seeds go.
pub(crate) struct Corpus(PathBuf);

impl Corpus {
    /// Adds a seed, unless it is too long.
    pub(crate) fn add(&self, target: &str, name: &str, bytes: &[u8]) {
        if bytes.len() > LONGEST {
            println!("{target}/{name}: {} bytes are too many", bytes.len());
            return;
        }
        let folder = self.0.join(target);
        fs::create_dir_all(&folder).expect("the folder can be made");
        fs::write(folder.join(name), bytes).expect("the file can be written");
    }
}

fn main() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let corpus = Corpus(here.join("corpus"));
    let vectors = here.join("../crates/protocomm/tests/vectors");
    seeds::provisioning::write(&corpus, &vectors);
    seeds::bluetooth::write(&corpus);
    seeds::text::write(&corpus);
    seeds::tls::write(&corpus);
    seeds::air::write(&corpus);
    seeds::flash::write(&corpus, &here.join("../crates/spiffs/tests/vectors"));
}
