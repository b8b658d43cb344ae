//! What is stuck onto a device, or into its box: who it is, and how it is provisioned.
//!
//! A label is 50 by 25 millimetres: the QR code that Espressif's app scans at the left, lines at the
//! right. It holds the proof of possession, as it must; so labels are as secret as devices.

mod code;
mod pdf;
mod zpl;

use protocomm::gatt::device_name;
use protocomm::qr::{Payload, Transport};
use zeroize::Zeroizing;

use crate::shown_mac;
use code::Code;

/// Width and height, in millimetres.
const WIDTH_MM: f32 = 50.0;
const HEIGHT_MM: f32 = 25.0;
/// From the label's edge to the code, which needs a light border (ISO/IEC 18004 wants four modules).
const MARGIN_MM: f32 = 2.0;
/// The side of the code.
const CODE_MM: f32 = 19.0;
/// Where lines begin, and how long they may be.
const TEXT_MM: f32 = 23.0;
const TEXT_WIDTH_MM: f32 = WIDTH_MM - TEXT_MM - 1.0;
/// The height of letters, and of lines.
const LETTER_MM: f32 = 3.0;
const LINE_MM: f32 = 4.6;
/// The width of a capital or a digit, in heights of letters: Helvetica's are up to 0.72, and text has
/// narrower ones among them.
const LETTER_WIDTH: f32 = 0.66;

/// The longest text of a code: a name of 29 bytes, and a proof of 64 with every byte escaped.
const LONGEST_TEXT: usize = 512;

/// A device's label.
#[derive(Clone)]
pub struct Label {
    serial: String,
    mac: String,
    name: String,
    proof: Option<Zeroizing<String>>,
    text: Zeroizing<String>,
}

/// Name and proof do not fit a QR code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("name and proof of possession do not fit a QR code: shorten `provisioning.pop`")]
pub struct Unprintable;

impl Label {
    /// The label of the device with this serial number and address. `prefix`, `username`, `proof` and
    /// `security` are those of its settings: the name that it advertises is made from prefix and address.
    ///
    /// # Errors
    ///
    /// [`Unprintable`].
    pub fn new(
        serial: &str,
        mac: &[u8; 6],
        prefix: &str,
        username: Option<&str>,
        proof: Option<&str>,
        security: u8,
    ) -> Result<Self, Unprintable> {
        let name = device_name(prefix, mac);
        let payload = Payload {
            name: &name,
            username,
            proof_of_possession: proof,
            transport: Transport::Ble,
            security: Some(security),
        };
        let mut buffer = Zeroizing::new([0; LONGEST_TEXT]);
        let length = payload.encode(&mut *buffer).map_err(|_| Unprintable)?;
        let text = std::str::from_utf8(buffer.get(..length).unwrap_or_default());
        let text = Zeroizing::new(text.map_err(|_| Unprintable)?.to_owned());
        Code::new(&text)?;
        Ok(Self {
            serial: serial.to_owned(),
            mac: shown_mac(mac),
            name: name.to_string(),
            proof: proof.map(|proof| Zeroizing::new(proof.to_owned())),
            text,
        })
    }

    /// The name that the device advertises.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the QR code says.
    pub fn code_text(&self) -> &str {
        &self.text
    }

    /// The lines beside the code.
    fn lines(&self) -> Vec<Zeroizing<String>> {
        let mut lines: Vec<_> = [&self.serial, &self.mac, &self.name]
            .map(|line| Zeroizing::new(line.clone()))
            .into();
        lines.extend(self.proof.clone());
        lines
    }

    /// As lines for whoever has another printer, the code's text at the end.
    pub fn as_text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(format!(
            "serial number        {}\naddress              {}\nBluetooth name       {}\n",
            self.serial, self.mac, self.name
        ));
        if let Some(proof) = &self.proof {
            text.push_str("proof of possession  ");
            text.push_str(proof);
            text.push_str("\nclaim secret         ");
            let secret = protocomm::claim::secret(proof);
            text.push_str(secret.as_str());
            text.push('\n');
        }
        text.push_str("QR code              ");
        text.push_str(&self.text);
        text.push('\n');
        text
    }

    /// As a page of PDF of the label's size. Letters beyond Latin-1 become question marks.
    ///
    /// # Errors
    ///
    /// [`Unprintable`].
    pub fn as_pdf(&self) -> Result<Zeroizing<Vec<u8>>, Unprintable> {
        Ok(pdf::page(&self.lines(), &Code::new(&self.text)?))
    }

    /// For a label printer that speaks ZPL II, with so many dots to the millimetre: 8 at 203 dpi, 12 at
    /// 300 dpi.
    ///
    /// # Errors
    ///
    /// [`Unprintable`].
    pub fn as_zpl(&self, dots_per_mm: u8) -> Result<Zeroizing<String>, Unprintable> {
        Ok(zpl::label(
            &self.lines(),
            &Code::new(&self.text)?,
            dots_per_mm,
        ))
    }
}

/// How high the letters of a line are, in millimetres, so that it ends before the label does.
fn letter_mm(line: &str) -> f32 {
    let letters = line.chars().count().max(1) as f32;
    LETTER_MM.min(TEXT_WIDTH_MM / (letters * LETTER_WIDTH))
}

#[cfg(test)]
mod tests;
