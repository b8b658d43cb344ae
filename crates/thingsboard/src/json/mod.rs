//! JSON in bounded memory: a reader that borrows from the payload and a writer into a buffer.
//!
//! The reader checks a whole document once, by a loop with a limit of depth, and afterwards
//! only walks it: nothing is copied, nothing recurses, nothing panics, whatever the bytes.

mod read;
mod scan;
mod text;
mod write;

pub use read::{Elements, Json, Members, Object};
pub use scan::{MAX_DEPTH, ParseError, ParseErrorKind};
pub use text::{Chars, Text};
pub use write::{BufferTooSmall, Writer};
