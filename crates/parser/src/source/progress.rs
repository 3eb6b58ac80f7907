//! How far long steps have come.

/// Told now and then how far a long step has come.
pub trait Progress: Sync {
    /// A step begins; `total` is in bytes when known.
    fn begin(&self, step: &str, total: Option<u64>);
    /// The step has come this far, in the unit of `total`.
    fn advance_to(&self, position: u64);
    /// The step is over.
    fn end(&self);
    /// Whether a long step is to go on. One that is not ends as it would where its data ends.
    fn goes_on(&self) -> bool {
        true
    }
}

/// Tells nobody.
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _step: &str, _total: Option<u64>) {}
    fn advance_to(&self, _position: u64) {}
    fn end(&self) {}
}
