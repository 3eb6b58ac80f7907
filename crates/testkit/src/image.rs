//! CRIU image files: magics, headers and the framing of entries.

use crate::wire::Message;
use std::collections::BTreeMap;

const IMG_COMMON: u32 = 0x5456_4319;
const IMG_SERVICE: u32 = 0x5510_5940;

/// Which header words precede the entries of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// CRIU up to 1.5: only the magic of the type.
    V1,
    /// CRIU 1.6 and later: a class magic, then the magic of the type.
    V11,
}

/// How all the images of one dump are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Header form.
    pub framing: Framing,
    /// Byte order of the dumping host.
    pub big_endian: bool,
}

impl Style {
    /// What current CRIU writes on a little-endian machine.
    pub const CURRENT: Self = Self { framing: Framing::V11, big_endian: false };

    /// A 32-bit word in the byte order of the host.
    pub fn word(self, value: u32) -> [u8; 4] {
        if self.big_endian { value.to_be_bytes() } else { value.to_le_bytes() }
    }

    /// A 16-bit word in the byte order of the host.
    pub fn half(self, value: u16) -> [u8; 2] {
        if self.big_endian { value.to_be_bytes() } else { value.to_le_bytes() }
    }

    /// The header of an image of this stem; empty for raw images.
    pub fn header(self, stem: &str) -> Vec<u8> {
        let Some(magic) = magic(stem) else {
            return Vec::new();
        };
        let head = match stem {
            "inventory" => None,
            _ if self.framing == Framing::V1 => None,
            "stats-dump" | "stats-restore" | "irmap-cache" => Some(IMG_SERVICE),
            _ => Some(IMG_COMMON),
        };
        head.into_iter().chain([magic]).flat_map(|word| self.word(word)).collect()
    }

    /// One framed entry followed by its payload.
    pub fn entry(self, message: &Message, payload: &[u8]) -> Vec<u8> {
        let size = u32::try_from(message.as_bytes().len()).expect("entry below 4 GiB");
        let mut out = self.word(size).to_vec();
        out.extend_from_slice(message.as_bytes());
        out.extend_from_slice(payload);
        out
    }

    /// A complete image with the given entries.
    pub fn image<'a>(self, stem: &str, entries: impl IntoIterator<Item = &'a Message>) -> Vec<u8> {
        let mut out = self.header(stem);
        for entry in entries {
            out.extend(self.entry(entry, &[]));
        }
        out
    }
}

/// File name of an image: `stem.img`, or `stem-key.img`.
pub fn file_name(stem: &str, key: &str) -> String {
    match (stem, key) {
        ("stats-dump" | "stats-restore" | "irmap-cache", _) => stem.to_owned(),
        (_, "") => format!("{stem}.img"),
        _ => format!("{stem}-{key}.img"),
    }
}

