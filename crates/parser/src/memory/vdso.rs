//! What the vDSO tells of the kernel that made it.

use super::{
    Pages,
    vma::{Vma, VmaKind},
};

/// `EM_X86_64` and `EM_386`.
const X86: [u16; 2] = [62, 3];
/// The release from which x86 maps the clocks of hypervisors apart from its other data.
const CLOCKS_APART: u32 = 6 << 16 | 13 << 8;
/// Pages of these clocks.
const CLOCK_PAGES: u64 = 2;

/// `LINUX_VERSION_CODE` in a vDSO: an ELF note named `Linux` of type 0, found by its header so that a damaged ELF
/// file still gives it.
#[must_use]
pub fn linux_version_code(vdso: &[u8]) -> Option<u32> {
    // namesz 6, descsz 4, type 0, "Linux\0" padded to 8, then the code.
    let header =
        [&6_u32.to_le_bytes()[..], &4_u32.to_le_bytes(), &0_u32.to_le_bytes(), b"Linux\0\0\0"].concat();
    let at = vdso.windows(header.len()).position(|window| window == header.as_slice())?;
    let code = vdso.get(at + header.len()..)?.first_chunk::<4>()?;
    Some(u32::from_le_bytes(*code))
}

/// CRIU writes `[vvar]` and `[vvar_vclock]` as one mapping. On the kernels that have both, this makes them two
/// again, as `/proc/PID/maps` showed them.
pub(super) fn part_clocks(vmas: &mut Vec<Vma>, pages: &Pages<'_>, page_size: u64) {
    let Some(vdso) = vmas.iter().find(|vma| vma.kind == VmaKind::Vdso) else { return };
    let mut runs = pages.within(vdso.start, vdso.end);
    let Some(bytes) = runs.next().and_then(|run| run.read()) else { return };
    let bytes = bytes.as_ref();
    // e_machine.
    let machine = bytes.get(18..).and_then(|rest| rest.first_chunk()).map(|bytes| u16::from_le_bytes(*bytes));
    if !machine.is_some_and(|machine| X86.contains(&machine))
        || linux_version_code(bytes).is_none_or(|code| code < CLOCKS_APART)
    {
        return;
    }
    let mut data = vmas.iter().enumerate().filter(|(_, vma)| vma.kind == VmaKind::Vvar);
    let (Some((index, vvar)), None) = (data.next(), data.next()) else { return };
    let mut clocks = vvar.clone();
    let border = vvar.end.saturating_sub(CLOCK_PAGES * page_size);
    if border <= vvar.start {
        return;
    }
    clocks.start = border;
    clocks.name = b"[vvar_vclock]".to_vec();
    if let Some(vvar) = vmas.get_mut(index) {
        vvar.end = border;
    }
    vmas.insert(index + 1, clocks);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_version_in_a_note() {
        let mut vdso = vec![0x7f; 40];
        vdso.extend([6, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0]);
        vdso.extend(b"Linux\0\0\0");
        vdso.extend(0x0006_122c_u32.to_le_bytes());
        assert_eq!(linux_version_code(&vdso), Some(0x6_122c));
        assert_eq!(linux_version_code(&vdso[..vdso.len() - 1]), None);
    }
}
