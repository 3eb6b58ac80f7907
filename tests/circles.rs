//! No file of a crate needs another that needs it, directly or by way of others.
//!
//! A name counts for the file that defines it, however it was re-exported on the way; a `mod` declaration counts for
//! nothing. What is compiled for tests only may look at what it tests.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use cargo_metadata::{MetadataCommand, TargetKind};
use syn::{
    Attribute, Item, UseTree,
    visit::{self, Visit},
};

/// Names on the way to an item, from the module that says them.
type Names = Vec<String>;

/// One module, in a file of its own or in that of another.
#[derive(Default)]
struct Module {
    file: PathBuf,
    parent: Option<usize>,
    children: BTreeMap<String, usize>,
    /// What it defines itself.
    items: BTreeSet<String>,
    /// What it calls by a name of its own, and where that comes from.
    imports: BTreeMap<String, Names>,
    globs: Vec<Names>,
    /// All that it mentions.
    mentioned: BTreeSet<Names>,
}

/// The modules of one crate; the first is its root.
#[derive(Default)]
struct Modules(Vec<Module>);

fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Path>().is_ok_and(|condition| condition.is_ident("test"))
    })
}

fn attributes_of(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

fn name_of(item: &Item) -> Option<String> {
    let name = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::Type(item) => &item.ident,
        _ => return None,
    };
    Some(name.to_string())
}

/// Each name that a `use` brings in, with the path to it; a star is a name of its own.
fn leaves(tree: &UseTree, before: &[String], found: &mut Vec<(String, Names)>) {
    let with = |name: String| [before, &[name]].concat();
    match tree {
        UseTree::Path(path) => leaves(&path.tree, &with(path.ident.to_string()), found),
        UseTree::Group(group) => group.items.iter().for_each(|tree| leaves(tree, before, found)),
        UseTree::Glob(_) => found.push(("*".to_owned(), before.to_vec())),
        UseTree::Name(name) if name.ident == "self" => {
            found.extend(before.last().map(|last| (last.clone(), before.to_vec())));
        }
        UseTree::Name(name) => found.push((name.ident.to_string(), with(name.ident.to_string()))),
        UseTree::Rename(rename) if rename.ident == "self" => {
            found.push((rename.rename.to_string(), before.to_vec()));
        }
        UseTree::Rename(rename) => found.push((rename.rename.to_string(), with(rename.ident.to_string()))),
    }
}

/// Collects what items mention, wherever in them.
struct Mentions<'m>(&'m mut BTreeSet<Names>);

impl<'a> Visit<'a> for Mentions<'_> {
    fn visit_path(&mut self, path: &'a syn::Path) {
        if path.leading_colon.is_none() && path.segments.len() > 1 {
            self.0.insert(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        }
        visit::visit_path(self, path);
    }

    fn visit_item_use(&mut self, item: &'a syn::ItemUse) {
        let mut found = Vec::new();
        leaves(&item.tree, &[], &mut found);
        self.0.extend(found.into_iter().map(|(_, path)| path));
    }

    fn visit_impl_item_fn(&mut self, item: &'a syn::ImplItemFn) {
        if !is_for_tests(&item.attrs) {
            visit::visit_impl_item_fn(self, item);
        }
    }
}

impl Modules {
    fn read(root: &Path) -> Self {
        let mut modules = Self::default();
        modules.read_file(root, root.parent().expect("a folder"), None);
        modules
    }

    fn read_file(&mut self, file: &Path, folder: &Path, parent: Option<usize>) -> usize {
        let text = fs::read_to_string(file).expect("a module");
        let syntax = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        self.add(file, folder, parent, &syntax.items)
    }

    /// `folder` is where the files of its children lie.
    fn add(&mut self, file: &Path, folder: &Path, parent: Option<usize>, items: &[Item]) -> usize {
        let number = self.0.len();
        self.0.push(Module { file: file.to_path_buf(), parent, ..Module::default() });
        for item in items.iter().filter(|item| !is_for_tests(attributes_of(item))) {
            self.0[number].items.extend(name_of(item));
            match item {
                Item::Mod(child) => {
                    let name = child.ident.to_string();
                    let folder = folder.join(&name);
                    let added = match &child.content {
                        Some((_, items)) => self.add(file, &folder, Some(number), items),
                        None => {
                            let flat = folder.with_extension("rs");
                            let file = if flat.exists() { flat } else { folder.join("mod.rs") };
                            self.read_file(&file, &folder, Some(number))
                        }
                    };
                    self.0[number].children.insert(name, added);
                }
                Item::Use(import) => {
                    let mut found = Vec::new();
                    leaves(&import.tree, &[], &mut found);
                    for (name, path) in found {
                        self.0[number].mentioned.insert(path.clone());
                        match name.as_str() {
                            "*" => self.0[number].globs.push(path),
                            _ => drop(self.0[number].imports.insert(name, path)),
                        }
                    }
                }
                other => Mentions(&mut self.0[number].mentioned).visit_item(other),
            }
        }
        number
    }

