//! Threads that own connections, so that no thread of the runtime ever waits for a disk or a lock.

use std::sync::{Arc, Mutex};
use std::thread;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::failure::Failure;

/// How much work may wait; who comes after that waits to hand it in.
const WAITING: usize = 256;

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// One queue of work, and one thread for each connection it was given.
///
/// The threads end, and close their connections, when the lane is dropped.
pub(super) struct Lane(mpsc::Sender<Job>);

impl Lane {
    /// Starts a thread for each of `connections`.
    pub(super) fn start(name: &str, connections: Vec<Connection>) -> Result<Self, Failure> {
        let (sender, receiver) = mpsc::channel(WAITING);
        let receiver = Arc::new(Mutex::new(receiver));
        for connection in connections {
            let jobs = Arc::clone(&receiver);
            let thread = thread::Builder::new().name(name.to_owned());
            thread.spawn(move || work(connection, &jobs)).map_err(Failure::Thread)?;
        }
        Ok(Self(sender))
    }

    /// Runs `job` and answers what it answers. A job that was handed in is done even when the
    /// caller stops waiting for it.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Connection) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            // Nobody waits any more: then nobody needs the answer.
            let _ = answer.send(job(connection));
        });
        self.0.send(job).await.map_err(|_| Failure::Closed)?;
        answered.await.map_err(|_| Failure::Closed)?
    }
}

fn work(mut connection: Connection, jobs: &Mutex<mpsc::Receiver<Job>>) {
    while let Some(job) = next(jobs) {
        job(&mut connection);
    }
}

/// The next job; `None` when the lane is gone. The queue is free again before the job is run.
fn next(jobs: &Mutex<mpsc::Receiver<Job>>) -> Option<Job> {
    jobs.lock().ok()?.blocking_recv()
}
