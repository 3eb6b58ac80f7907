//! Rule files become one rule set; what does not compile costs itself only.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use boreal::{
    Compiler,
    compiler::{AddRuleError, CompilerBuilder, CompilerParams, ExternalValue, generate_description},
    module::Console,
};
use boreal_parser::file::YaraFileComponent;

use super::{RuleFile, RuleSet};

/// Variables that scanners of files define, and public rules ask for. Where a unit does not say otherwise they are empty.
const USUAL_VARIABLES: [&str; 5] = ["filename", "filepath", "extension", "filetype", "owner"];

/// Files that include one another are followed so far.
const MAX_INCLUDES: usize = 16;

/// The value of an external variable.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `true` or `false`.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A number with a point.
    Float(f64),
    /// Anything else.
    Text(Vec<u8>),
}

impl Value {
    /// The value that a text stands for, as the `yara` program takes it.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        match text {
            "true" => return Self::Boolean(true),
            "false" => return Self::Boolean(false),
            _ => {}
        }
        if let Ok(number) = text.parse() {
            return Self::Integer(number);
        }
        match text.parse::<f64>() {
            Ok(number) if text.contains('.') && number.is_finite() => Self::Float(number),
            _ => Self::Text(text.as_bytes().to_vec()),
        }
    }
}

impl From<Value> for ExternalValue {
    fn from(value: Value) -> Self {
        match value {
            Value::Boolean(flag) => Self::Boolean(flag),
            Value::Integer(number) => Self::Integer(number),
            Value::Float(number) => Self::Float(number),
            Value::Text(bytes) => Self::Bytes(bytes),
        }
    }
}

/// A rule, an import, an include or a whole file that is not in the rule set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// The file.
    pub file: String,
    /// The rule, if it is one.
    pub rule: Option<String>,
    /// Line, column and what is wrong there; without a place where the file cannot be read.
    pub reason: String,
}

/// What was made of the files.
#[derive(Debug)]
pub struct Compiled {
    /// The rules that compiled; there may be none.
    pub rules: RuleSet,
    /// What did not, in the order of the files.
    pub rejected: Vec<Rejected>,
}

/// Compiles rule files, each in a namespace of its name. External variables are given by name.
#[must_use]
pub fn compile(files: &[RuleFile], defines: &[(String, Value)]) -> Compiled {
    // What rules say through `console` is nobody's result.
    let mut compiler = CompilerBuilder::new().add_module(Console::with_callback(|_| ())).build();
    compiler.set_params(CompilerParams::default().disable_includes(true));
    let usual = USUAL_VARIABLES.map(|name| (name.to_owned(), Value::Text(Vec::new())));
    for (name, value) in defines.iter().cloned().chain(usual) {
        // The first definition counts.
        compiler.define_symbol(&name, value);
    }
    let mut session = Session { compiler, rejected: Vec::new() };
    for file in files {
        let mut included = BTreeSet::new();
        session.add(&Source::of(file), &mut included, 0);
    }
    Compiled { rules: RuleSet::new(session.compiler.finalize()), rejected: session.rejected }
}

/// A file on its way into the compiler.
struct Source<'f> {
    name: String,
    path: PathBuf,
    namespace: &'f str,
    root: &'f Path,
}

impl<'f> Source<'f> {
    fn of(file: &'f RuleFile) -> Self {
        Self { name: file.name.clone(), path: file.path.clone(), namespace: &file.name, root: &file.root }
    }

    /// The file that an include of this one means, if it is below the root.
    fn include(&self, wanted: &str) -> io::Result<PathBuf> {
        let path = self.path.parent().unwrap_or(Path::new(".")).join(wanted).canonicalize()?;
        if path.starts_with(self.root.canonicalize()?) {
            return Ok(path);
        }
        Err(io::Error::new(io::ErrorKind::PermissionDenied, "it is outside of the directory that was given"))
    }
}

/// A top-level part of a file: where it begins, and what it is.
struct Part {
    start: usize,
    rule: Option<String>,
    include: Option<String>,
}

struct Session {
    compiler: Compiler,
    rejected: Vec<Rejected>,
}