/// The magic of an image by the stem of its file name.
pub fn magic(stem: &str) -> Option<u32> {
    Some(match stem {
        "inventory" => 0x5831_3116,
        "pstree" => 0x5027_3030,
        "core" => 0x5505_3847,
        "ids" => 0x5443_2030,
        "mm" => 0x5749_2820,
        "vmas" => 0x5412_3737,
        "fs" => 0x5140_3912,
        "creds" => 0x5402_3547,
        "fdinfo" => 0x5621_3732,
        "files" => 0x5630_3138,
        "pagemap" | "pagemap-shmem" => 0x5608_4025,
        "reg-files" => 0x5036_3636,
        "ext-files" => 0x5925_5641,
        "ns-files" => 0x6139_4011,
        "eventfd" => 0x4452_3722,
        "eventpoll" => 0x4502_3858,
        "eventpoll-tfd" => 0x4443_3746,
        "signalfd" => 0x5732_3820,
        "inotify" => 0x4842_4431,
        "inotify-wd" => 0x5456_2009,
        "fanotify" => 0x5509_6122,
        "fanotify-mark" => 0x5650_6035,
        "pipes" => 0x5651_3555,
        "pipes-data" => 0x5645_3709,
        "fifo" => 0x5836_4939,
        "fifo-data" => 0x5933_3054,
        "sigacts" => 0x5534_4201,
        "unixsk" => 0x5437_3943,
        "inetsk" => 0x5644_3851,
        "packetsk" => 0x6045_4618,
        "netlinksk" => 0x5800_5614,
        "sk-queues" => 0x5626_4026,
        "itimers" => 0x5746_4056,
        "posix-timers" => 0x5260_3957,
        "utsns" => 0x5447_3203,
        "ipcns-var" => 0x5311_5007,
        "ipcns-shm" => 0x4628_3044,
        "ipcns-msg" => 0x5545_3737,
        "ipcns-sem" => 0x5957_3019,
        "remap-fpath" => 0x5913_3954,
        "ghost-file" => 0x5258_3605,
        "memfd" => 0x4845_3499,
        "tcp-stream" => 0x5146_5506,
        "mountpoints" => 0x5556_3928,
        "netdev" => 0x5737_3951,
        "netns" => 0x5593_3752,
        "autofs" => 0x4935_3943,
        "binfmt-misc" => 0x6734_3323,
        "tty" => 0x5943_3025,
        "tty-info" => 0x5945_3036,
        "tty-data" => 0x5941_3026,
        "filelocks" => 0x5432_3616,
        "rlimit" => 0x5711_3925,
        "signal-s" | "signal-p" => 0x5925_5647,
        "tunfile" => 0x5714_3751,
        "cgroup" => 0x5938_3330,
        "timerfd" => 0x5049_3712,
        "cpuinfo" => 0x6140_4013,
        "seccomp" => 0x6441_3049,
        "userns" => 0x5547_4906,
        "timens" => 0x4311_4433,
        "pidns" => 0x6115_7326,
        "bpfmap-data" => 0x6432_4033,
        "apparmor" => 0x5942_3047,
        "stats-dump" | "stats-restore" => 0x5709_3306,
        "irmap-cache" => 0x5700_4059,
        "cipher" => 0x5003_4653,
        _ => return None,
    })
}

/// The images of one dump, created on their first entry, as CRIU does.
#[derive(Debug, Clone)]
pub struct Images {
    /// How headers and sizes are written.
    pub style: Style,
    files: BTreeMap<String, Vec<u8>>,
}

impl Images {
    /// No images yet.
    pub fn new(style: Style) -> Self {
        Self { style, files: BTreeMap::new() }
    }

    /// Creates the image with its header if it is not there.
    pub fn touch(&mut self, stem: &str, key: impl ToString) -> &mut Vec<u8> {
        let header = self.style.header(stem);
        self.files.entry(file_name(stem, &key.to_string())).or_insert(header)
    }

    /// Adds an entry to the image `stem-key.img` (`key` may be empty).
    pub fn add(&mut self, stem: &str, key: impl ToString, message: &Message) {
        self.add_with(stem, key, message, &[]);
    }

    /// Adds an entry and the payload that follows it.
    pub fn add_with(&mut self, stem: &str, key: impl ToString, message: &Message, payload: &[u8]) {
        let entry = self.style.entry(message, payload);
        self.touch(stem, key).extend(entry);
    }

    /// Sets a file to exactly these bytes.
    pub fn put(&mut self, name: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        self.files.insert(name.into(), bytes.into());
    }

    /// Appends bytes without framing.
    pub fn append(&mut self, name: impl Into<String>, bytes: &[u8]) {
        self.files.entry(name.into()).or_default().extend(bytes);
    }

    /// The files written so far, by name.
    pub fn into_files(self) -> BTreeMap<String, Vec<u8>> {
        self.files
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers() {
        let old = Style { framing: Framing::V1, big_endian: false };
        let big = Style { framing: Framing::V11, big_endian: true };
        assert_eq!(Style::CURRENT.header("inventory"), [0x16, 0x31, 0x31, 0x58]);
        assert_eq!(Style::CURRENT.header("core"), [0x19, 0x43, 0x56, 0x54, 0x47, 0x38, 0x05, 0x55]);
        assert_eq!(Style::CURRENT.header("stats-dump")[..4], [0x40, 0x59, 0x10, 0x55]);
        assert_eq!(old.header("core"), [0x47, 0x38, 0x05, 0x55]);
        assert_eq!(big.header("inventory"), [0x58, 0x31, 0x31, 0x16]);
        assert!(Style::CURRENT.header("pages").is_empty());
    }
}
