//! Chain of custody: what exactly was examined, with what, by whom and when; and whether evidence is still the same.

use std::collections::BTreeMap;

use ckptfx_parser::archive::{Archive, Member, MemberKind};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use ckptfx_analysis::{Text, files::nested::contents_in, finding::DETECTIONS, secret::Rules};

/// Zeros of the holes of one sparse member that are hashed, in bytes.
const MAX_ZEROS: u64 = 4 << 30;

/// What is recorded about an examination.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Custody {
    /// Name or number of the case, as given with --case.
    pub case: Option<String>,
    /// Who examined the evidence, as given with --examiner.
    pub examiner: Option<String>,
    /// On which machine, as given with --host.
    pub host: Option<String>,
    /// Arguments of the program, as they were given.
    pub arguments: Vec<Text>,
    /// When the program was started, by the clock of the examiner's machine; null with --no-times.
    #[schemars(with = "Option<String>")]
    pub started: Option<Timestamp>,
    /// When the examination was complete and only the report was left to be written; null with --no-times.
    #[schemars(with = "Option<String>")]
    pub ended: Option<Timestamp>,
    /// The sets of rules that were applied.
    pub rules: Vec<RuleSet>,
    /// Whether secrets were taken out of this report.
    pub redacted: bool,
    /// How many were.
    pub redacted_values: u64,
    /// Every member of the archive, in its order; of a directory its files, in order of path.
    pub members: Vec<MemberHash>,
}

/// Rules that were applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RuleSet {
    /// `detections` of `triage`, or those of `secrets`.
    pub name: &'static str,
    /// How many there are.
    pub count: usize,
    /// SHA-256 of all that is said of them: the same for the same rules.
    pub sha256: String,
}

impl RuleSet {
    fn new<R>(name: &'static str, rules: &[R], describe: impl Fn(&R) -> String) -> Self {
        let mut hasher = Sha256::new();
        for rule in rules {
            hasher.update(describe(rule).as_bytes());
            // No description has this byte.
            hasher.update([0]);
        }
        Self { name, count: rules.len(), sha256: hex::encode(hasher.finalize()) }
    }

    /// The detections of `triage`.
    pub fn detections() -> Self {
        Self::new("detections", DETECTIONS, |rule| {
            let known = (rule.id, rule.title, rule.severity.name(), rule.confidence.name());
            format!("{known:?} {:?} {:?} {:?}", rule.attack, rule.caveat, rule.harmless)
        })
    }

    /// Rules of `secrets`.
    pub fn secrets(rules: &Rules) -> Self {
        Self::new("secrets", rules.rules(), |rule| {
            let known = (&rule.id, &rule.title, rule.confidence.name());
            format!("{known:?} {:?} {:?}", rule.validate, rule.regex)
        })
    }
}

/// One member of the archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct MemberHash {
    /// Its path.
    pub path: Text,
    /// `file`, `directory`, `symlink`, `hardlink` or `other`.
    pub kind: &'static str,
    /// Size in bytes, as the archive states it.
    pub bytes: u64,
    /// SHA-256 of the content of a file, in hexadecimal; null for what has no content, and when some of it is missing.
    pub sha256: Option<String>,
    /// Where a link leads.
    pub target: Option<Text>,
}

impl MemberHash {
    /// Reads and hashes a member.
    pub fn of(archive: &Archive, member: &Member) -> Self {
        let (kind, target) = match &member.kind {
            MemberKind::File => ("file", None),
            MemberKind::Directory => ("directory", None),
            MemberKind::Symlink(target) => ("symlink", Some(Text(target.clone()))),
            MemberKind::Hardlink(target) => ("hardlink", Some(Text(target.clone()))),
            MemberKind::Other(_) => ("other", None),
        };
        let sha256 = match member.kind {
            MemberKind::File if !member.is_cut() && !member.is_sparse() => {
                let mut hasher = Sha256::new();
                let read = member.view().tiles().try_for_each(|tile| tile.map(|tile| hasher.update(&tile)));
                read.ok().map(|()| hex::encode(hasher.finalize()))
            }
            MemberKind::File => {
                contents_in(archive, member).and_then(|contents| contents.sha256(&mut MAX_ZEROS.clone()))
            }
            _ => None,
        };
        Self { path: Text(member.path.clone()), kind, bytes: member.size, sha256, target }
    }
}

/// A member as an earlier report recorded it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Recorded {
    /// Its path; bytes that are not UTF-8 are `\xNN`.
    pub path: String,
    /// What it was.
    pub kind: String,
    /// Its size.
    pub bytes: u64,
    /// SHA-256 of its content.
    pub sha256: Option<String>,
    /// Where a link led; bytes that are not UTF-8 are `\xNN`.
    pub target: Option<String>,
}

