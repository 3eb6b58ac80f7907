//! Finds the files that rules are read from.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
};

/// Directories below one another that are looked into.
const MAX_DEPTH: usize = 32;

/// A file of rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleFile {
    /// Its name in messages, and the namespace of its rules: the path within the directory that was given, or the
    /// name of the file that was given. Unique among the files of one collection.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// Files that it may include are below this directory.
    pub root: PathBuf,
}

/// A path that holds no rules.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    Unreadable {
        /// The path.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A directory without files that end in `.yar` or `.yara`.
    #[error("{} holds no *.yar or *.yara file", .0.display())]
    Empty(PathBuf),
}

/// The rule files that paths stand for: a file for itself, a directory for all `*.yar` and `*.yara` files in and below it,
/// in the order of their names. Links to directories are not followed.
///
/// # Errors
/// When a path cannot be read, or is a directory without rules.
pub fn collect(paths: &[PathBuf]) -> Result<Vec<RuleFile>, FileError> {
    let mut names = BTreeSet::new();
    let mut files = Vec::new();
    for given in paths {
        let unreadable = |error| FileError::Unreadable { path: given.clone(), error };
        if !fs::metadata(given).map_err(unreadable)?.is_dir() {
            let root = given.parent().filter(|parent| !parent.as_os_str().is_empty());
            let name = label(given.file_name().map_or(given.as_path(), Path::new), &mut names);
            let root = root.unwrap_or(Path::new(".")).to_path_buf();
            files.push(RuleFile { name, path: given.clone(), root });
            continue;
        }
        let mut found = Vec::new();
        walk(given, 0, &mut found)?;
        if found.is_empty() {
            return Err(FileError::Empty(given.clone()));
        }
        found.sort();
        for path in found {
            let name = label(path.strip_prefix(given).unwrap_or(&path), &mut names);
            files.push(RuleFile { name, path, root: given.clone() });
        }
    }
    Ok(files)
}

fn walk(directory: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<(), FileError> {
    let unreadable = |error| FileError::Unreadable { path: directory.to_path_buf(), error };
    for entry in fs::read_dir(directory).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let path = entry.path();
        if entry.file_type().map_err(unreadable)?.is_dir() {
            if depth < MAX_DEPTH {
                walk(&path, depth + 1, found)?;
            }
        } else if is_rules(&path) && path.is_file() {
            found.push(path);
        }
    }
    Ok(())
}

fn is_rules(path: &Path) -> bool {
    path.extension()
        .and_then(OsStr::to_str)
        .is_some_and(|ending| ending.eq_ignore_ascii_case("yar") || ending.eq_ignore_ascii_case("yara"))
}

/// A name that no file before has.
fn label(path: &Path, names: &mut BTreeSet<String>) -> String {
    let plain = path.to_string_lossy().into_owned();
    let mut name = plain.clone();
    let mut number = 2_u32;
    while !names.insert(name.clone()) {
        name = format!("{plain}#{number}");
        number = number.saturating_add(1);
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(paths: &[PathBuf]) -> Vec<String> {
        collect(paths).unwrap().into_iter().map(|file| file.name).collect()
    }

    #[test]
    fn directories_are_searched_in_the_order_of_names() {
        let scratch = tempfile::tempdir().unwrap();
        let root = scratch.path();
        fs::create_dir_all(root.join("b/c")).unwrap();
        for name in ["z.yar", "b/c/deep.YARA", "a.yara", "notes.txt", "b/x.yar"] {
            fs::write(root.join(name), "").unwrap();
        }
        assert_eq!(names(&[root.to_path_buf()]), ["a.yara", "b/c/deep.YARA", "b/x.yar", "z.yar"]);
    }

    #[test]
    fn a_file_that_is_named_needs_no_ending_and_gets_a_name_of_its_own() {
        let scratch = tempfile::tempdir().unwrap();
        let file = scratch.path().join("rules.txt");
        fs::write(&file, "").unwrap();
        assert_eq!(names(&[file.clone(), file]), ["rules.txt", "rules.txt#2"]);
    }

    #[test]
    fn a_directory_without_rules_is_an_error() {
        let scratch = tempfile::tempdir().unwrap();
        let message = collect(&[scratch.path().to_path_buf()]).unwrap_err().to_string();
        assert!(message.ends_with("holds no *.yar or *.yara file"), "{message}");
        assert!(collect(&[scratch.path().join("none")]).is_err());
    }
}
