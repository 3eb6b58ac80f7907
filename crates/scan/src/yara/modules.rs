//! What a module can say of the memory of a process.

/// A module that rules import and that does not mean over memory what it means over a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModuleNote {
    /// Name of the module.
    pub module: &'static str,
    /// What is different.
    pub message: &'static str,
}

const ONE_FILE: &str = "it describes one executable file: over a process it sees the first region that begins with such \
                        a header, if that page was captured, and its conditions are undefined otherwise";

/// What is to be said of the modules that are imported, in the order of their names.
pub(super) fn notes(mut imported: Vec<&str>) -> Vec<ModuleNote> {
    imported.sort_unstable();
    imported.iter().filter_map(|module| note(module)).collect()
}

fn note(module: &str) -> Option<ModuleNote> {
    let (module, message) = match module {
        "pe" => ("pe", ONE_FILE),
        "elf" => ("elf", ONE_FILE),
        "macho" => ("macho", ONE_FILE),
        "dotnet" => ("dotnet", ONE_FILE),
        "dex" => ("dex", ONE_FILE),
        "hash" => (
            "hash",
            "over a process its offsets are addresses, and a range that was not wholly captured, as 0 to filesize, is \
             undefined",
        ),
        "math" => (
            "math",
            "over a process its offsets are addresses, and a range that was not wholly captured, or no range, is \
             undefined",
        ),
        "cuckoo" => ("cuckoo", "there is no sandbox report, so that its conditions are undefined"),
        "time" => (
            "time",
            "its clock is that of the scan, and a rule that asks for it does not give the same twice",
        ),
        // `string` and `console` do not look at what is scanned.
        _ => return None,
    };
    Some(ModuleNote { module, message })
}
