//! Updates and renewals: what an honest server does, and where it goes wrong. And keys that are sealed.

use fuzz::script::Writer;

use crate::Corpus;

/// Answers what is asked: attributes first, then chunks; time passes in between.
const FETCH: &[u8] = &[8, 0, 3, 3, 3, 3, 13, 0xFF, 0x0F];
/// The connection ends.
const END: u8 = 15;

/// Seeds for a server that assigns and renews.
pub(crate) fn write(corpus: &Corpus) {
    let add = |name: &str, parts: &[&[u8]]| corpus.add("over_the_air", name, &parts.concat());
    // A whole update, the new image's first life, and one more.
    let whole: &[&[u8]] = &[&[1], FETCH, &[END], &[1], FETCH, &[12, END], &[1], FETCH];
    add("update", whole);
    let forged: &[&[u8]] = &[&[1, 8, 1, 3, 3, 3, 3, 13, 0xFF, 0x0F, 2, 0], FETCH, &[END]];
    add("forged", forged);
    let cut: &[&[u8]] = &[&[1, 8, 0, 3, 7, 9, 0, 1, 3, END], &[1], FETCH, &[END, 0]];
    add("cut", cut);
    let mut renewal = Writer::default();
    renewal.byte(1).byte(8).byte(10).byte(13).short(500);
    renewal.byte(11 | 1 << 4).string(b"not a chain");
    for piece in [
        r#"{"shared":{"renewedChain1":"bm90IGEgY2hhaW4="}}"#,
        r#"{"shared":{"serverChain1":"bm90IGEgY2hhaW4="}}"#,
    ] {
        renewal.byte(9).string(piece.as_bytes());
        renewal.byte(0x80 | 11 | 1 << 4).string(b"not a chain");
    }
    renewal.byte(13).short(60_000);
    add("renewal", &[&renewal.0]);
    let mut sealed = Writer::default();
    sealed.short(7).byte(3).string(b"a key").byte(0);
    corpus.add("sealed", "honest", &sealed.0);
    sealed.0.pop();
    sealed.byte(1).byte(0).short(9).byte(1);
    corpus.add("sealed", "changed", &sealed.0);
}