impl Session {
    fn reject(&mut self, source: &Source<'_>, rule: Option<String>, reason: String) {
        self.rejected.push(Rejected { file: source.name.clone(), rule, reason });
    }

    /// Adds a file and what it includes. The compiler stops at the first error, so it is given the parts between
    /// includes, and after an error what follows the part that is to blame.
    fn add(&mut self, source: &Source<'_>, included: &mut BTreeSet<PathBuf>, depth: usize) {
        let canonical = source.path.canonicalize().unwrap_or_else(|_| source.path.clone());
        // Included twice, or by itself: its rules are there already.
        if !included.insert(canonical) {
            return;
        }
        let text = match fs::read(&source.path) {
            Ok(bytes) => match String::from_utf8(bytes) {
                Ok(text) => text,
                Err(error) => {
                    let valid = error.utf8_error().valid_up_to();
                    let before = error.as_bytes().get(..valid).unwrap_or_default();
                    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
                    self.reject(source, None, format!("{line}: the file is not UTF-8"));
                    return;
                }
            },
            Err(error) => {
                self.reject(source, None, format!("the file cannot be read: {error}"));
                return;
            }
        };
        let (text, parts, unread) = readable(text);
        for reason in unread {
            self.reject(source, None, reason);
        }
        let mut next = 0;
        while let Some(part) = parts.get(next) {
            if let Some(wanted) = &part.include {
                self.add_include(source, &text, part.start, wanted, included, depth);
                next += 1;
                continue;
            }
            let after = parts.iter().skip(next).position(|part| part.include.is_some());
            let end = after.map_or(parts.len(), |count| next + count);
            let until = parts.get(end).map_or(text.len(), |part| part.start);
            let stretch = alone(&text, part.start, until);
            let Err(error) = self.compiler.add_rules_str_in_namespace(&stretch, source.namespace) else {
                next = end;
                continue;
            };
            let at = place_of(&error).unwrap_or(part.start);
            // The part that holds the place is to blame; the ones before it were taken.
            let blamed =
                parts.partition_point(|part| part.start <= at).saturating_sub(1).clamp(next, end - 1);
            let rule = parts.get(blamed).and_then(|part| part.rule.clone());
            self.reject(source, rule, describe(&error, &text));
            next = blamed + 1;
        }
    }

    fn add_include(
        &mut self,
        source: &Source<'_>,
        text: &str,
        at: usize,
        wanted: &str,
        included: &mut BTreeSet<PathBuf>,
        depth: usize,
    ) {
        let line = text.get(..at).unwrap_or_default().matches('\n').count() + 1;
        let path = match source.include(wanted) {
            Ok(path) if depth < MAX_INCLUDES => path,
            Ok(_) => {
                self.reject(
                    source,
                    None,
                    format!("{line}: cannot include {wanted:?}: includes are nested too deep"),
                );
                return;
            }
            Err(error) => {
                self.reject(source, None, format!("{line}: cannot include {wanted:?}: {error}"));
                return;
            }
        };
        let root = source.root.canonicalize().unwrap_or_else(|_| source.root.to_path_buf());
        let name = path.strip_prefix(&root).unwrap_or(&path).to_string_lossy().into_owned();
        self.add(&Source { name, path, namespace: source.namespace, root: source.root }, included, depth + 1);
    }
}

/// The parts of a file that can be read: the text with everything else made blank, and what is wrong with that. A part
/// that cannot be read goes from the line that it begins with to the next such line.
fn readable(mut text: String) -> (String, Vec<Part>, Vec<String>) {
    const WORDS: [&str; 5] = ["rule ", "private ", "global ", "import ", "include "];
    let mut starts: Vec<usize> = Vec::new();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if WORDS.iter().any(|word| line.starts_with(word)) {
            starts.push(at);
        }
        at += line.len();
    }
    let mut reasons = Vec::new();
    loop {
        let error = match boreal_parser::parse(&text) {
            Ok(file) => {
                let parts = file.components.into_iter().map(|component| part(&text, component)).collect();
                return (text, parts, reasons);
            }
            Err(error) => error.to_diagnostic(),
        };
        reasons.push(without_name(&generate_description(&error, "", &text)));
        let at = error.labels.first().map_or(0, |label| label.range.start);
        // What ends too early is noticed where the next part begins.
        let after = starts.partition_point(|start| *start < at);
        let from = after.checked_sub(1).and_then(|index| starts.get(index)).copied();
        let to = starts.get(after).copied().unwrap_or(text.len());
        let blank = match from {
            Some(from) if text.get(from..to).is_some_and(|part| !part.trim().is_empty()) => from..to,
            // It is not known what to leave out.
            _ => 0..text.len(),
        };
        let spaces = blanks(text.get(blank.clone()).unwrap_or_default());
        text.replace_range(blank, &spaces);
    }
}

