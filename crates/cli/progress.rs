//! Progress on standard error, for people only.

use std::{
    io::IsTerminal as _,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use ckptfx_parser::source::Progress;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar for each long step; nothing when standard error is no terminal or `--quiet` was given.
pub struct Bars {
    shown: bool,
    bar: Mutex<Option<ProgressBar>>,
    stop: Arc<AtomicBool>,
}

impl Bars {
    /// Bars, unless `quiet`.
    pub fn new(quiet: bool) -> Self {
        Self { shown: !quiet && std::io::stderr().is_terminal(), bar: Mutex::new(None), stop: Arc::default() }
    }

    /// Ends long steps early once `stop` is raised.
    pub fn until(self, stop: &Arc<AtomicBool>) -> Self {
        Self { stop: Arc::clone(stop), ..self }
    }

    /// Shows how far `counter` has come towards `total` bytes while `work` runs.
    pub fn watch<T>(&self, step: &str, total: u64, counter: &AtomicU64, work: impl FnOnce() -> T) -> T {
        if !self.shown {
            return work();
        }
        self.begin(step, Some(total));
        let done = AtomicBool::new(false);
        let result = std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    self.advance_to(counter.load(Ordering::Relaxed));
                    std::thread::park_timeout(Duration::from_millis(100));
                }
            });
            let result = work();
            done.store(true, Ordering::Relaxed);
            result
        });
        self.end();
        result
    }
}

impl Progress for Bars {
    fn begin(&self, step: &str, total: Option<u64>) {
        if !self.shown {
            return;
        }
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr_with_hz(5));
        let template = "{msg} {bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message(step.to_owned());
        if let Ok(mut current) = self.bar.lock() {
            *current = Some(bar);
        }
    }

    fn advance_to(&self, position: u64) {
        if let Ok(current) = self.bar.lock()
            && let Some(bar) = current.as_ref()
            // A step that is over at once needs no bar.
            && bar.elapsed() > Duration::from_secs(1)
        {
            bar.set_position(position);
        }
    }

    fn end(&self) {
        if let Ok(mut current) = self.bar.lock()
            && let Some(bar) = current.take()
        {
            bar.finish_and_clear();
        }
    }

    fn goes_on(&self) -> bool {
        !self.stop.load(Ordering::Relaxed)
    }
}
