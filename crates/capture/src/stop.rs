//! The user's wish to stop: work that others must be cleaned up after listens to it and ends in order.

use tokio::sync::watch;

/// Tells whether to stop, by how often that was asked for. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Stop(watch::Receiver<u32>);

/// Asks to stop.
#[derive(Debug)]
pub struct Stopper(watch::Sender<u32>);

/// A pair of both.
pub fn channel() -> (Stopper, Stop) {
    let (sender, receiver) = watch::channel(0);
    (Stopper(sender), Stop(receiver))
}

impl Stop {
    /// Returns when it is asked for; never if nobody can ask any more.
    pub async fn requested(&self) {
        self.asked(1).await;
    }

    /// Returns when it is asked for again: a checkpoint that is given up half-way may leave the workload
    /// paused, so the first wish waits for its end.
    pub async fn insisted(&self) {
        self.asked(2).await;
    }

    /// Whether it has been asked for.
    pub fn is_requested(&self) -> bool {
        *self.0.borrow() > 0
    }

    async fn asked(&self, times: u32) {
        let mut receiver = self.0.clone();
        if receiver.wait_for(|asked| *asked >= times).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl Stopper {
    /// Asks to stop.
    pub fn stop(&self) {
        self.0.send_modify(|asked| *asked = asked.saturating_add(1));
    }
}

/// Runs work to its end on one thread. SIGINT and SIGTERM ask it to stop, and it then still cleans up; each is
/// told to `heard`, with how many there were.
///
/// # Errors
/// When the system gives no event queue or signal handler.
pub fn block_on<F: Future>(work: impl FnOnce(Stop) -> F, heard: impl Fn(u32)) -> std::io::Result<F::Output> {
    use tokio::signal::unix::{SignalKind, signal};
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (stopper, stop) = channel();
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let work = work(stop);
        tokio::pin!(work);
        for times in 1_u32.. {
            tokio::select! {
                output = &mut work => return Ok(output),
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            stopper.stop();
            heard(times);
        }
        Ok(work.await)
    })
}