    /// The file that defines what a module means by some names; none when it is not of this crate.
    fn file_of(&self, from: usize, names: &[String], depth: usize) -> Option<&Path> {
        let mut at = from;
        let mut names = names;
        let mut is_first = true;
        while let [name, rest @ ..] = names {
            let module = &self.0[at];
            match name.as_str() {
                "crate" => at = 0,
                "self" => {}
                "super" => at = module.parent?,
                name if module.children.contains_key(name) => at = module.children[name],
                name if module.items.contains(name) => return Some(&module.file),
                // Two names for one thing may name each other.
                _ if depth == 0 => return None,
                name => {
                    let full = |path: &[String]| [path, rest].concat();
                    let imported = module.imports.get(name).filter(|path| !is_first || path[0] != *name);
                    let by_star = || {
                        let mut globs = module.globs.iter().filter(|path| self.knows(at, path));
                        globs.find_map(|path| self.file_of(at, &[path, names].concat(), depth - 1))
                    };
                    return match imported {
                        Some(path) => self.file_of(at, &full(path), depth - 1),
                        None => by_star(),
                    };
                }
            }
            names = rest;
            is_first = false;
        }
        Some(&self.0[at].file)
    }

    /// Whether a path begins with something of this crate.
    fn knows(&self, at: usize, path: &[String]) -> bool {
        let module = &self.0[at];
        path.first().is_some_and(|name| {
            ["crate", "self", "super"].contains(&name.as_str()) || module.children.contains_key(name)
        })
    }

    /// Which file needs which others, and for what.
    fn needs(&self) -> Needs {
        let mut needs = Needs::new();
        for (number, module) in self.0.iter().enumerate() {
            for names in &module.mentioned {
                let found = self.file_of(number, names, 16).filter(|file| *file != module.file);
                if let Some(file) = found {
                    let of = needs.entry(module.file.clone()).or_default();
                    of.entry(file.to_path_buf()).or_default().insert(names.join("::"));
                }
            }
        }
        needs
    }
}

type Needs = BTreeMap<PathBuf, BTreeMap<PathBuf, BTreeSet<String>>>;

/// All files that a file needs, by way of others too.
fn reachable<'n>(needs: &'n Needs, from: &Path) -> BTreeSet<&'n Path> {
    let mut found = BTreeSet::new();
    let mut pending: Vec<&Path> =
        needs.get(from).into_iter().flatten().map(|(file, _)| file.as_path()).collect();
    while let Some(file) = pending.pop() {
        if found.insert(file) {
            pending.extend(needs.get(file).into_iter().flatten().map(|(file, _)| file.as_path()));
        }
    }
    found
}

/// The files that need themselves by way of others, each with what leads on to the next.
fn circles(needs: &Needs, root: &Path) -> String {
    let reached: BTreeMap<&Path, BTreeSet<&Path>> =
        needs.keys().map(|file| (file.as_path(), reachable(needs, file))).collect();
    let mut told = String::new();
    for (file, others) in needs {
        for (other, names) in others.iter().filter(|(other, _)| {
            reached.get(other.as_path()).is_some_and(|reached| reached.contains(file.as_path()))
        }) {
            let short = |path: &Path| path.strip_prefix(root).unwrap_or(path).display().to_string();
            let names = names.iter().cloned().collect::<Vec<_>>().join(", ");
            let _ = writeln!(told, "{} needs {} for {names}", short(file), short(other));
        }
    }
    told
}

#[test]
fn no_file_needs_itself_by_way_of_others() {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let metadata = MetadataCommand::new().manifest_path(manifest).no_deps().exec().expect("cargo metadata");
    let mut told = String::new();
    let mut files = 0;
    for target in metadata.packages.iter().flat_map(|package| &package.targets) {
        if target.kind.iter().any(|kind| matches!(kind, TargetKind::Lib | TargetKind::Bin)) {
            let modules = Modules::read(target.src_path.as_std_path());
            files += modules.0.len();
            told += &circles(&modules.needs(), metadata.workspace_root.as_std_path());
        }
    }
    assert!(files > 200, "only {files} modules were found");
    assert!(told.is_empty(), "these files need one another:\n{told}");
}

#[test]
fn circles_are_seen_through_re_exports() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect(name);
    fs::create_dir(folder.path().join("b")).expect("b");
    write("lib.rs", "mod a; mod b; pub use b::Thing;");
    write("a.rs", "pub struct Other; pub fn make(thing: crate::Thing) {}");
    write("b/mod.rs", "mod inner; pub use self::inner::*;");
    write(
        "b/inner.rs",
        "use crate::a::Other; pub struct Thing(Other); #[cfg(test)] mod tests { use super::Gone; }",
    );
    let needs = Modules::read(&folder.path().join("lib.rs")).needs();
    let told = circles(&needs, folder.path());
    assert_eq!(told, "a.rs needs b/inner.rs for crate::Thing\nb/inner.rs needs a.rs for crate::a::Other\n");
    write("a.rs", "pub struct Other; #[cfg(test)] pub fn make(thing: crate::Thing) {}");
    assert_eq!(circles(&Modules::read(&folder.path().join("lib.rs")).needs(), folder.path()), "");
}
