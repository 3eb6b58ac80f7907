//! The JSON Schemas in `docs/schema` are those that the program prints.

use std::{fs, path::Path};

use crate::support::{Scratch, ckptfx};

#[test]
fn checked_in_schemas_are_those_of_the_program() {
    let scratch = Scratch::new();
    let printed = scratch.path("schema");
    ckptfx(["schema".into(), "--all".into(), "--dir".into(), printed.clone().into_os_string()]).status(0);
    let names = |directory: &Path| {
        let entries = fs::read_dir(directory).expect("a directory");
        let mut names: Vec<_> = entries.map(|entry| entry.expect("an entry").file_name()).collect();
        names.sort();
        names
    };
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schema");
    assert_eq!(names(&kept), names(&printed));
    for name in names(&kept) {
        let read = |directory: &Path| fs::read_to_string(directory.join(&name)).expect("a schema");
        assert_eq!(read(&kept), read(&printed), "{name:?}: run ckptfx schema --all --dir docs/schema");
    }
}
