//! The user's wish to stop: work that others must be cleaned up after listens to it and ends in order.

use tokio::sync::watch;

/// Tells whether to stop. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Stop(watch::Receiver<bool>);

/// Asks to stop.
#[derive(Debug)]
pub struct Stopper(watch::Sender<bool>);

/// A pair of both.
pub fn channel() -> (Stopper, Stop) {
    let (sender, receiver) = watch::channel(false);
    (Stopper(sender), Stop(receiver))
}

impl Stop {
    /// Returns when it is asked for; never if nobody can ask any more.
    pub async fn requested(&self) {
        let mut receiver = self.0.clone();
        if receiver.wait_for(|stop| *stop).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Whether it has been asked for.
    pub fn is_requested(&self) -> bool {
        *self.0.borrow()
    }
}

impl Stopper {
    /// Asks to stop.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

/// Runs work to its end on one thread. SIGINT and SIGTERM ask it to stop; it then still cleans up.
///
/// # Errors
/// When the system gives no event queue or signal handler.
pub fn block_on<F: Future>(work: impl FnOnce(Stop) -> F) -> std::io::Result<F::Output> {
    use tokio::signal::unix::{SignalKind, signal};
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (stopper, stop) = channel();
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let work = work(stop);
        tokio::pin!(work);
        loop {
            tokio::select! {
                output = &mut work => return Ok(output),
                _ = interrupt.recv() => stopper.stop(),
                _ = terminate.recv() => stopper.stop(),
            }
        }
    })
}