fn part(text: &str, component: YaraFileComponent) -> Part {
    match component {
        YaraFileComponent::Import(import) => Part { start: import.span.start, rule: None, include: None },
        YaraFileComponent::Include(include) => {
            Part { start: include.span.start, rule: None, include: Some(include.path) }
        }
        YaraFileComponent::Rule(rule) => {
            let start = rule_start(text, rule.name_span.start);
            Part { start, rule: Some(rule.name), include: None }
        }
    }
}

/// As many bytes with the same line breaks.
fn blanks(text: &str) -> String {
    text.bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }).collect()
}

/// Where the rule begins whose name is at `name`: the words `rule`, `private` and `global` stand before it.
fn rule_start(text: &str, name: usize) -> usize {
    let mut before = text.get(..name).unwrap_or_default();
    loop {
        let trimmed = before.trim_end();
        let shorter = ["rule", "private", "global"].iter().find_map(|word| trimmed.strip_suffix(word));
        match shorter {
            Some(shorter) => before = shorter,
            None => return before.len(),
        }
    }
}

/// The bytes from `from` to `until`, at their place: what is before them is blank, so that lines and columns are true.
fn alone(text: &str, from: usize, until: usize) -> String {
    let mut alone = blanks(text.get(..from).unwrap_or_default());
    alone.push_str(text.get(from..until).unwrap_or_default());
    alone
}

fn place_of(error: &AddRuleError) -> Option<usize> {
    error.to_diagnostic().labels.first().map(|label| label.range.start)
}

/// Line, column and reason, and what the engine says of the place.
fn describe(error: &AddRuleError, text: &str) -> String {
    let diagnostic = error.to_diagnostic();
    let mut reason = without_name(&generate_description(&diagnostic, "", text));
    if let Some(label) = diagnostic.labels.first().filter(|label| !label.message.is_empty()) {
        reason = format!("{reason}: {}", label.message);
    }
    reason
}

