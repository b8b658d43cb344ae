//! From names to the files that declare them, and from these to circles.

use std::collections::{BTreeMap, BTreeSet};

use super::source::{Modules, Names};

/// One module's file uses something that another's declares.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Arrow {
    pub(super) from: Names,
    pub(super) to: Names,
    /// What it uses, for whoever has to mend it.
    pub(super) what: String,
}

/// More re-exports than this lead nowhere.
const FARTHEST: usize = 16;

/// Who uses whom.
pub(super) fn arrows(modules: &Modules) -> BTreeSet<Arrow> {
    let mut arrows = BTreeSet::new();
    for (name, module) in modules {
        let imported = module.imports.iter().filter(|import| {
            // A module that hands on what its children have does not use it by that.
            let own = import.is_handed_on
                && declared_in(modules, name, &import.target)
                    .is_some_and(|to| to.starts_with(name));
            !own
        });
        let named = imported
            .map(|import| &import.target)
            .chain(&module.mentions);
        for path in named {
            let Some(to) = declared_in(modules, name, path) else {
                continue;
            };
            let to = &modules[&to].file;
            if *to != module.file {
                arrows.insert(Arrow {
                    from: module.file.clone(),
                    to: to.clone(),
                    what: path.join("::"),
                });
            }
        }
    }
    arrows
}

/// The module that declares the item which a path in this module leads to.
fn declared_in(modules: &Modules, here: &Names, path: &[String]) -> Option<Names> {
    match place(modules, here, path, true, FARTHEST)? {
        Place::Item(module) => Some(module),
        Place::Module(_) => None,
    }
}

/// What a path leads to.
enum Place {
    /// An item that this module declares.
    Item(Names),
    Module(Names),
}

/// `first`: the path begins here, so that its first name can be a word of Rust's or another crate.
fn place(
    modules: &Modules,
    here: &Names,
    path: &[String],
    first: bool,
    farthest: usize,
) -> Option<Place> {
    let farthest = farthest.checked_sub(1)?;
    let Some((name, rest)) = path.split_first() else {
        return Some(Place::Module(here.clone()));
    };
    match name.as_str() {
        "crate" if first => return place(modules, &Names::new(), rest, false, farthest),
        "self" if first => return place(modules, here, rest, false, farthest),
        "super" => {
            let (_, above) = here.split_last()?;
            return place(modules, &above.to_vec(), rest, false, farthest);
        }
        _ => {}
    }
    let module = modules.get(here)?;
    let mut child = here.clone();
    child.push(name.clone());
    if modules.contains_key(&child) {
        return place(modules, &child, rest, false, farthest);
    }
    if module.items.contains(name) {
        return Some(Place::Item(here.clone()));
    }
    for import in module.imports.iter().filter(|import| import.name == *name) {
        let whole: Names = import.target.iter().chain(rest).cloned().collect();
        // `use macro_of_this_file;`
        if whole != path
            && let Some(found) = place(modules, here, &whole, true, farthest)
        {
            return Some(found);
        }
        // From another crate, by way of this module.
        if !first {
            return Some(Place::Item(here.clone()));
        }
    }
    for glob in &module.globs {
        if let Some(Place::Module(there)) = place(modules, here, glob, true, farthest)
            && there != *here
            && knows(modules, &there, name)
        {
            return place(modules, &there, path, false, farthest);
        }
    }
    // What a macro declares, or nothing of this crate.
    (!first).then(|| Place::Item(here.clone()))
}

fn knows(modules: &Modules, module: &Names, name: &String) -> bool {
    let mut child = module.clone();
    child.push(name.clone());
    let known = &modules[module];
    modules.contains_key(&child)
        || known.items.contains(name)
        || known.imports.iter().any(|import| import.name == *name)
        || !known.globs.is_empty()
}

/// The circles: the module within which each is, and one way round it.
pub(super) fn circles(arrows: &BTreeSet<Arrow>) -> Vec<(String, String)> {
    // By the module within which it is seen: from which room to which, and the arrow that shows it.
    let mut rooms: BTreeMap<&[String], BTreeMap<Room, BTreeMap<Room, &Arrow>>> = BTreeMap::new();
    for arrow in arrows {
        let same = arrow.from.iter().zip(&arrow.to);
        let within = same.take_while(|(from, to)| from == to).count();
        let (from, to) = (arrow.from.get(within), arrow.to.get(within));
        // A module and its children are one room, but for the root.
        if within > 0 && (from.is_none() || to.is_none()) {
            continue;
        }
        let within = rooms.entry(&arrow.from[..within]).or_default();
        let from = within.entry(from.cloned()).or_default();
        from.entry(to.cloned()).or_insert(arrow);
    }
    let found = rooms.iter();
    let found = found.filter_map(|(within, rooms)| Some((within.join("::"), round(rooms)?)));
    found.collect()
}

/// What lies beside each other in a module: its children, and in the root its own file, which has no name.
type Room = Option<String>;

/// A shortest way round, if there is one.
fn round(arrows: &BTreeMap<Room, BTreeMap<Room, &Arrow>>) -> Option<String> {
    let ways = arrows.keys().filter_map(|start| {
        // Breadth first: how each room is reached.
        let mut reached: BTreeMap<&Room, &Arrow> = BTreeMap::new();
        let mut before: BTreeMap<&Room, &Room> = BTreeMap::new();
        let mut next = std::collections::VecDeque::from([start]);
        while let Some(room) = next.pop_front() {
            for (to, arrow) in arrows.get(room).into_iter().flatten() {
                if !reached.contains_key(to) {
                    reached.insert(to, arrow);
                    before.insert(to, room);
                    next.push_back(to);
                }
            }
        }
        let mut way = vec![*reached.get(start)?];
        let mut room = before[start];
        while room != start {
            way.push(reached[room]);
            room = before[room];
        }
        way.reverse();
        Some(way)
    });
    let way = ways.min_by_key(Vec::len)?;
    let told: Vec<_> = way.iter().map(|arrow| arrow.told()).collect();
    Some(told.join("\n"))
}

impl Arrow {
    fn told(&self) -> String {
        let shown = |name: &Names| match name.is_empty() {
            true => "the root".to_owned(),
            false => name.join("::"),
        };
        format!(
            "    {} uses {} ({})",
            shown(&self.from),
            shown(&self.to),
            self.what
        )
    }
}
