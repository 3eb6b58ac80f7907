//! Image streams as criu-image-streamer stores them (`archives.md §1.9`): one or more shards of
//! `u32 length, marker, payload` records that interleave files.

use std::{collections::HashMap, io::Write as _};

use bytes::Bytes;
use prost::Message as _;

use super::{
    listing::Archive,
    member::{Member, MemberKind},
    path::normalise,
};
use crate::{
    Diagnostic, Limits, Reports,
    limits::{count, reached},
    source::Spool,
};

/// A marker is a few bytes and a file name.
const MAX_MARKER: usize = 10 << 10;

#[derive(Clone, PartialEq, prost::Message)]
struct Marker {
    #[prost(uint64, optional, tag = "1")]
    sequence: Option<u64>,
    #[prost(bytes = "vec", optional, tag = "2")]
    file_name: Option<Vec<u8>>,
    #[prost(uint32, optional, tag = "3")]
    file_data: Option<u32>,
    #[prost(bool, optional, tag = "4")]
    file_end: Option<bool>,
    #[prost(bool, optional, tag = "5")]
    image_end: Option<bool>,
}

/// Reads the record at a position: its marker and where the next byte is.
fn marker_at(shard: &[u8], position: usize) -> Option<(Marker, usize)> {
    let (length, rest) = shard.get(position..)?.split_first_chunk::<4>()?;
    let length = u32::from_le_bytes(*length) as usize;
    if length > MAX_MARKER {
        return None;
    }
    let marker = Marker::decode(rest.get(..length)?).ok()?;
    Some((marker, position + 4 + length))
}

/// Whether the bytes begin like a shard: a record with a sequence number and a body (sequence 0 only with
/// a file name), and after its payload another one or the end.
pub fn looks_like_stream(bytes: &[u8]) -> bool {
    let Some((marker, next)) = marker_at(bytes, 0) else { return false };
    let has_body = match &marker {
        Marker { file_name: Some(name), .. } => {
            !name.is_empty() && name.iter().all(|byte| byte.is_ascii_graphic())
        }
        Marker { sequence: Some(1..), file_data, file_end, image_end, .. } => {
            file_data.is_some() || file_end.is_some() || image_end.is_some()
        }
        _ => false,
    };
    let next = next.saturating_add(marker.file_data.unwrap_or(0) as usize);
    has_body
        && (next == bytes.len()
            || marker_at(bytes, next).is_some_and(|(second, _)| second.sequence.is_some()))
}

struct Record {
    sequence: u64,
    marker: Marker,
    data: Bytes,
}

/// Puts the files of all shards together by the records' sequence numbers.
///
/// # Errors
/// When the anonymous storage for files that lie in pieces fails.
pub fn index_stream(shards: &[Bytes], name: &str, limits: &Limits) -> std::io::Result<Archive> {
    let mut archive = Archive::under(limits);
    let mut records = Vec::new();
    for shard in shards {
        read_shard(shard, name, limits, &mut records, &mut archive.diagnostics);
    }
    records.sort_by_key(|record| record.sequence);

    let mut files: Vec<(Vec<u8>, Vec<Bytes>)> = Vec::new();
    let mut by_name: HashMap<Vec<u8>, usize> = HashMap::new();
    let mut current = None;
    let mut ended = false;
    let mut gap = None;
    for (expected, record) in (0_u64..).zip(records) {
        if record.sequence != expected && gap.is_none() {
            gap = Some(expected);
        }
        if let Some(file_name) = record.marker.file_name {
            let index = *by_name.entry(file_name.clone()).or_insert_with(|| {
                files.push((file_name, Vec::new()));
                files.len() - 1
            });
            current = Some(index);
        } else if record.marker.file_data.is_some() {
            if let Some((_, pieces)) = current.and_then(|index| files.get_mut(index)) {
                pieces.push(record.data);
            }
        } else if record.marker.image_end == Some(true) {
            ended = true;
        }
    }
    if let Some(sequence) = gap {
        let message = format!("record {sequence} is missing: a shard may be missing");
        archive.diagnostics.push(Diagnostic::loss("stream-gap", name, message));
    } else if !ended {
        let message = "the stream has no end record: it is cut";
        archive.diagnostics.push(Diagnostic::loss("truncated-archive", name, message));
    }
    let mut reports = Reports::new(limits);
    for (path, pieces) in files {
        let data = match pieces.as_slice() {
            [] => Bytes::new(),
            [piece] => piece.clone(),
            pieces => {
                let mut spool = Spool::default();
                for piece in pieces {
                    spool.write_all(piece)?;
                }
                spool.finish()?
            }
        };
        let member = Member {
            path: normalise(&path),
            kind: MemberKind::File,
            size: data.len() as u64,
            mode: 0o644,
            mtime: None,
            uid: None,
            gid: None,
            device: None,
            xattrs: Vec::new(),
            offset: None,
            holes: Vec::new(),
            blocks: std::sync::OnceLock::new(),
            data: data.into(),
        };
        archive.add(member, &mut reports);
    }
    reports.finish(name, &mut archive.diagnostics);
    Ok(archive)
}

fn read_shard(
    shard: &Bytes,
    name: &str,
    limits: &Limits,
    records: &mut Vec<Record>,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let mut position = 0;
    while position < shard.len() {
        let cut = |what: &str| {
            Diagnostic::loss("truncated-archive", name, format!("a shard {what}")).at(position as u64)
        };
        let Some((marker, next)) = marker_at(shard, position) else {
            diagnostics.push(cut("has no readable record here"));
            return;
        };
        let length = marker.file_data.unwrap_or(0) as usize;
        let end = next.saturating_add(length);
        if end > shard.len() {
            diagnostics.push(cut("is cut in this record"));
        }
        let data = shard.slice(next..end.min(shard.len()));
        records.push(Record { sequence: marker.sequence.unwrap_or(0), marker, data });
        if records.len() >= count(limits.members) {
            let what = format!("only the first {} records of the stream are read", limits.members);
            diagnostics.push(reached("too-many-members", name, "members", what));
            return;
        }
        position = end;
    }
}
