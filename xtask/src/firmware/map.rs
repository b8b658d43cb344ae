//! Who put what into the image: the linker's map, read line by line.
//!
//! LLD's map has an output section per line at the left margin of its `Out` column, the input
//! sections that it is made of eight spaces further right, and their symbols eight more:
//!
//! ```text
//!      VMA      LMA     Size Align Out     In      Symbol
//! 42020020 42020020    6272e     4 .text
//! 42020020 42020020       4c     2         /…/libpp.a(wdev.o):(.text.wDev_Insert_KeyEntry)
//! 42020020 42020020       4c     1                 wDev_Insert_KeyEntry
//! ```

use std::path::Path;

/// One output section and where its bytes come from.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct OutputSection {
    pub(crate) name: String,
    pub(crate) address: u32,
    pub(crate) size: u64,
    /// The bytes of the section by owner; padding between input sections belongs to nobody.
    pub(crate) parts: Vec<Part>,
}

/// Bytes of one owner.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Part {
    /// A crate, or a C library.
    pub(crate) owner: String,
    pub(crate) size: u64,
}

/// An input section that is being read.
struct Input {
    /// The owner, when the file alone tells.
    library: Option<String>,
    /// The owner as the section's own name tells it.
    by_name: String,
    /// What its symbols have not yet claimed.
    left: u64,
}

/// Reads a map. Lines that are neither sections nor symbols are passed over.
pub(crate) fn parse(map: &str) -> Vec<OutputSection> {
    let mut sections: Vec<OutputSection> = Vec::new();
    let mut input: Option<Input> = None;
    for line in map.lines() {
        let Some((address, size, rest)) = columns(line) else {
            continue;
        };
        let depth = rest.len() - rest.trim_start().len();
        let text = rest.trim();
        match depth {
            0 if text.starts_with('.') => {
                close(&mut sections, input.take());
                let name = text.to_owned();
                sections.push(OutputSection {
                    name,
                    address,
                    size,
                    parts: Vec::new(),
                });
            }
            8 => {
                close(&mut sections, input.take());
                input = text.rsplit_once(":(").map(|(file, section)| Input {
                    library: library(file),
                    by_name: owner_by_name(section.trim_end_matches(')')),
                    left: size,
                });
            }
            16 => {
                let Some(input) = &mut input else { continue };
                let claimed = size.min(input.left);
                if input.library.is_none()
                    && let Some(owner) = owner_by_symbol(text)
                {
                    input.left -= claimed;
                    push(&mut sections, owner, claimed);
                }
            }
            _ => {}
        }
    }
    close(&mut sections, input);
    sections
}

fn close(sections: &mut [OutputSection], input: Option<Input>) {
    let Some(input) = input else { return };
    push(sections, input.library.unwrap_or(input.by_name), input.left);
}

fn push(sections: &mut [OutputSection], owner: String, size: u64) {
    let Some(section) = sections.last_mut() else {
        return;
    };
    if size == 0 {
        return;
    }
    match section.parts.iter_mut().find(|part| part.owner == owner) {
        Some(part) => part.size += size,
        None => section.parts.push(Part { owner, size }),
    }
}

/// Splits `VMA LMA Size Align rest`; the numbers are hexadecimal but for the alignment.
fn columns(line: &str) -> Option<(u32, u64, &str)> {
    let mut rest = line;
    let mut column = || {
        let trimmed = rest.trim_start();
        let end = trimmed.find(' ')?;
        let (word, tail) = trimmed.split_at(end);
        rest = tail;
        Some(word)
    };
    let address = u32::from_str_radix(column()?, 16).ok()?;
    column()?;
    let size = u64::from_str_radix(column()?, 16).ok()?;
    column()?.parse::<u32>().ok()?;
    Some((address, size, rest.strip_prefix(' ')?))
}

/// The library of `…/libpp.a(wdev.o)`, the crate of `…/libmbedtls_rs_sys-0123.rlib(ssl_tls.c.obj)`.
/// The objects that cargo makes of Rust code belong to no one library: all crates are in them.
fn library(file: &str) -> Option<String> {
    let (archive, _member) = file.strip_suffix(')')?.rsplit_once('(')?;
    let archive = Path::new(archive).file_name()?.to_str()?;
    let name = archive.strip_prefix("lib").unwrap_or(archive);
    if let Some(name) = name.strip_suffix(".rlib") {
        Some(
            name.rsplit_once('-')
                .map_or(name, |(name, _hash)| name)
                .to_owned(),
        )
    } else {
        name.strip_suffix(".a").map(|name| format!("{name} (C)"))
    }
}

/// The crate that a section's name tells: Rust gives each function and constant a section of its
/// own, `.text.<symbol>`.
fn owner_by_name(section: &str) -> String {
    let symbol = section
        .find("_ZN")
        .or_else(|| section.find("_R"))
        .map(|start| &section[start..]);
    if let Some(owner) = symbol.and_then(owner_by_symbol) {
        owner
    } else if section.contains(".Lanon") || section.contains("anon.") {
        "(constants without a name)".to_owned()
    } else if section.contains(".str") || section.contains(".cst") {
        "(literals)".to_owned()
    } else {
        "(symbols of no crate)".to_owned()
    }
}

/// Crates whose code is mostly a form that others fill: what is made of `core::pin::Pin<&mut T>`
/// or a task of the executor is the code of whoever wrote `T`.
const GENERIC: &[&str] = &[
    "core",
    "alloc",
    "embassy_executor",
    "embassy_futures",
    "embassy_sync",
];

