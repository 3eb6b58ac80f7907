//! Changes messages of images as messages: fields are altered, doubled, removed, moved and emptied, and lengths stay
//! right, so that the result gets past the decoder. It is shared with `fuzz/` by its path.

use ckptfx_testkit::{Members, put_varint};

/// Values at which arithmetic goes wrong.
const EDGES: [u64; 14] = [
    0,
    1,
    2,
    0xfff,
    0x1000,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x1_0000_0000,
    0x7fff_ffff_f000,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    0xffff_ffff_ffff_f000,
    u64::MAX,
];

/// Decisions taken from bytes; when they run out, always the first.
pub struct Choices<'a>(&'a [u8]);

impl<'a> Choices<'a> {
    /// Takes decisions from bytes.
    pub fn of(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn below(&mut self, bound: usize) -> usize {
        if bound == 0 { 0 } else { (usize::from(self.byte()) << 8 | usize::from(self.byte())) % bound }
    }
}

/// Changes some images of a checkpoint.
pub fn members(members: &mut Members, choices: &mut Choices<'_>) {
    let images: Vec<usize> = (0..members.list.len())
        .filter(|index| members.list[*index].path.ends_with(b".img"))
        .filter(|index| !members.list[*index].path.windows(6).any(|part| part == b"pages-"))
        .collect();
    for _ in 0..=choices.below(4) {
        let member = &mut members.list[images[choices.below(images.len())]];
        let header = if member.path.ends_with(b"inventory.img") { 4 } else { 8 };
        let bytes = member.body.to_vec();
        if bytes.len() > header {
            member.body = image(&bytes, header, choices).into();
        }
    }
}

/// Changes one entry of an image; what does not look like entries stays.
fn image(bytes: &[u8], header: usize, choices: &mut Choices<'_>) -> Vec<u8> {
    let mut entries = Vec::new();
    let mut position = header;
    while let Some(length) = bytes.get(position..position + 4) {
        let length = u32::from_le_bytes(length.try_into().expect("four bytes")) as usize;
        let Some(body) = bytes.get(position + 4..position + 4 + length) else { break };
        entries.push(body.to_vec());
        position += 4 + length;
    }
    let rest = &bytes[position..];
    if !entries.is_empty() {
        let at = choices.below(entries.len());
        match choices.byte() % 8 {
            0 => drop(entries.remove(at)),
            1 => entries.push(entries[at].clone()),
            _ => entries[at] = message(&entries[at].clone(), 0, choices),
        }
    }
    let mut out = bytes[..header].to_vec();
    for entry in entries {
        out.extend(u32::try_from(entry.len()).expect("a length").to_le_bytes());
        out.extend(entry);
    }
    out.extend(rest);
    out
}

/// A field: number, wire type, and its value with its length.
type Field = (u64, u8, Vec<u8>, u64);

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn fields(mut bytes: &[u8]) -> Option<Vec<Field>> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes)?;
        let wire = (key & 7) as u8;
        let (value, number) = match wire {
            0 => (Vec::new(), varint(&mut bytes)?),
            1 | 5 => {
                let (value, rest) = bytes.split_at_checked(if wire == 1 { 8 } else { 4 })?;
                bytes = rest;
                (value.to_vec(), 0)
            }
            2 => {
                let length = usize::try_from(varint(&mut bytes)?).ok()?;
                let (value, rest) = bytes.split_at_checked(length)?;
                bytes = rest;
                (value.to_vec(), 0)
            }
            _ => return None,
        };
        fields.push((key >> 3, wire, value, number));
    }
    Some(fields)
}

/// Changes one field of a message, or of a message within it.
fn message(bytes: &[u8], depth: usize, choices: &mut Choices<'_>) -> Vec<u8> {
    let Some(mut list) = fields(bytes).filter(|list| !list.is_empty()) else {
        return bytes.iter().map(|byte| byte ^ choices.byte()).collect();
    };
    let at = choices.below(list.len());
    match choices.byte() % 10 {
        0 => drop(list.remove(at)),
        1 => list.push(list[at].clone()),
        2 => {
            let other = choices.below(list.len());
            list.swap(at, other);
        }
        3 => list[at].0 = 1 + choices.below(40) as u64,
        4 => {
            let copy = list[at].clone();
            list.extend(std::iter::repeat_n(copy, 50));
        }
        _ => match list[at].1 {
            0 => {
                let edge = EDGES[choices.below(EDGES.len())];
                list[at].3 = match choices.byte() % 3 {
                    0 => edge,
                    1 => list[at].3.wrapping_add(edge),
                    _ => list[at].3 ^ 1 << (choices.byte() % 64),
                };
            }
            2 if depth < 6 && !choices.byte().is_multiple_of(8) => {
                list[at].2 = message(&list[at].2, depth + 1, choices)
            }
            _ => {
                let length = choices.below(list[at].2.len() + 1);
                // Numbers of a fixed length keep it.
                if list[at].1 == 2 {
                    list[at].2.truncate(length);
                }
            }
        },
    }
    let mut out = Vec::new();
    for (number, wire, value, integer) in list {
        put_varint(&mut out, number << 3 | u64::from(wire));
        match wire {
            0 => put_varint(&mut out, integer),
            2 => {
                put_varint(&mut out, value.len() as u64);
                out.extend(value);
            }
            _ => out.extend(value),
        }
    }
    out
}
