//! Stretches of regions: what one thread gets at a time.

use crate::region::Region;

/// A length as a count. Never saturates on any machine there is.
pub(crate) fn count(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

/// A stretch of one region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) region: usize,
    pub(crate) from: usize,
    pub(crate) border: usize,
}

/// Cuts regions into chunks of about equal size: part of a large region, or several small ones.
pub(crate) struct Chunks<'a> {
    regions: &'a [Region<'a>],
    size: usize,
    region: usize,
    from: usize,
}

impl<'a> Chunks<'a> {
    pub(crate) fn new(regions: &'a [Region<'a>], size: usize) -> Self {
        Self { regions, size: size.max(1), region: 0, from: 0 }
    }
}

impl Iterator for Chunks<'_> {
    type Item = Vec<Piece>;

    fn next(&mut self) -> Option<Vec<Piece>> {
        let mut pieces = Vec::new();
        let mut room = self.size;
        while let Some(region) = self.regions.get(self.region).filter(|_| room > 0) {
            let border = region.bytes.len().min(self.from.saturating_add(room));
            if border > self.from {
                pieces.push(Piece { region: self.region, from: self.from, border });
                room -= border - self.from;
            }
            if border == region.bytes.len() {
                self.region += 1;
                self.from = 0;
            } else {
                self.from = border;
            }
        }
        (!pieces.is_empty()).then_some(pieces)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_cover_every_byte_once_and_in_order() {
        let bytes = [0; 23];
        let regions: Vec<_> = [10, 0, 1, 23, 0].iter().map(|len| Region::new(0, &bytes[..*len])).collect();
        for size in 1..40 {
            let chunks: Vec<_> = Chunks::new(&regions, size).collect();
            let mut expected = Vec::new();
            for (region, it) in regions.iter().enumerate() {
                expected.extend((0..it.bytes.len()).map(|at| (region, at)));
            }
            let covered: Vec<_> = chunks
                .iter()
                .flatten()
                .flat_map(|piece| (piece.from..piece.border).map(|at| (piece.region, at)))
                .collect();
            assert_eq!(covered, expected);
            assert!(
                chunks
                    .iter()
                    .all(|pieces| pieces.iter().map(|it| it.border - it.from).sum::<usize>() <= size)
            );
        }
    }
}
