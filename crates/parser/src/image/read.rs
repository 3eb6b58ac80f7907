//! Typed reading: framing and prost together.

use std::sync::atomic::Ordering;

use super::{
    file::{ImageFile, Located},
    framing::{Entry, Framing, open_as},
    order::ByteOrder,
    payload::Parts,
    registry::{Kind, Payload},
    typed::Image,
    upcoming,
};
use crate::{
    Diagnostic, Reports,
    dynamic::{Presence, Weigher},
    limits::reached,
    proto,
};

/// Reads the entries of an image: as many as are whole.
///
/// The file name decides what the image must be; without a known name its magic does. A head message, such as the
/// one of a pagemap, is passed over. What could not be read is told in `diagnostics`.
pub fn read<T: Image>(file: &ImageFile<'_>, diagnostics: &mut Vec<Diagnostic>) -> Vec<Located<T>> {
    read_entries(file, diagnostics, |_, _| {})
}

/// Reads a pagemap: the head, which names the pages image, and the entries (`format.md §7`).
pub fn read_pagemap(
    file: &ImageFile<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> (Option<Located<proto::PagemapHead>>, Vec<Located<proto::PagemapEntry>>) {
    let mut head = None;
    let presence = Presence::of("pagemap_head");
    let entries = read_entries(file, diagnostics, |entry, diagnostics| {
        diagnostics.extend(missing_fields(file.name, presence, &entry));
        head = decode(file.name, &entry).map_err(|problem| diagnostics.push(problem)).ok();
    });
    (head, entries)
}

/// Reads SysV message queues, each with its messages; the payload of a message is its text (`format.md §11.3`).
pub fn read_message_queues(
    file: &ImageFile<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<(Located<proto::IpcMsgEntry>, Vec<Located<proto::IpcMsg>>)> {
    let queues = read::<proto::IpcMsgEntry>(file, diagnostics);
    let order = open_as(file, Some(Kind::IpcnsMsg)).ok().flatten().map_or(file.order, |opened| opened.order);
    queues
        .into_iter()
        .map(|queue| {
            let messages = messages(file, &queue, order, diagnostics);
            (queue, messages)
        })
        .collect()
}

fn messages(
    file: &ImageFile<'_>,
    queue: &Located<proto::IpcMsgEntry>,
    order: ByteOrder,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<Located<proto::IpcMsg>> {
    let (body, payload) = (file.slice(&queue.body), file.slice(&queue.payload));
    let Ok(parts) = Parts::new(Payload::Messages, body, payload, order) else { return Vec::new() };
    // Damage was reported when the queue itself was read.
    parts
        .map_while(Result::ok)
        .enumerate()
        .filter_map(|(index, part)| {
            let entry = Entry {
                index: index as u64,
                body: payload.get(part.body.clone())?,
                offset: queue.payload.start.checked_add(part.body.start as u64)?,
                payload: payload.get(part.data)?,
                order,
            };
            decode(file.name, &entry).map_err(|problem| diagnostics.push(problem)).ok()
        })
        .collect()
}

fn read_entries<T: Image>(
    file: &ImageFile<'_>,
    diagnostics: &mut Vec<Diagnostic>,
    mut on_head: impl FnMut(Entry<'_>, &mut Vec<Diagnostic>),
) -> Vec<Located<T>> {
    let mut found = Vec::new();
    let opened = match open_as(file, Some(T::KIND)) {
        Ok(Some(opened)) => opened,
        Ok(None) => return found,
        Err(problem) => {
            diagnostics.push(problem);
            return found;
        }
    };
    if opened.framing == Framing::Raw || opened.descriptor.message() != T::KIND.descriptor().message() {
        let message =
            format!("this is {}, where {} is expected", opened.descriptor.name, T::KIND.descriptor().name);
        diagnostics.push(Diagnostic::loss("unexpected-image", file.name, message));
        return found;
    }
    let headed = opened.descriptor.head_message().is_some();
    let message = T::KIND.descriptor().message().unwrap_or_default();
    let (weigher, presence) = (Weigher::of(message), Presence::of(message));
    let mut room = file.limits.decoded_bytes;
    let mut reports = Reports::new(file.limits);
    for entry in opened.entries() {
        let entry = match entry {
            Ok(entry) => entry,
            Err(problem) => {
                diagnostics.push(problem);
                break;
            }
        };
        if headed && entry.index == 0 {
            on_head(entry, diagnostics);
            continue;
        }
        // An entry may be empty in the file and hundreds of bytes in memory.
        let weight = weigher.weigh(entry.body).saturating_add(size_of::<Located<T>>() as u64);
        let all = file.decoded.fetch_add(weight, Ordering::Relaxed).saturating_add(weight);
        let full = match room.checked_sub(weight) {
            None => Some("decoded-bytes"),
            Some(_) if all > file.limits.all_decoded_bytes => Some("all-decoded-bytes"),
            Some(left) => {
                room = left;
                None
            }
        };
        if let Some(limit) = full {
            // What is left out takes nothing.
            file.decoded.fetch_sub(weight, Ordering::Relaxed);
            let what = format!("{} entries were read; the next would not fit into memory", found.len());
            diagnostics.push(reached("too-many-entries", file.name, limit, what).at(entry.offset));
            break;
        }
        match decode(file.name, &entry) {
            Ok(located) => found.push(located),
            Err(problem) => {
                let kept = without_upcoming(file.name, &entry);
                reports.push(kept.as_ref().map_or(problem, |(_, problem)| problem.clone()), diagnostics);
                match kept {
                    Some((located, _)) => found.push(located),
                    // How much of the pages image it takes is not known, nor where the bytes of those after it are.
                    None if headed => break,
                    None => continue,
                }
            }
        }
        if let Some(problem) = missing_fields(file.name, presence, &entry) {
            reports.push(problem, diagnostics);
        }
    }
    reports.finish(file.name, diagnostics);
    found
}

/// Tells which fields an entry lacks that CRIU cannot have left out.
fn missing_fields(name: &str, presence: Presence, entry: &Entry<'_>) -> Option<Diagnostic> {
    let missing = presence.missing(entry.body)?;
    let message = format!("entry {} lacks {missing}, which CRIU always writes", entry.index);
    Some(Diagnostic::loss("missing-field", name, message).at(entry.offset))
}

/// Decodes a message without the fields whose types are not settled.
fn without_upcoming<T: Image>(name: &str, entry: &Entry<'_>) -> Option<(Located<T>, Diagnostic)> {
    let kept = upcoming::without(T::KIND.descriptor().message()?, entry.body)?;
    let value = T::decode(kept.as_slice()).ok()?;
    let end = entry.offset.saturating_add(entry.body.len() as u64);
    let message =
        format!("a field of entry {} is of a later CRIU and not of the type that is expected", entry.index);
    let located = Located {
        value,
        body: entry.offset..end,
        payload: end..end.saturating_add(entry.payload.len() as u64),
    };
    Some((located, Diagnostic::loss("unknown-field", name, message).at(entry.offset)))
}

/// Decodes one message.
pub(super) fn decode<T: prost::Message + Default>(
    name: &str,
    entry: &Entry<'_>,
) -> Result<Located<T>, Diagnostic> {
    let value = T::decode(entry.body).map_err(|error| {
        let message = format!("entry {} cannot be decoded: {error}", entry.index);
        Diagnostic::loss("undecodable-entry", name, message).at(entry.offset)
    })?;
    let end = entry.offset.saturating_add(entry.body.len() as u64);
    Ok(Located {
        value,
        body: entry.offset..end,
        payload: end..end.saturating_add(entry.payload.len() as u64),
    })
}