impl From<&MemberHash> for Recorded {
    fn from(member: &MemberHash) -> Self {
        let text = |text: &Text| text.escaped().into_owned();
        Self {
            path: text(&member.path),
            kind: member.kind.to_owned(),
            bytes: member.bytes,
            sha256: member.sha256.clone(),
            target: member.target.as_ref().map(text),
        }
    }
}

/// Something that is not as it was recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Difference {
    /// `archive` or `member`.
    pub what: &'static str,
    /// Name of the archive, or path of the member; bytes that are not UTF-8 are `\xNN`.
    pub name: String,
    /// `size`, `sha256`, `kind`, `target`, `missing`, `added` or `unreadable`.
    pub problem: &'static str,
    /// What was recorded; null when nothing was.
    pub expected: Option<String>,
    /// What is there now; null when nothing is.
    pub actual: Option<String>,
}

/// How the members differ from those that were recorded, in order of path. Members of one path are compared in the
/// order of the archive.
pub fn compare(recorded: &[Recorded], now: &[Recorded]) -> Vec<Difference> {
    let mut paths: BTreeMap<&str, (Vec<&Recorded>, Vec<&Recorded>)> = BTreeMap::new();
    recorded.iter().for_each(|member| paths.entry(&member.path).or_default().0.push(member));
    now.iter().for_each(|member| paths.entry(&member.path).or_default().1.push(member));
    let mut differences = Vec::new();
    for (path, (before, after)) in paths {
        for index in 0..before.len().max(after.len()) {
            let mut say = |problem, expected, actual| {
                differences.push(Difference {
                    what: "member",
                    name: path.to_owned(),
                    problem,
                    expected,
                    actual,
                });
            };
            match (before.get(index), after.get(index)) {
                (Some(before), None) => say("missing", Some(describe(before)), None),
                (None, Some(after)) => say("added", None, Some(describe(after))),
                (Some(before), Some(after)) => {
                    if before.kind != after.kind {
                        say("kind", Some(before.kind.clone()), Some(after.kind.clone()));
                    }
                    if before.bytes != after.bytes {
                        say("size", Some(before.bytes.to_string()), Some(after.bytes.to_string()));
                    }
                    if before.sha256 != after.sha256 {
                        say("sha256", before.sha256.clone(), after.sha256.clone());
                    }
                    if before.target != after.target {
                        say("target", before.target.clone(), after.target.clone());
                    }
                }
                (None, None) => {}
            }
        }
    }
    differences
}

fn describe(member: &Recorded) -> String {
    match &member.sha256 {
        Some(sha256) => format!("{} of {} bytes, sha256 {sha256}", member.kind, member.bytes),
        None => format!("{} of {} bytes", member.kind, member.bytes),
    }
}

#[cfg(test)]
mod tests {
    use ckptfx_parser::input::{self, Input, OpenOptions};
    use ckptfx_testkit::{Container, PodmanVersion};

    use super::*;

    fn member(path: &str, content: &str) -> Recorded {
        Recorded {
            path: path.to_owned(),
            kind: "file".to_owned(),
            bytes: content.len() as u64,
            sha256: Some(hex::encode(Sha256::digest(content.as_bytes()))),
            target: None,
        }
    }

    #[test]
    fn says_exactly_what_differs() {
        let before = [member("a", "one"), member("b", "two"), member("c", "x"), member("c", "y")];
        assert_eq!(compare(&before, &before), []);
        let after = [member("a", "onE"), member("c", "x"), member("d", "new")];
        let problems: Vec<(String, &str)> =
            compare(&before, &after).into_iter().map(|item| (item.name, item.problem)).collect();
        let expected = [("a", "sha256"), ("b", "missing"), ("c", "missing"), ("d", "added")];
        assert_eq!(problems, expected.map(|(name, problem)| (name.to_owned(), problem)));
    }

    #[test]
    fn the_rules_have_a_hash_of_their_own() {
        let rules = RuleSet::detections();
        assert_eq!((rules.count, rules.sha256.len()), (DETECTIONS.len(), 64));
        let some = |ids: &[&str]| {
            let ids: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
            RuleSet::secrets(&Rules::load(&[], &ids).unwrap())
        };
        let [one, all] = [some(&["json-web-token"]), some(&[])];
        assert_eq!(one.count, 1);
        assert!(all.count > 1 && all.sha256 != one.sha256);
    }

    #[test]
    fn every_member_is_hashed() {
        let container = Container::new(ckptfx_testkit::rich()).podman(PodmanVersion::V5);
        let input = Input::Bytes(container.to_tar().into());
        let options = OpenOptions::default();
        let evidence = input::open(&input, &options).unwrap();
        let archive = evidence.checkpoints[0].archive();
        let hashes: Vec<MemberHash> =
            archive.members().iter().map(|member| MemberHash::of(archive, member)).collect();
        assert!(hashes.len() > 20);
        for hash in &hashes {
            assert_eq!(hash.sha256.is_some(), hash.kind == "file", "{hash:?}");
        }
    }
}
