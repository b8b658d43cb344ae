//! The QR code of a label: its modules.

use qrcodegen_no_heap::{QrCode, QrCodeEcc, Version};
use zeroize::Zeroizing;

use super::Unprintable;

/// The largest that a phone still reads at a label's size.
const LARGEST: Version = Version::new(12);

/// Dark and light modules.
pub(super) struct Code {
    /// Row by row. They hold a secret.
    modules: Zeroizing<Vec<bool>>,
    side: usize,
}

impl Code {
    /// The smallest code that holds this. Its correction is M: labels get scratched.
    pub(super) fn new(text: &str) -> Result<Self, Unprintable> {
        let mut work = Zeroizing::new(vec![0; LARGEST.buffer_len()]);
        let mut found = Zeroizing::new(vec![0; LARGEST.buffer_len()]);
        let code = QrCode::encode_text(
            text,
            &mut work,
            &mut found,
            QrCodeEcc::Medium,
            Version::MIN,
            LARGEST,
            None,
            true,
        );
        let code = code.map_err(|_| Unprintable)?;
        let size = code.size();
        let modules = (0..size)
            .flat_map(|y| (0..size).map(move |x| (x, y)))
            .map(|(x, y)| code.get_module(x, y))
            .collect();
        Ok(Self {
            modules: Zeroizing::new(modules),
            side: usize::try_from(size).map_err(|_| Unprintable)?,
        })
    }

    /// Modules along a side.
    pub(super) fn side(&self) -> usize {
        self.side
    }

    /// Whether a module is dark; those beside the code are light.
    pub(super) fn is_dark(&self, x: usize, y: usize) -> bool {
        x < self.side && self.modules.get(y * self.side + x) == Some(&true)
    }
}
