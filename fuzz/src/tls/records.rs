//! Records: how the server cuts its flights into them, and how it reads the device's.

use super::keys::header;
use super::{ALERT, CHANGE_CIPHER_SPEC, DATA, HANDSHAKE, Play, Server};

/// The most text that a record may have.
const LONGEST: usize = 16_384;

impl Server<'_, '_> {
    /// Sends a record with the key of the moment.
    pub fn record(&mut self, kind: u8, text: &[u8], padding: usize) {
        if kind == DATA {
            self.said.extend(text);
        }
        let record = match &mut self.write_key {
            Some(key) => key.seal(kind, text, padding),
            None => [&header(kind, text.len()), text].concat(),
        };
        self.wire.say(&record);
    }

    /// Sends what is pending, cut and coalesced as the script says.
    pub(super) fn flush(&mut self) {
        let how = self.script.byte_or_0();
        let messages = std::mem::take(&mut self.pending);
        let padding = match how & 3 {
            3 => usize::from(self.script.short()) % 2_000,
            _ => 0,
        };
        let parts: Vec<Vec<u8>> = match how & 3 {
            0 => messages,
            1 | 3 => vec![messages.concat()],
            _ => {
                let length = usize::from(self.script.byte_or_0()) + 1;
                let all = messages.concat();
                // Not more records than take a moment.
                let length = length.max(all.len() / 200);
                all.chunks(length).map(<[u8]>::to_vec).collect()
            }
        };
        let odd = how >= 0xE0;
        let after = usize::from(how >> 3) % (parts.len() + 1);
        for (index, part) in parts.iter().enumerate() {
            if odd && index == after {
                self.odd(how >> 2 & 7);
            }
            // One byte more than there may be goes through, too.
            for text in part.chunks(LONGEST - padding) {
                self.record(HANDSHAKE, text, padding);
            }
        }
    }

    /// Something that does not belong here.
    pub fn odd(&mut self, what: u8) {
        match what {
            0 => self.wire.say(&[CHANGE_CIPHER_SPEC, 3, 3, 0, 1, 1]),
            1 => self.record(HANDSHAKE, &[], 0),
            2 => {
                let alert = [self.script.byte_or_0(), self.script.byte_or_0()];
                self.record(ALERT, &alert, 0);
            }
            3 => {
                let text = self.script.short_string();
                self.record(DATA, text, 0);
            }
            4 => {
                let bytes = self.script.string();
                self.wire.say(bytes);
            }
            5 => {
                let text = vec![what; LONGEST + usize::from(self.script.byte_or_0())];
                self.record(HANDSHAKE, &text, 0);
            }
            6 => {
                let kind = self.script.byte_or_0();
                let text = self.script.string();
                self.record(kind, text, 0);
            }
            _ => self.wire.close(),
        }
    }

    /// Any record with this type and this version in its header, and this text in the clear.
    pub fn plain(&mut self, kind: u8, text: &[u8]) {
        self.wire.say(&[&header(kind, text.len()), text].concat());
    }

    /// The device's next message, added to the transcript.
    pub(super) fn next_message<T>(&mut self, device: &mut Play<'_, T>) -> Option<(u8, Vec<u8>)> {
        loop {
            if let [kind, high, middle, low, rest @ ..] = &self.heard[..] {
                let length = u32::from_be_bytes([0, *high, *middle, *low]) as usize;
                if let Some(body) = rest.get(..length) {
                    let found = (*kind, body.to_vec());
                    let all = self.heard.drain(..4 + length);
                    self.transcript.extend(all);
                    return Some(found);
                }
            }
            match self.next_record(device)? {
                (HANDSHAKE, text) => self.heard.extend(text),
                (CHANGE_CIPHER_SPEC, _) => {}
                _ => return None,
            }
        }
    }

    /// The device's next record; none if it sends no more, or none that can be read.
    pub(super) fn next_record<T>(&mut self, device: &mut Play<'_, T>) -> Option<(u8, Vec<u8>)> {
        for nudge in [true, false] {
            self.unread.extend(self.wire.heard());
            if let [kind, _, _, high, low, rest @ ..] = &self.unread[..] {
                let (kind, length) = (*kind, usize::from(u16::from_be_bytes([*high, *low])));
                if let Some(body) = rest.get(..length) {
                    let body = body.to_vec();
                    self.unread.drain(..5 + length);
                    return match &mut self.read_key {
                        Some(key) if kind != CHANGE_CIPHER_SPEC => key.open(kind, &body),
                        _ => Some((kind, body)),
                    };
                }
            }
            if nudge {
                device.nudge();
            }
        }
        None
    }

    /// Takes in all that the device sent: text is kept, and alerts end it.
    pub fn listen<T>(&mut self, device: &mut Play<'_, T>) {
        while let Some((kind, text)) = self.next_record(device) {
            if kind == DATA {
                self.text.extend(text);
            }
        }
    }
}
