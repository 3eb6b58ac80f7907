//! Libraries and files that are loaded before a program's own (`format.md §16.2`, rule 13).

use super::{
    Confidence, Facts, Hit, Severity,
    known::{basename, is_below, is_hidden, is_temporary},
    next_step::{NextStep, Topic},
    record::{about, about_path},
};
use crate::{Text, process::Process};

/// Libraries that are made to be preloaded, by the start of their name: memory allocators, agents of monitoring
/// products, and helpers of tests.
const USUAL: [&[u8]; 24] = [
    b"libjemalloc",
    b"libtcmalloc",
    b"libmimalloc",
    b"libfaketime",
    b"libeatmydata",
    b"libasan",
    b"libtsan",
    b"libubsan",
    b"liblsan",
    b"libnss_wrapper",
    b"libuid_wrapper",
    b"libfakeroot",
    b"libnewrelic",
    b"libdd",
    b"libdatadog",
    b"launcher.preload",
    b"libotelinject",
    b"liboneagentproc",
    b"liboneagent",
    b"libinstana",
    b"libgvm-",
    b"libsegfault",
    b"libSegFault",
    b"libgomp",
];
/// Where the list of libraries is that every program loads.
const GLOBAL: &[u8] = b"/etc/ld.so.preload";

/// Whether a library is one that is made to be preloaded, and where such are installed.
fn is_usual(facts: &Facts<'_>, library: &[u8]) -> bool {
    // Without a directory the dynamic linker looks in those of the system.
    let installed = !library.contains(&b'/')
        || [b"/usr".as_slice(), b"/lib", b"/lib64", b"/opt", b"/usr/local"]
            .iter()
            .any(|known| is_below(library, known));
    installed
        && !is_hidden(library)
        && !facts.was_changed(library)
        && USUAL.iter().any(|known| basename(library).starts_with(known))
}

fn libraries(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| matches!(byte, b':' | b' ' | b'\n' | b'\t')).filter(|name| !name.is_empty())
}

/// Whether a library is mapped, and from where.
fn mapped(facts: &Facts<'_>, process: &Process, library: &[u8]) -> Option<(String, Text)> {
    let name = basename(library);
    facts
        .mappings_of(process.pid)
        .filter(|mapping| mapping.perms.contains('x'))
        .find(|mapping| {
            let path = mapping.path.0.strip_suffix(b" (deleted)").unwrap_or(&mapping.path.0);
            path == library || basename(path) == name
        })
        .map(|mapping| (mapping.start.clone(), mapping.path.clone()))
}

/// `LD_PRELOAD` and `LD_AUDIT`.
pub fn environment(facts: &Facts<'_>) -> Vec<Hit> {
    let mut hits = Vec::new();
    for process in facts.living() {
        for (name, value) in facts.environment(process) {
            if !matches!(name, b"LD_PRELOAD" | b"LD_AUDIT") || value.is_empty() {
                continue;
            }
            let usual = libraries(value).all(|library| is_usual(facts, library));
            let entry = [name, b"=", value].concat();
            let mut hit = Hit::new(about(process), "LD_PRELOAD injects a library")
                .fact("variable", format!("mm-{}.img, environment", process.pid), entry)
                .more(Topic::Environment.of(process.pid));
            for library in libraries(value) {
                if let Some((address, path)) = mapped(facts, process, library) {
                    hit = hit.fact("mapped at", address, path);
                }
                if facts.was_changed(library) {
                    hit = hit.fact("added or modified", "rootfs-diff.tar", library);
                }
            }
            hits.push(if usual {
                hit.harmless(Severity::Info, "the library is one that is made to be preloaded")
            } else if libraries(value).any(|library| is_temporary(library) || is_hidden(library)) {
                hit.confidence(Confidence::High)
            } else {
                hit
            });
        }
    }
    hits
}

/// `/etc/ld.so.preload`.
pub fn global(facts: &Facts<'_>) -> Vec<Hit> {
    let Some(file) = facts.dropped_at(GLOBAL) else { return Vec::new() };
    let content = file.contents.head(1 << 16);
    let listed: Vec<&[u8]> = libraries(&content).collect();
    if listed.is_empty() {
        return Vec::new();
    }
    let mut hit = Hit::new(about_path(&file.path), "every program loads the libraries listed in it")
        .more(NextStep::File("/etc/ld.so.preload".into()));
    for library in &listed {
        hit = hit.fact("library", file.origin.escaped(), *library);
    }
    vec![if listed.iter().all(|library| is_usual(facts, library)) {
        hit.harmless(Severity::Info, "the library is one that is made to be preloaded")
    } else {
        hit
    }]
}

/// Other variables through which somebody else's code gets into programs.
pub fn other_variables(facts: &Facts<'_>) -> Vec<Hit> {
    /// Variables that hold a path.
    const PATHS: [&[u8]; 9] = [
        b"LD_LIBRARY_PATH",
        b"GCONV_PATH",
        b"BASH_ENV",
        b"ENV",
        b"PYTHONSTARTUP",
        b"PYTHONPATH",
        b"PERL5LIB",
        b"NODE_PATH",
        b"RUBYLIB",
    ];
    /// Variables that hold commands or options.
    const COMMANDS: [&[u8]; 4] = [b"PROMPT_COMMAND", b"NODE_OPTIONS", b"JAVA_TOOL_OPTIONS", b"PERL5OPT"];
    let mut hits = Vec::new();
    for process in facts.living() {
        for (name, value) in facts.environment(process) {
            let parts = || value.split(|byte| matches!(byte, b':' | b'=' | b' '));
            let odd = parts()
                .any(|part| part.starts_with(b"/") && (is_temporary(part) && !is_below(part, b"/run")));
            let gconv = name == b"GCONV_PATH";
            if (PATHS.contains(&name) || COMMANDS.contains(&name)) && (odd || gconv) {
                let entry = [name, b"=", value].concat();
                hits.push(
                    Hit::new(about(process), "loads code from a temporary directory")
                        .fact("variable", format!("mm-{}.img, environment", process.pid), entry)
                        .more(Topic::Environment.of(process.pid)),
                );
            }
        }
    }
    hits
}
