//! The modules of a crate as its sources have them: names that each declares, imports and mentions.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use proc_macro2::{TokenStream, TokenTree};
use syn::{
    Attribute, Expr, ExprLit, File, Item, ItemMacro, ItemMod, ItemUse, Lit, Macro, Meta, UseTree,
    Visibility,
    visit::{self, Visit},
};

/// A path of names, as `["crate", "event", "Event"]`.
pub(super) type Names = Vec<String>;

/// One module.
#[derive(Default, Debug)]
pub(super) struct Module {
    /// The module that the file is which it is written in: itself, unless it is written inline.
    pub(super) file: Names,
    /// What it declares, but for modules.
    pub(super) items: BTreeSet<String>,
    pub(super) imports: Vec<Import>,
    /// Whose items it has all imported.
    pub(super) globs: Vec<Names>,
    /// Paths in its code.
    pub(super) mentions: BTreeSet<Names>,
}

/// One name of a `use`.
#[derive(Debug)]
pub(super) struct Import {
    pub(super) name: String,
    pub(super) target: Names,
    /// It is for others, too.
    pub(super) is_handed_on: bool,
}

/// The modules of a crate, by their names from its root, which has none.
pub(super) type Modules = BTreeMap<Names, Module>;

/// Reads the crate that begins in this file.
pub(super) fn read(root: &Path) -> Result<Modules> {
    let mut modules = Modules::new();
    let folder = root.parent().context("a file lies in a folder")?;
    read_file(root, folder, Names::new(), &mut modules)?;
    Ok(modules)
}

/// Reads a file, whose children lie in `folder`.
fn read_file(path: &Path, folder: &Path, name: Names, modules: &mut Modules) -> Result<()> {
    let text =
        fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let file: File =
        syn::parse_file(&text).with_context(|| format!("{} is not Rust", path.display()))?;
    let beside = path.parent().context("a file lies in a folder")?;
    take(file.items, (beside, folder), (name.clone(), name), modules)
}

/// Takes in a module's items. Its children lie in the second folder; those with a `path` are counted from
/// the first. The second name is that of its file.
fn take(
    items: Vec<Item>,
    (beside, folder): (&Path, &Path),
    (name, file): (Names, Names),
    modules: &mut Modules,
) -> Result<()> {
    let mut module = Module {
        file: file.clone(),
        ..Module::default()
    };
    for item in items {
        match item {
            Item::Mod(child) if !is_for_tests(&child.attrs) => {
                let mut its_name = name.clone();
                its_name.push(plain(&child.ident));
                let inner = folder.join(plain(&child.ident));
                match child.content {
                    Some((_, items)) => {
                        take(items, (&inner, &inner), (its_name, file.clone()), modules)?;
                    }
                    None => {
                        for path in files_of(&child, beside, folder) {
                            // A file that a `path` names has its children beside it.
                            let own = match path.parent() {
                                Some(parent)
                                    if parent != folder && path != inner.join("mod.rs") =>
                                {
                                    parent
                                }
                                _ => &inner,
                            };
                            read_file(&path, own, its_name.clone(), modules)?;
                        }
                    }
                }
            }
            item => module.visit_item(&item),
        }
    }
    // Where one of two files is chosen, the module is both.
    let known = modules.entry(name).or_default();
    known.file = module.file;
    known.items.append(&mut module.items);
    known.imports.append(&mut module.imports);
    known.globs.append(&mut module.globs);
    known.mentions.append(&mut module.mentions);
    Ok(())
}

/// The files that a module without a body can be in.
fn files_of(child: &ItemMod, beside: &Path, folder: &Path) -> Vec<PathBuf> {
    let named: Vec<_> = child
        .attrs
        .iter()
        .flat_map(|attribute| path_in(attribute, beside))
        .collect();
    if !named.is_empty() {
        return named;
    }
    let name = plain(&child.ident);
    let file = folder.join(format!("{name}.rs"));
    vec![if file.is_file() {
        file
    } else {
        folder.join(name).join("mod.rs")
    }]
}

/// The file of a `#[path = "…"]` or `#[cfg_attr(…, path = "…")]`.
fn path_in(attribute: &Attribute, beside: &Path) -> Option<PathBuf> {
    let text = match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("path") => match &pair.value {
            Expr::Lit(ExprLit {
                lit: Lit::Str(text),
                ..
            }) => text.value(),
            _ => return None,
        },
        Meta::List(list) if list.path.is_ident("cfg_attr") => {
            let mut tokens = list
                .tokens
                .clone()
                .into_iter()
                .skip_while(|token| !matches!(token, TokenTree::Ident(name) if name == "path"));
            tokens.nth(2)?.to_string()
        }
        _ => return None,
    };
    Some(beside.join(text.trim_matches('"')))
}

