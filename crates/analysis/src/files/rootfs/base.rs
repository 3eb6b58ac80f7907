//! The image that a container was made of: its layers laid over one another.

use std::collections::BTreeMap;

use ckptfx_parser::{
    archive::{Archive, Member, MemberKind},
    input::BaseImage,
};

use super::change::{ChangeKind, OPAQUE, WHITEOUT, split};
use crate::{
    files::{nested::contents_in, owner::Owner},
    recover::contents::{Contents, file_type},
};

/// A text larger than this is not compared line by line.
const MAX_TEXT: usize = 256 << 10;
/// Nor one with more lines.
const MAX_LINES: usize = 5000;
/// Lines shown around a change.
const CONTEXT: usize = 3;

/// The file system of an image.
#[derive(Debug)]
pub struct Base {
    layers: Vec<Archive>,
    /// Layer and member of each path.
    paths: BTreeMap<Vec<u8>, (usize, usize)>,
}

impl Base {
    /// Lays the layers over one another, with what they delete.
    pub fn new(image: BaseImage) -> Self {
        let mut paths = BTreeMap::new();
        for (number, layer) in image.layers.iter().enumerate() {
            // Whiteouts are about the layers below, wherever in the tar they are.
            for member in layer.members() {
                let (directory, name) = split(&member.path);
                if name == OPAQUE {
                    remove_below(&mut paths, directory);
                } else if let Some(name) = name.strip_prefix(WHITEOUT) {
                    let slash: &[u8] = if directory.is_empty() { b"" } else { b"/" };
                    let path = [directory, slash, name].concat();
                    remove_below(&mut paths, &path);
                    paths.remove(&path);
                }
            }
            for (index, member) in layer.members().iter().enumerate() {
                if split(&member.path).1.starts_with(WHITEOUT) {
                    continue;
                }
                if member.kind != MemberKind::Directory {
                    remove_below(&mut paths, &member.path);
                }
                paths.insert(member.path.clone(), (number, index));
            }
        }
        Self { layers: image.layers, paths }
    }

    /// The member at a path without leading `/`, and the layer that has it.
    pub fn find(&self, path: &[u8]) -> Option<(&Archive, &Member)> {
        let (layer, index) = self.paths.get(path)?;
        let archive = self.layers.get(*layer)?;
        Some((archive, archive.members().get(*index)?))
    }

    /// What a member of the changes is to the image. The time of a directory says nothing: it changes with
    /// what is in it.
    pub(super) fn compare(&self, member: &Member, owner: Owner, contents: Option<&Contents>) -> ChangeKind {
        let Some((archive, before)) = self.find(&member.path) else { return ChangeKind::Added };
        let is_directory = member.kind == MemberKind::Directory;
        let is_link = |kind: &MemberKind| matches!(kind, MemberKind::Hardlink(_));
        let same_kind = member.kind == before.kind || is_link(&member.kind) || is_link(&before.kind);
        let same_content = match (contents, contents_in(archive, before)) {
            (Some(now), Some(before)) => now.is_same(&before),
            (None, None) => true,
            _ => false,
        };
        let same = same_kind
            && same_content
            && (member.mode, owner.uid, owner.gid, member.device)
                == (before.mode, before.uid, before.gid, before.device)
            && (is_directory || member.mtime == before.mtime)
            && capability(member) == capability(before);
        if same { ChangeKind::Unchanged } else { ChangeKind::Modified }
    }
}

fn capability(member: &Member) -> Option<&[u8]> {
    let found = member.xattrs.iter().find(|(name, _)| name == b"security.capability");
    found.map(|(_, value)| value.as_slice())
}

fn remove_below(paths: &mut BTreeMap<Vec<u8>, (usize, usize)>, directory: &[u8]) {
    if directory.is_empty() {
        paths.clear();
        return;
    }
    let prefix = [directory, b"/"].concat();
    let below: Vec<Vec<u8>> = paths
        .range(prefix.clone()..)
        .map(|(path, _)| path.clone())
        .take_while(|path| path.starts_with(&prefix))
        .collect();
    for path in below {
        paths.remove(&path);
    }
}

/// How a text changed, as a unified diff; none when it is no small text or is the same.
pub(super) fn text_diff(path: &[u8], before: Option<&Contents>, now: Option<&Contents>) -> Option<String> {
    let (old, new) = (text(before)?, text(now)?);
    if old == new {
        return None;
    }
    // A line break in a name must not begin a line of the diff.
    let path: String = ckptfx_parser::text::escape_invalid(path).chars().flat_map(escape_control).collect();
    let name = |side: &str, contents: Option<&Contents>| match contents {
        Some(_) => format!("{side}/{path}"),
        None => "/dev/null".to_owned(),
    };
    let diff = similar::TextDiff::from_lines(old.as_str(), new.as_str());
    let text =
        diff.unified_diff().context_radius(CONTEXT).header(&name("a", before), &name("b", now)).to_string();
    Some(text)
}

fn escape_control(character: char) -> Vec<char> {
    if character.is_control() { character.escape_default().collect() } else { vec![character] }
}

/// The content as text, empty for no file; none when it is too large or no text.
fn text(contents: Option<&Contents>) -> Option<String> {
    let Some(contents) = contents else { return Some(String::new()) };
    let bytes = contents.to_vec(MAX_TEXT)?;
    let is_text = matches!(file_type(&bytes), "text" | "script" | "pem" | "empty");
    let text = String::from_utf8(bytes).ok().filter(|_| is_text)?;
    (text.lines().count() <= MAX_LINES).then_some(text)
}
