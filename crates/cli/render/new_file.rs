//! The file that `--out-file` names: it has no name before it is complete, so that nothing is left of it however the
//! program ends. What is no file, such as a device or a pipe, is written to as it stands, and never replaced.

use std::{
    fs::File,
    io::{self, Seek, SeekFrom, Write},
    os::fd::AsRawFd as _,
    path::{Path, PathBuf},
};

use rustix::{
    fs::{AtFlags, CWD, Mode, OFlags},
    io::Errno,
};
use tempfile::NamedTempFile;

/// A file of mode 0600 that takes its place when it is complete.
pub enum NewFile {
    /// Without a name.
    Unnamed(File),
    /// Where the file system knows no files without a name.
    Named(NamedTempFile),
    /// A device, pipe or socket that is there.
    Special(File),
}

impl NewFile {
    /// Begins a file that is to be at a path.
    pub fn beside(path: &Path) -> io::Result<Self> {
        let directory = directory_of(path);
        if path.metadata().is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir()) {
            return File::options().write(true).open(path).map(Self::Special);
        }
        match rustix::fs::open(
            directory,
            OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC,
            Mode::RUSR | Mode::WUSR,
        ) {
            Ok(file) => Ok(Self::Unnamed(file.into())),
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::NOENT | Errno::INVAL) => {
                NamedTempFile::new_in(directory).map(Self::Named)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Puts it in its place, over what is there.
    pub fn persist(self, path: &Path) -> io::Result<()> {
        let file = match self {
            Self::Named(file) => return file.persist(path).map(drop).map_err(|error| error.error),
            Self::Special(_) => return Ok(()),
            Self::Unnamed(file) => file,
        };
        // A file gets its first name only where none is; the second replaces what is there.
        let own = format!("/proc/self/fd/{}", file.as_raw_fd());
        let (mut temporary, mut attempt) = (PathBuf::new(), 0_u32);
        loop {
            let name = format!(".ckptfx-{}-{attempt}", std::process::id());
            temporary.clone_from(&directory_of(path).join(name));
            match rustix::fs::linkat(CWD, &own, CWD, &temporary, AtFlags::SYMLINK_FOLLOW) {
                Ok(()) => break,
                Err(Errno::EXIST) if attempt < 1000 => attempt += 1,
                Err(error) => return Err(error.into()),
            }
        }
        std::fs::rename(&temporary, path).inspect_err(|_| {
            // What cannot be removed either is reported by the error that is given.
            let _ = std::fs::remove_file(&temporary);
        })
    }

    /// Whether what is sought over becomes zeros.
    pub fn can_have_holes(&self) -> bool {
        !matches!(self, Self::Special(_))
    }

    fn file(&mut self) -> &mut File {
        match self {
            Self::Unnamed(file) | Self::Special(file) => file,
            Self::Named(file) => file.as_file_mut(),
        }
    }
}

fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

impl Write for NewFile {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.file().write(buffer)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file().flush()
    }
}

impl Seek for NewFile {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        self.file().seek(position)
    }
}
