//! Numbers and text as core files have them.

/// Little-endian numbers one after another.
#[derive(Default)]
pub(super) struct Writer(pub Vec<u8>);

impl Writer {
    pub fn u16(&mut self, value: u16) -> &mut Self {
        self.0.extend(value.to_le_bytes());
        self
    }

    pub fn u32(&mut self, value: u32) -> &mut Self {
        self.0.extend(value.to_le_bytes());
        self
    }

    pub fn u64(&mut self, value: u64) -> &mut Self {
        self.0.extend(value.to_le_bytes());
        self
    }

    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend(bytes);
        self
    }

    /// Bytes in a field of fixed width, with at least one NUL at its end.
    pub fn text(&mut self, bytes: &[u8], width: usize) -> &mut Self {
        let end = self.0.len().saturating_add(width);
        let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
        self.0.extend(text.iter().take(width.saturating_sub(1)));
        self.0.resize(end, 0);
        self
    }

    pub fn align(&mut self, multiple: usize) -> &mut Self {
        self.0.resize(self.0.len().next_multiple_of(multiple), 0);
        self
    }
}
