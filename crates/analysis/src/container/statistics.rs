//! What CRIU measured while it dumped and restored (`format.md §12.4`).

use ckptfx_parser::{
    Checkpoint, Diagnostic,
    image::{self, ImageFile},
    proto,
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::Case;

/// Statistics of one dump or restore.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "operation", rename_all = "kebab-case")]
pub enum Measured {
    /// From `stats-dump`.
    Dump(Dump),
    /// From `stats-restore`, which is there when the images were restored where they lay.
    Restore(Restore),
}

/// Statistics of the dump. Null is what the CRIU of that time did not count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Dump {
    /// Time until all tasks stood still, in microseconds.
    pub freezing_us: Option<u32>,
    /// Time that tasks stood still, in microseconds.
    pub frozen_us: Option<u32>,
    /// Time to take the pages over, in microseconds.
    pub memory_dump_us: Option<u32>,
    /// Time to write them, in microseconds.
    pub memory_write_us: Option<u32>,
    /// Time to find the paths of watched files, in microseconds.
    pub irmap_resolve_us: Option<u32>,
    /// Pages of private memory looked at.
    pub pages_scanned: Option<u64>,
    /// Pages left to the parent dump.
    pub pages_skipped_parent: Option<u64>,
    /// Pages written.
    pub pages_written: Option<u64>,
    /// Pages left for lazy migration.
    pub pages_lazy: Option<u64>,
    /// Pipes that pages went through.
    pub page_pipes: Option<u64>,
    /// Buffers of these pipes.
    pub page_pipe_buffers: Option<u64>,
    /// Pages of shared memory looked at.
    pub shared_pages_scanned: Option<u64>,
    /// Pages of shared memory left to the parent dump.
    pub shared_pages_skipped_parent: Option<u64>,
    /// Pages of shared memory written.
    pub shared_pages_written: Option<u64>,
    /// Size of all pages images of the checkpoint divided by the page size; null when no process tells the page
    /// size. It is `pages_written` and `shared_pages_written` together unless images were removed, replaced or
    /// compressed, or the archive is cut.
    pub pages_in_images: Option<u64>,
}

/// Statistics of a restore.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Restore {
    /// Pages compared with those of the parent process.
    pub pages_compared: Option<u64>,
    /// Pages found equal and left shared with it.
    pub pages_skipped_cow: Option<u64>,
    /// Pages restored.
    pub pages_restored: Option<u64>,
    /// Time to make the processes, in microseconds.
    pub forking_us: Option<u32>,
    /// Time of the whole restore, in microseconds.
    pub restore_us: Option<u32>,
}

