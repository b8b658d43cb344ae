//! The far end of Espressif's serial protocol: a boot ROM with a flash, and the helper (stub) that
//! espflash loads into it, as far as writing a flash needs them.
//!
//! Source: "Serial Protocol" in esptool's documentation (docs/en/advanced-topics/serial-protocol.rst,
//! espressif/esptool v5).

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use md5::{Digest, Md5};

use crate::efuse::{self, Efuses};

const SECTOR: usize = 0x1000;
/// Registers of the flash controller, on the two kinds of chips that are played here: command, and
/// the first word of data.
const SPI_CMD: [u32; 2] = [0x6000_2000, 0x6000_3000];
const SPI_W0: [u32; 2] = [0x6000_2058, 0x6000_3058];
/// The fuses with the chip's revision: its minor number is in bits 18 to 20.
const REVISION: u32 = 0x6000_8850;

/// A board in its boot ROM.
pub struct Rom {
    /// All of its flash.
    pub flash: Vec<u8>,
    /// The chip, by Espressif's number.
    pub chip_id: u32,
    /// Whether it takes signed code only, and what else its fuses say of that.
    pub security_flags: u32,
    /// How often the flash's encryption was switched: odd is on, as the number of bits that are set.
    pub encryption: u8,
    /// What the flash says of itself; the highest byte is the size as a power of two.
    pub flash_id: u32,
    /// The minor number of the chip's revision.
    pub revision: u32,
    /// A byte that does not keep what is written.
    pub worn: Option<usize>,
    /// Whether it was asked to start its app.
    pub starts: bool,
    /// Whether the helper runs.
    pub stub: bool,
    /// How many bytes were written so far.
    pub written: usize,
    /// Its eFuses.
    pub efuses: Efuses,
    registers: HashMap<u32, u32>,
    /// Where the next block goes, and where the last one may end.
    at: usize,
    end: usize,
    /// Compressed blocks so far; none while blocks are plain.
    packed: Option<Vec<u8>>,
}

impl Rom {
    /// 4 MiB of blank flash on the chip of the default firmware.
    pub fn blank() -> Self {
        Self {
            flash: vec![0xFF; 0x40_0000],
            chip_id: 5,
            security_flags: 0,
            encryption: 0,
            flash_id: 0x16_4020,
            revision: 4,
            worn: None,
            starts: false,
            stub: false,
            written: 0,
            efuses: Efuses::default(),
            registers: HashMap::new(),
            at: 0,
            end: 0,
            packed: None,
        }
    }

    /// With this address in its fuses (words 0 and 1 of block 1).
    pub fn with_mac(mut self, mac: [u8; 6]) -> Self {
        let [a, b, rest @ ..] = mac;
        let high = u16::from_be_bytes([a, b]);
        self.efuses.blocks[1][..2].copy_from_slice(&[u32::from_be_bytes(rest), high.into()]);
        self
    }

    /// The address in its fuses.
    pub fn mac(&self) -> [u8; 6] {
        let [low, high, ..] = self.efuses.blocks[1];
        let [_, _, a, b] = high.to_be_bytes();
        let [c, d, e, f] = low.to_be_bytes();
        [a, b, c, d, e, f]
    }

    /// Answers until the far end goes, it is switched off, or it is to start its app.
    pub fn run(&mut self, mut far: impl Read + Write, off: &AtomicBool) {
        (self.stub, self.starts) = (false, false);
        let (mut frame, mut inside, mut escaped) = (Vec::new(), false, false);
        let mut buffer = [0; 4096];
        while !off.load(Ordering::Relaxed) && !self.starts {
            let n = match far.read(&mut buffer) {
                Ok(0) => return,
                Ok(n) => n,
                Err(error) if is_passing(&error) => continue,
                Err(_) => return,
            };
            for &byte in &buffer[..n] {
                match byte {
                    0xC0 if inside && !frame.is_empty() => {
                        self.answer(&frame, &mut far);
                        frame.clear();
                        inside = false;
                    }
                    0xC0 => inside = true,
                    0xDB => escaped = true,
                    byte if inside => {
                        let plain = match (escaped, byte) {
                            (true, 0xDC) => 0xC0,
                            (true, 0xDD) => 0xDB,
                            (_, byte) => byte,
                        };
                        frame.push(plain);
                        escaped = false;
                    }
                    _ => {}
                }
            }
        }
    }

