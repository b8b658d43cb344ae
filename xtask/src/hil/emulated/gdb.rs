//! The emulator's debugger: stops the chip, lets it go on elsewhere, looks at its memory. GDB's remote
//! protocol, as far as that takes it ("Debugging with GDB", appendix E).
//!
//! The emulator calls us rather than we it, so that no port has to be guessed. It stops as soon as it has us,
//! before the first instruction.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};

use super::talker::PATIENCE;

/// Where the emulator is to call.
pub(super) struct Ear(TcpListener);

impl Ear {
    pub(super) fn new() -> Result<Self> {
        Ok(Self(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?))
    }

    pub(super) fn port(&self) -> Result<u16> {
        Ok(self.0.local_addr()?.port())
    }

    /// Waits for the call, as long as there is somebody to call.
    pub(super) fn answer(self, mut alive: impl FnMut() -> bool) -> Result<Gdb> {
        self.0.set_nonblocking(true)?;
        let pause = Duration::from_millis(10);
        for _ in 0..PATIENCE.as_millis() / pause.as_millis() {
            if let Ok((stream, _)) = self.0.accept() {
                stream.set_nonblocking(false)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                return Ok(Gdb { stream });
            }
            ensure!(
                alive(),
                "the emulator has ended: look at what it said above"
            );
            std::thread::sleep(pause);
        }
        bail!("the emulator's debugger does not call")
    }
}

/// The debugger.
pub(super) struct Gdb {
    stream: TcpStream,
}

impl Gdb {
    /// Lets the chip go on where it is.
    pub(super) fn go_on(&mut self) -> Result<()> {
        self.send("c")
    }

    /// Lets the chip go on at this address.
    pub(super) fn go_on_at(&mut self, address: u32) -> Result<()> {
        self.send(&format!("c{address:x}"))
    }

    /// Stops the chip as soon as it comes to this address.
    pub(super) fn stop_at(&mut self, address: u32) -> Result<()> {
        self.stop()?;
        self.ask_well(&format!("Z0,{address:x},2"))?;
        self.go_on()?;
        self.receive()
            .context("the chip does not come to where it is to stop")?;
        self.ask_well(&format!("z0,{address:x},2"))
    }

    /// Stops the chip wherever it is.
    pub(super) fn stop(&mut self) -> Result<()> {
        self.stream.write_all(&[3])?;
        let why = self.receive()?;
        ensure!(why.starts_with('T'), "the debugger says {why:?} for a stop");
        Ok(())
    }

    /// A word of the chip's memory or registers. The emulator lets registers be read, not written.
    pub(super) fn word(&mut self, address: u32) -> Result<u32> {
        let answer = self.ask(&format!("m{address:x},4"))?;
        let word = u32::from_str_radix(&answer, 16);
        let word = word.with_context(|| format!("the debugger says {answer:?} for a word"))?;
        Ok(word.swap_bytes())
    }

    /// Writes into the chip's memory.
    pub(super) fn write(&mut self, address: u32, bytes: &[u8]) -> Result<()> {
        let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        self.ask_well(&format!("M{address:x},{:x}:{digits}", bytes.len()))
    }

    fn ask_well(&mut self, what: &str) -> Result<()> {
        let answer = self.ask(what)?;
        ensure!(answer == "OK", "the debugger says {answer:?} to {what:?}");
        Ok(())
    }

    fn ask(&mut self, what: &str) -> Result<String> {
        self.send(what)?;
        self.receive()
    }

    fn send(&mut self, what: &str) -> Result<()> {
        self.stream.write_all(packet(what).as_bytes())?;
        Ok(())
    }

    /// The next packet, which is acknowledged; what acknowledges ours is passed over.
    fn receive(&mut self) -> Result<String> {
        while self.byte()? != b'$' {}
        let mut text = String::new();
        loop {
            match self.byte()? {
                b'#' => break,
                byte => text.push(char::from(byte)),
            }
        }
        let _checksum = [self.byte()?, self.byte()?];
        self.stream.write_all(b"+")?;
        Ok(text)
    }

    fn byte(&mut self) -> Result<u8> {
        let mut byte = [0];
        self.stream
            .read_exact(&mut byte)
            .context("the emulator's debugger is gone")?;
        Ok(byte[0])
    }
}

fn packet(what: &str) -> String {
    let sum = what.bytes().fold(0_u8, u8::wrapping_add);
    format!("${what}#{sum:02x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_ends_in_its_checksum() {
        // The example of the protocol's overview.
        assert_eq!(packet("OK"), "$OK#9a");
        assert_eq!(packet("vMustReplyEmpty"), "$vMustReplyEmpty#3a");
    }

    #[test]
    fn a_word_is_asked_for_and_told_in_the_chips_order() {
        let ear = Ear::new().unwrap();
        let mut stub = TcpStream::connect((Ipv4Addr::LOCALHOST, ear.port().unwrap())).unwrap();
        let mut gdb = ear.answer(|| true).unwrap();
        stub.write_all(b"+$14540000#8e").unwrap();
        assert_eq!(gdb.word(0x6000_8010).unwrap(), 0x5414);
        let mut asked = [0; 16];
        stub.read_exact(&mut asked).unwrap();
        assert_eq!(&asked, b"$m60008010,4#5c+");
    }
}