/// The crate whose code a Rust symbol is, mangled or as the linker shows it. For
/// `<T as Trait>::method` that is the crate of `T`, or of the trait for a type of the language.
fn owner_by_symbol(symbol: &str) -> Option<String> {
    let mangled = symbol.find("_ZN").or_else(|| symbol.find("_R"));
    let name = match mangled {
        _ if symbol.contains("::") => symbol.to_owned(),
        // What LLVM puts around it, `.Lswitch.table.<symbol>.123`, is known to the demangler, but
        // for what is in front.
        Some(start) => format!("{:#}", rustc_demangle::try_demangle(&symbol[start..]).ok()?),
        None => return None,
    };
    let crates: Vec<_> = paths(&name).collect();
    let owner = crates
        .iter()
        .find(|name| !GENERIC.contains(name))
        .or(crates.first());
    match owner {
        Some(owner) => Some((*owner).to_owned()),
        // `<char>::escape_debug`, `<[u8]>::contains`: types of the language, so code of `core`.
        None => name.contains("::").then(|| "core".to_owned()),
    }
}

/// The first words of the paths in a demangled name: `core` and `device` of
/// `core::ptr::drop_in_place::<device::Life>`.
fn paths(name: &str) -> impl Iterator<Item = &str> {
    let in_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.match_indices("::").filter_map(move |(end, _)| {
        let start = name[..end]
            .rfind(|c| !in_word(c))
            .map_or(0, |before| before + 1);
        let word = &name[start..end];
        let first =
            !name[..start].ends_with("::") && word.starts_with(|c: char| !c.is_ascii_digit());
        (first && !word.is_empty()).then_some(word)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAP: &str = "\
     VMA      LMA     Size Align Out     In      Symbol
       0        0        0     1 PROVIDE( strdup = __esp_radio_strdup )
42020020 42020020      100     4 .text
42020020 42020020       4c     2         /x/out/libpp.a(wdev.o):(.text.wDev_Insert)
42020020 42020020       4c     1                 wDev_Insert
4202006c 4202006c       20     2         /x/deps/firmware-96.cgu.0.rcgu.o:(.text._ZN63_$LT$esp_radio..wifi..WifiError$u20$as$u20$core..fmt..Debug$GT$3fmt17hf57108b4ff0887dbE)
4202006c 4202006c       20     1                 _ZN63_$LT$esp_radio..wifi..WifiError$u20$as$u20$core..fmt..Debug$GT$3fmt17hf57108b4ff0887dbE
4202008c 4202008c       30     2         /x/deps/firmware-96.cgu.0.rcgu.o:(.rwtext)
4202008c 4202008c       10     1                 _RNvMNtNtCs3xQ30Ue3M98_4core4char7methodsc16escape_debug_ext
4202009c 4202009c       18     1                 ExceptionHandler
420200bc 420200bc        8     1         <internal>:(.rodata.str1.1)
420200c4 420200c4       14     1         /x/deps/libmbedtls_rs_sys-ab12.rlib(ssl_tls.c.obj):(.text.mbedtls_ssl_free)
3fc80000 3fc80000       40     4 .bss
3fc80000 3fc80000       40     4         /x/deps/firmware-96.cgu.0.rcgu.o:(.bss._ZN8firmware4main4HEAP17h0123456789abcdefE.llvm.77)
       0        0    4b2c     4 .eh_frame
";

    fn part(owner: &str, size: u64) -> Part {
        Part {
            owner: owner.to_owned(),
            size,
        }
    }

    #[test]
    fn bytes_go_to_the_library_or_crate_that_brought_them() {
        let sections = parse(MAP);
        let names: Vec<_> = sections
            .iter()
            .map(|section| section.name.as_str())
            .collect();
        assert_eq!(names, [".text", ".bss", ".eh_frame"]);
        assert_eq!(
            (sections[0].address, sections[0].size),
            (0x4202_0020, 0x100)
        );
        let expected = [
            part("pp (C)", 0x4c),
            part("esp_radio", 0x20),
            part("core", 0x10),
            part("(symbols of no crate)", 0x20),
            part("(literals)", 8),
            part("mbedtls_rs_sys", 0x14),
        ];
        assert_eq!(sections[0].parts, expected);
        assert_eq!(sections[1].parts, [part("firmware", 0x40)]);
    }

    #[test]
    fn the_type_is_named_before_the_trait() {
        let owner = |symbol| owner_by_symbol(symbol);
        assert_eq!(
            owner("<embassy_executor::raw::TaskStorage<device::run::{closure#0}>>::poll"),
            Some("device".to_owned())
        );
        assert_eq!(
            owner(".Lswitch.table._RNvNtNtCs4eSHk47AGQv_16embassy_executor3raw5waker6VTABLE.12"),
            Some("embassy_executor".to_owned())
        );
        assert_eq!(
            owner("_ZN16embassy_executor3raw20TaskStorage$LT$F$GT$4poll17h3ce8903c8de8e424E"),
            Some("embassy_executor".to_owned())
        );
        assert_eq!(
            owner("<&[u8] as heapless::Buf>::x::h0"),
            Some("heapless".to_owned())
        );
        assert_eq!(
            owner("firmware::board::HEAP::h50"),
            Some("firmware".to_owned())
        );
        assert_eq!(owner("memcpy"), None);
        assert_eq!(owner("_RRRR"), None);
    }
}