/// Without the name of the file, which is empty, and the colon after it.
fn without_name(description: &str) -> String {
    let description = description.strip_prefix(':').unwrap_or(description);
    description.replacen(" error: ", " ", 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yara::collect;

    /// Names of the rules of a directory of files, and what was rejected, with `file:` before it.
    fn outcome(files: &[(&str, &str)], defines: &[(String, Value)]) -> (Vec<String>, Vec<String>) {
        let scratch = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = scratch.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let compiled = compile(&collect(&[scratch.path().to_path_buf()]).unwrap(), defines);
        let rules = compiled.rules.rules().iter().map(|rule| format!("{}/{}", rule.namespace, rule.name));
        let rejected = compiled.rejected.iter().map(|one| format!("{}:{}", one.file, one.reason));
        (rules.collect(), rejected.collect())
    }

    const GOOD: &str = "rule good { condition: true }";

    #[test]
    fn a_bad_rule_costs_itself_only() {
        let text = "import \"no_such_module\"\nrule first { condition: true }\n\
                    private\n  rule bad { condition: $nothing }\nrule uses_bad { condition: bad }\n\
                    global rule last { condition: first }";
        let (rules, rejected) = outcome(&[("a.yar", text), ("b.yar", GOOD)], &[]);
        assert_eq!(rules, ["a.yar/last", "a.yar/first", "b.yar/good"]);
        assert_eq!(rejected.len(), 3, "{rejected:?}");
        assert!(rejected[0].starts_with("a.yar:1:1: "), "{rejected:?}");
        assert!(rejected[1].starts_with("a.yar:4:25: "), "{rejected:?}");
        assert!(rejected[2].starts_with("a.yar:5:28: ") && rejected[2].contains("bad"), "{rejected:?}");
    }

    #[test]
    fn a_file_that_cannot_be_parsed_is_named_with_its_line() {
        let (rules, rejected) = outcome(&[("a.yar", "rule x {\n  condition: (\n}"), ("b.yar", GOOD)], &[]);
        assert_eq!(rules, ["b.yar/good"]);
        assert!(rejected[0].starts_with("a.yar:3:1: "), "{rejected:?}");
    }

    #[test]
    fn what_cannot_be_read_costs_its_rule_only() {
        let text = "rule one { condition: true }\nrule two {\n  strings: $a = { [4] }\n  condition: $a\n}\n\
                    private rule three { condition: true }\nrule four {\n condition: (\n}\n\
                    rule five { condition: true\nrule six { condition: three }";
        let (rules, rejected) = outcome(&[("a.yar", text)], &[]);
        assert_eq!(rules, ["a.yar/one", "a.yar/three", "a.yar/six"], "{rejected:?}");
        let lines: Vec<&str> = rejected.iter().map(|one| one.split(':').nth(1).unwrap()).collect();
        assert_eq!(lines, ["3", "9", "11"], "{rejected:?}");
        assert_eq!(outcome(&[("a.yar", "no rules at all")], &[]).1.len(), 1);
    }

    #[test]
    fn includes_stay_below_the_directory() {
        let files = [
            (
                "top.yar",
                "include \"parts/one.inc\"\nrule top { condition: one }\ninclude \"../../outside.yar\"",
            ),
            ("parts/one.inc", "include \"two.inc\"\nrule one { condition: two }"),
            ("parts/two.inc", "include \"one.inc\"\nrule two { condition: true }"),
        ];
        let (rules, rejected) = outcome(&files, &[]);
        assert_eq!(rules, ["top.yar/two", "top.yar/one", "top.yar/top"]);
        assert_eq!(rejected.len(), 1);
        assert!(rejected[0].starts_with("top.yar:3: cannot include \"../../outside.yar\": "), "{rejected:?}");
        // A link that leads out is no way out either.
        let scratch = tempfile::tempdir().unwrap();
        let inside = scratch.path().join("rules");
        fs::create_dir(&inside).unwrap();
        fs::write(scratch.path().join("secret.inc"), GOOD).unwrap();
        fs::write(inside.join("a.yar"), "include \"link.inc\"\nrule x { condition: true }").unwrap();
        std::os::unix::fs::symlink("../secret.inc", inside.join("link.inc")).unwrap();
        let compiled = compile(&collect(&[inside]).unwrap(), &[]);
        assert_eq!(compiled.rules.rules().len(), 1);
        assert!(compiled.rejected[0].reason.contains("outside"), "{:?}", compiled.rejected);
    }

    #[test]
    fn variables_have_the_type_of_their_value() {
        for (text, value) in [
            ("true", Value::Boolean(true)),
            ("-7", Value::Integer(-7)),
            ("1.5", Value::Float(1.5)),
            ("inf", Value::Text(b"inf".to_vec())),
            ("", Value::Text(Vec::new())),
        ] {
            assert_eq!(Value::parse(text), value);
        }
        let rule = "rule x { condition: limit > 3 and filename == \"\" }";
        assert_eq!(outcome(&[("a.yar", rule)], &[("limit".to_owned(), Value::Integer(4))]).0, ["a.yar/x"]);
        assert_eq!(outcome(&[("a.yar", rule)], &[]).1.len(), 1);
    }

    #[test]
    fn bytes_that_are_no_text_are_told_with_their_line() {
        let scratch = tempfile::tempdir().unwrap();
        fs::write(scratch.path().join("a.yar"), b"// one\n// caf\xe9\nrule x { condition: true }").unwrap();
        let compiled = compile(&collect(&[scratch.path().to_path_buf()]).unwrap(), &[]);
        assert_eq!(compiled.rejected[0].reason, "2: the file is not UTF-8");
        assert!(compiled.rules.rules().is_empty());
    }
}