    fn answer(&mut self, frame: &[u8], far: &mut impl Write) {
        let [0, operation, ..] = *frame else { return };
        let data = &frame[8..];
        let word = |index: usize| {
            let bytes = data.get(index * 4..index * 4 + 4);
            bytes.map_or(0, |bytes| u32::from_le_bytes(bytes.try_into().unwrap()))
        };
        let (mut value, mut payload, mut times) = (0, Vec::new(), 1);
        match operation {
            // SYNC: answered eight times.
            0x08 => times = 8,
            // READ_REG, WRITE_REG
            0x0A => value = self.read_register(word(0)),
            0x09 if efuse::REGISTERS.contains(&word(0)) => self.efuses.write(word(0), word(1)),
            0x09 => _ = self.registers.insert(word(0), word(1)),
            // FLASH_BEGIN and FLASH_DEFL_BEGIN: size, blocks, size of a block, offset
            0x02 | 0x10 => {
                self.at = word(3) as usize;
                self.end = self.at + word(0) as usize;
                self.packed = (operation == 0x10).then(Vec::new);
                let erased = self.at..self.end.next_multiple_of(SECTOR);
                self.flash[erased].fill(0xFF);
            }
            // FLASH_DATA and FLASH_DEFL_DATA: length, number, two zeros, data
            0x03 | 0x11 => self.take(&data[16..16 + word(0) as usize]),
            // SPI_FLASH_MD5: offset, length
            0x13 => {
                let range = word(0) as usize..(word(0) + word(1)) as usize;
                let digest = Md5::digest(&self.flash[range]);
                payload = if self.stub {
                    digest.to_vec()
                } else {
                    let hex = digest.iter().map(|byte| format!("{byte:02x}"));
                    hex.collect::<String>().into_bytes()
                };
            }
            // GET_SECURITY_INFO: flags, fuses, seven purposes of keys, chip, its revision
            0x14 => {
                payload.extend(self.security_flags.to_le_bytes());
                payload.push(self.encryption);
                payload.extend([0; 7]);
                payload.extend(self.chip_id.to_le_bytes());
                payload.extend([0; 4]);
            }
            // RUN_USER_CODE, which the helper knows.
            0xD3 if self.stub => self.starts = true,
            _ => {}
        }
        let status: &[u8] = if self.stub { &[0; 2] } else { &[0; 4] };
        let mut response = vec![1, operation];
        response.extend((payload.len() as u16 + status.len() as u16).to_le_bytes());
        response.extend(u32::to_le_bytes(value));
        response.extend(payload);
        response.extend(status);
        for _ in 0..times {
            send(far, &response);
        }
        // MEM_END starts what was loaded, which greets.
        if operation == 0x06 {
            self.stub = true;
            send(far, b"OHAI");
        }
    }

    fn read_register(&self, address: u32) -> u32 {
        match address {
            REVISION => self.revision << 18,
            address if efuse::REGISTERS.contains(&address) => self.efuses.read(address),
            address if SPI_W0.contains(&address) => self.flash_id,
            // Never busy.
            address if SPI_CMD.contains(&address) => 0,
            _ => self.registers.get(&address).copied().unwrap_or_default(),
        }
    }

    fn take(&mut self, block: &[u8]) {
        let plain = match &mut self.packed {
            None => block.to_vec(),
            Some(packed) => {
                packed.extend(block);
                // All of it, once it is complete.
                match miniz_oxide::inflate::decompress_to_vec_zlib(packed) {
                    Ok(plain) => plain,
                    Err(_) => return,
                }
            }
        };
        let end = (self.at + plain.len()).min(self.end);
        let plain = &plain[..end - self.at];
        self.flash[self.at..end].copy_from_slice(plain);
        self.written += plain.len();
        self.at = end;
        if let Some(worn) = self.worn {
            self.flash[worn] = 0x00;
        }
    }
}

fn is_passing(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock)
}

fn send(far: &mut impl Write, frame: &[u8]) {
    let mut bytes = vec![0xC0];
    for &byte in frame {
        match byte {
            0xC0 => bytes.extend([0xDB, 0xDC]),
            0xDB => bytes.extend([0xDB, 0xDD]),
            byte => bytes.push(byte),
        }
    }
    bytes.push(0xC0);
    // Who asked may be gone.
    let _ = far.write_all(&bytes);
}