/// Reads `stats-dump` or `stats-restore`, which engines put beside the images and CRIU among them.
pub(crate) fn read(
    checkpoint: &Checkpoint,
    name: &str,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<proto::StatsEntry> {
    let (order, limits) = (checkpoint.images.order, checkpoint.images.limits());
    let decoded = checkpoint.images.decoded();
    let beside = checkpoint.engine_file(name);
    let beside = beside.map(|member| ImageFile { name, bytes: member.bytes(), order, limits, decoded });
    let file = beside.or_else(|| checkpoint.images.file(name))?;
    image::read(&file, diagnostics).into_iter().next().map(|entry| entry.value)
}

/// Statistics of the dump, then of a restore, as far as the evidence has them.
pub fn statistics(case: &mut Case<'_>) -> Vec<Measured> {
    let mut notes = Vec::new();
    let dump = read(case.checkpoint, "stats-dump", &mut notes).and_then(|entry| entry.dump);
    let restore = read(case.checkpoint, "stats-restore", &mut notes).and_then(|entry| entry.restore);
    if dump.is_none() {
        notes.push(Diagnostic::note(
            "no-statistics",
            "stats-dump",
            "the archive holds no statistics of the dump",
        ));
    }
    if restore.is_some() {
        notes.push(Diagnostic::note(
            "restored",
            "stats-restore",
            "the checkpoint was restored from this directory at least once: its files may have changed since the dump",
        ));
    }
    let mut found = Vec::new();
    if let Some(dump) = dump {
        let dump = of_dump(&dump, pages_in_images(case));
        notes.extend(disagreement(&dump));
        found.push(Measured::Dump(dump));
    }
    found.extend(restore.map(|restore| {
        Measured::Restore(Restore {
            pages_compared: restore.pages_compared,
            pages_skipped_cow: restore.pages_skipped_cow,
            pages_restored: restore.pages_restored,
            forking_us: restore.forking_time,
            restore_us: restore.restore_time,
        })
    }));
    case.diagnostics.append(&mut notes);
    found
}

fn of_dump(dump: &proto::DumpStatsEntry, pages_in_images: Option<u64>) -> Dump {
    Dump {
        freezing_us: dump.freezing_time,
        frozen_us: dump.frozen_time,
        memory_dump_us: dump.memdump_time,
        memory_write_us: dump.memwrite_time,
        irmap_resolve_us: dump.irmap_resolve,
        pages_scanned: dump.pages_scanned,
        pages_skipped_parent: dump.pages_skipped_parent,
        pages_written: dump.pages_written,
        pages_lazy: dump.pages_lazy,
        page_pipes: dump.page_pipes,
        page_pipe_buffers: dump.page_pipe_bufs,
        shared_pages_scanned: dump.shpages_scanned,
        shared_pages_skipped_parent: dump.shpages_skipped_parent,
        shared_pages_written: dump.shpages_written,
        pages_in_images,
    }
}

/// Whole pages of all pages images.
fn pages_in_images(case: &Case<'_>) -> Option<u64> {
    let page_size = case.tasks.iter().find_map(|task| task.space.as_ref()).map(|space| space.page_size)?;
    let pages = case.checkpoint.images.files().filter(|(name, _)| name.starts_with("pages-"));
    let bytes = pages.fold(0, |sum: u64, (_, member)| sum.saturating_add(member.size));
    bytes.checked_div(page_size)
}

fn disagreement(dump: &Dump) -> Option<Diagnostic> {
    // Before 3.13 shared pages were not counted, yet their images are there: only too few tell something.
    let written = dump.pages_written?;
    let in_images = dump.pages_in_images?;
    let (agrees, all) = match dump.shared_pages_written {
        Some(shared) => {
            let all = written.checked_add(shared)?;
            (in_images == all, all)
        }
        None => (in_images >= written, written),
    };
    (!agrees).then(|| {
        Diagnostic::note(
            "pages-differ",
            "stats-dump",
            format!(
                "CRIU counted {all} pages written, but the pages images hold {in_images}: images were removed, \
                 replaced, compressed or cut, or the statistics are of another dump"
            ),
        )
    })
}

#[cfg(test)]
mod tests {
    use ckptfx_testkit::{Checkpoint, Message};

    use super::*;

    fn of(dump: Checkpoint) -> (Vec<Measured>, Vec<&'static str>) {
        crate::tests::with_case(dump, |case| {
            case.diagnostics.clear();
            (statistics(case), case.diagnostics.iter().map(|one| one.code).collect())
        })
    }

    #[test]
    fn the_dump_agrees_with_its_images() {
        let (found, notes) = of(ckptfx_testkit::rich());
        assert_eq!(notes, [""; 0]);
        let [Measured::Dump(dump)] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((dump.freezing_us, dump.pages_in_images), (Some(1470), dump.pages_written));
        assert!(dump.pages_in_images > Some(0));
    }

    #[test]
    fn a_restore_leaves_its_mark() {
        let restore =
            Message::new().uint(1, 3_u32).uint(2, 2_u32).uint(3, 10_u32).uint(4, 20_u32).uint(5, 7_u32);
        let stats = Message::new().message(2, &restore);
        let image = ckptfx_testkit::rich().style().image("stats-restore", [&stats]);
        let (found, notes) = of(ckptfx_testkit::rich().raw_image("stats-restore", image));
        assert_eq!(notes, ["restored"]);
        let expected = Measured::Restore(Restore {
            pages_compared: Some(3),
            pages_skipped_cow: Some(2),
            pages_restored: Some(7),
            forking_us: Some(10),
            restore_us: Some(20),
        });
        assert_eq!(found.get(1), Some(&expected));
    }

    #[test]
    fn lost_pages_are_noted() {
        let with = |shared_pages_written, pages_in_images| {
            let entry = proto::DumpStatsEntry {
                pages_written: Some(10),
                shpages_written: shared_pages_written,
                ..Default::default()
            };
            disagreement(&of_dump(&entry, pages_in_images)).is_some()
        };
        assert!(!with(Some(2), Some(12)) && with(Some(2), Some(11)) && with(Some(2), Some(13)));
        assert!(!with(None, Some(12)) && with(None, Some(9)));
        assert!(!with(Some(2), None) && !with(Some(u64::MAX), Some(1)));
    }
}
