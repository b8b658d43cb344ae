//! The elements of DER (X.690), one after the other, without recursion.

/// Elements that follow each other.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

/// One element.
#[derive(Clone, Copy, Debug)]
pub struct Element<'a> {
    /// Its tag: class, whether it is made of others, and number. Those of more than a byte are in
    /// no certificate.
    pub tag: u8,
    /// What is in it.
    pub content: &'a [u8],
    /// All of it.
    pub whole: &'a [u8],
}

/// The tag of a truth.
pub const BOOLEAN: u8 = 0x01;
/// The tag of a number.
pub const INTEGER: u8 = 0x02;
/// The tag of bytes, which may be elements in turn.
pub const OCTET_STRING: u8 = 0x04;
/// The tag of a sequence.
pub const SEQUENCE: u8 = 0x30;
/// The tag of an object identifier.
pub const OBJECT_IDENTIFIER: u8 = 0x06;

impl<'a> Reader<'a> {
    /// Reads from the beginning.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The next element, if it has this tag; otherwise it stays the next.
    pub fn read(&mut self, tag: u8) -> Option<Element<'a>> {
        let mut ahead = *self;
        let element = ahead.next().filter(|element| element.tag == tag)?;
        *self = ahead;
        Some(element)
    }

    /// What has not been read.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

impl<'a> Iterator for Reader<'a> {
    type Item = Element<'a>;

    /// Ends at what is no element, too.
    fn next(&mut self) -> Option<Element<'a>> {
        let (&tag, after) = self.rest.split_first()?;
        let (&first, after) = after.split_first()?;
        let (length, after) = if first < 0x80 {
            (usize::from(first), after)
        } else {
            let (bytes, after) = after.split_at_checked(usize::from(first & 0x7f))?;
            if bytes.is_empty() || bytes.len() > 3 {
                return None;
            }
            let length = bytes
                .iter()
                .fold(0, |sum, byte| sum << 8 | usize::from(*byte));
            (length, after)
        };
        let (content, after) = after.split_at_checked(length)?;
        let whole = self.rest.get(..self.rest.len() - after.len())?;
        self.rest = after;
        Some(Element {
            tag,
            content,
            whole,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_read_in_order() {
        let mut reader = Reader::new(&[0x30, 3, 2, 1, 5, 4, 0x81, 1, 9, 4, 0x80]);
        assert!(reader.read(2).is_none());
        assert_eq!(reader.read(SEQUENCE).unwrap().content, [2, 1, 5]);
        let string = reader.next().unwrap();
        assert_eq!((string.tag, string.content), (4, &[9][..]));
        assert_eq!(string.whole, [4, 0x81, 1, 9]);
        assert!(reader.next().is_none() && reader.rest() == [4, 0x80]);
        for cut in [
            &[0x30][..],
            &[0x30, 2, 0],
            &[4, 0x84, 0, 0, 0, 0],
            &[4, 0x82, 1],
        ] {
            assert!(Reader::new(cut).next().is_none());
        }
    }
}