fn plain(name: &impl ToString) -> String {
    name.to_string().trim_start_matches("r#").to_owned()
}

fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::Path(path) => path.is_ident("test"),
        Meta::List(list) if list.path.is_ident("cfg") => {
            let condition = list.tokens.to_string();
            condition == "test" || condition.starts_with("all (test")
        }
        _ => false,
    })
}

impl Module {
    fn import(&mut self, tree: &UseTree, before: &Names, is_handed_on: bool) {
        let mut path = before.clone();
        match tree {
            UseTree::Path(step) => {
                path.push(plain(&step.ident));
                self.import(&step.tree, &path, is_handed_on);
            }
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.import(tree, &path, is_handed_on);
                }
            }
            UseTree::Glob(_) => self.globs.push(path),
            UseTree::Name(_) | UseTree::Rename(_) => {
                let (from, to) = match tree {
                    UseTree::Rename(name) => (plain(&name.ident), plain(&name.rename)),
                    UseTree::Name(name) => (plain(&name.ident), plain(&name.ident)),
                    _ => unreachable!("they are told apart above"),
                };
                let name = match (from.as_str(), to.as_str(), path.last()) {
                    // `use crate::event::{self}`
                    ("self", "self", Some(last)) => last.clone(),
                    _ => to,
                };
                if from != "self" || path.is_empty() {
                    path.push(from);
                }
                self.imports.push(Import {
                    name,
                    target: path,
                    is_handed_on,
                });
            }
        }
    }

    /// Takes in the paths of what a macro is given.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path = Names::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(name) => {
                    if colons != 2 {
                        self.mention_in_macro(&mut path);
                    }
                    path.push(plain(&name));
                    colons = 0;
                }
                TokenTree::Punct(sign) if sign.as_char() == ':' => colons += 1,
                other => {
                    self.mention_in_macro(&mut path);
                    colons = 0;
                    if let TokenTree::Group(group) = other {
                        self.tokens(group.stream());
                    }
                }
            }
        }
        self.mention_in_macro(&mut path);
    }

    /// A single small word is the name of a variable more often than that of anything else.
    fn mention_in_macro(&mut self, path: &mut Names) {
        let path = std::mem::take(path);
        let is_type = |name: &String| name.starts_with(|first: char| first.is_uppercase());
        if path.len() > 1 || path.first().is_some_and(is_type) {
            self.mentions.insert(path);
        }
    }
}

impl<'ast> Visit<'ast> for Module {
    fn visit_item(&mut self, item: &'ast Item) {
        let (name, attributes) = match item {
            Item::Const(item) => (Some(&item.ident), &item.attrs),
            Item::Enum(item) => (Some(&item.ident), &item.attrs),
            Item::Fn(item) => (Some(&item.sig.ident), &item.attrs),
            Item::Impl(item) => (None, &item.attrs),
            Item::Macro(item) => (item.ident.as_ref(), &item.attrs),
            Item::Mod(item) => (None, &item.attrs),
            Item::Static(item) => (Some(&item.ident), &item.attrs),
            Item::Struct(item) => (Some(&item.ident), &item.attrs),
            Item::Trait(item) => (Some(&item.ident), &item.attrs),
            Item::Type(item) => (Some(&item.ident), &item.attrs),
            Item::Union(item) => (Some(&item.ident), &item.attrs),
            Item::Use(item) => (None, &item.attrs),
            _ => return,
        };
        if is_for_tests(attributes) {
            return;
        }
        self.items.extend(name.map(plain));
        visit::visit_item(self, item);
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let is_handed_on = !matches!(item.vis, Visibility::Inherited);
        self.import(&item.tree, &Names::new(), is_handed_on);
    }

    fn visit_item_macro(&mut self, item: &'ast ItemMacro) {
        self.tokens(item.mac.tokens.clone());
    }

    fn visit_macro(&mut self, invoked: &'ast Macro) {
        self.visit_path(&invoked.path);
        self.tokens(invoked.tokens.clone());
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names = path.segments.iter().map(|segment| plain(&segment.ident));
        self.mentions.insert(names.collect());
        visit::visit_path(self, path);
    }

    // Documentation and conditions.
    fn visit_attribute(&mut self, _: &'ast Attribute) {}
}
