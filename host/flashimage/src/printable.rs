//! Text of a stranger's, for a terminal.

use std::borrow::Cow;

/// Escapes what could command a terminal or deceive its reader: control characters, among them
/// the end of a line, and those that turn the direction of writing. All else stays as it is.
///
/// For names, certificates, messages: whatever somebody else wrote and the operator reads.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_harmful) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::new();
    for char in text.chars() {
        if is_harmful(char) {
            safe.extend(char.escape_default());
        } else {
            safe.push(char);
        }
    }
    Cow::Owned(safe)
}

/// Control characters of ASCII and of Latin-1, separators of lines, and marks, embeddings,
/// overrides and isolates of bidirectional text.
fn is_harmful(char: char) -> bool {
    char.is_control()
        || matches!(char, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_commands_a_terminal() {
        assert_eq!(printable("Gerät №1 \"ok\""), "Gerät №1 \"ok\"");
        assert_eq!(printable("SN\u{1b}[2J-1\r\n"), "SN\\u{1b}[2J-1\\r\\n");
        assert_eq!(printable("\u{9b}31m\u{202e}"), "\\u{9b}31m\\u{202e}");
        for char in (0..0x300).filter_map(char::from_u32) {
            let text = printable(&char.to_string()).into_owned();
            assert!(!text.chars().any(char::is_control), "{text:?}");
        }
    }
}
