//! The search for every literal of a plan, in groups.

use crate::group::{FEW, Group, MANY};
use crate::hit::Encoding;
use crate::lane::Lane;
use crate::sweep::{Full, Sweep};
use crate::tile::fold_into;

/// Bytes of a member that its group looks at.
const PREFIX: usize = 16;

/// The search for every literal of a plan.
pub(crate) struct Literals {
    /// Groups that search the bytes as they are.
    exact: Vec<Group>,
    /// Groups that search the bytes with capitals made small.
    folded: Vec<Group>,
}

impl Literals {
    pub(crate) fn new(lanes: &[Lane]) -> Self {
        let all = lanes.iter().enumerate().filter_map(|(at, lane)| Some((at, lane.literal()?)));
        let (folded, exact): (Vec<_>, Vec<_>) = all.partition(|(_, literal)| literal.fold);
        let few = exact.len() <= FEW;
        let prefix = |needle: &[u8], most: usize| needle.iter().copied().take(most).collect::<Vec<u8>>();
        let exact: Vec<_> = exact
            .iter()
            .map(|(lane, it)| (*lane, prefix(it.needle(), if few { usize::MAX } else { PREFIX })))
            .collect();
        let mut exact = Self::groups(lanes, exact);
        if folded.len() <= FEW {
            exact.extend(folded.iter().map(|(lane, it)| Group::pair(it.needle(), *lane)));
            return Self { exact, folded: Vec::new() };
        }
        let folded: Vec<_> = folded
            .iter()
            .map(|(lane, it)| (*lane, prefix(it.needle(), PREFIX).to_ascii_lowercase()))
            .collect();
        Self { exact, folded: Self::groups(lanes, folded) }
    }

    /// Groups of one encoding each: the zero bytes of UTF-16, at even places in one byte order and at odd places in
    /// the other, would together let zero pages through the vector search.
    fn groups(lanes: &[Lane], wanted: Vec<(usize, Vec<u8>)>) -> Vec<Group> {
        if wanted.len() <= FEW || wanted.len() > MANY {
            return Group::build(&wanted);
        }
        let of = |encoding| {
            let chosen = |lane: usize| lanes.get(lane).is_some_and(|lane| lane.encoding == encoding);
            wanted.iter().filter(|(lane, _)| chosen(*lane)).cloned().collect::<Vec<_>>()
        };
        Encoding::ALL.into_iter().flat_map(|encoding| Group::build(&of(encoding))).collect()
    }

    /// Adds the hits that start in `from..border`; a lane's hits start no earlier than `sweep.next` says, which
    /// moves on with them.
    pub(crate) fn sweep(
        &self,
        lanes: &[Lane],
        bytes: &[u8],
        from: usize,
        border: usize,
        sweep: &mut Sweep,
    ) -> Result<(), Full> {
        let Some(text) = bytes.get(from..) else { return Ok(()) };
        let length = border.saturating_sub(from);
        let mut fold = std::mem::take(&mut sweep.folded);
        let result = self.tile(lanes, bytes, text, from, length, &mut fold, sweep);
        sweep.folded = fold;
        result
    }

    #[allow(clippy::too_many_arguments)]
    fn tile(
        &self,
        lanes: &[Lane],
        bytes: &[u8],
        text: &[u8],
        from: usize,
        length: usize,
        folded: &mut Vec<u8>,
        sweep: &mut Sweep,
    ) -> Result<(), Full> {
        let mut report = |lane: usize, at: usize| {
            let start = from + at;
            let next = sweep.next_of(lane);
            if start < next {
                return Ok(next - from);
            }
            let Some(literal) = lanes.get(lane).and_then(Lane::literal) else { return Ok(0) };
            if literal.confirms(bytes, start) {
                let end = start + literal.needle().len();
                sweep.add(lane, start, end)?;
                return Ok(end - from);
            }
            Ok(0)
        };
        for group in &self.exact {
            group.candidates(text, length, &mut report)?;
        }
        if !self.folded.is_empty() {
            let reach = self.folded.iter().map(|group| group.reach).max().unwrap_or(0);
            let end = text.len().min(length.saturating_add(reach.saturating_sub(1)));
            fold_into(text.get(..end).unwrap_or(text), folded);
            for group in &self.folded {
                group.candidates(folded, length, &mut report)?;
            }
        }
        Ok(())
    }
}
