//! One thread that starts all children.
//!
//! The system's promise to kill a child with its parent is bound to the *thread* that started it
//! (`PR_SET_PDEATHSIG`), and a runtime's threads come and go. This one stays until the process ends.

use std::io;
use std::sync::OnceLock;
use std::sync::mpsc::{Sender, channel};

use tokio::process::{Child, Command};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

struct Job {
    command: Command,
    runtime: Handle,
    reply: oneshot::Sender<io::Result<Child>>,
}

static SPAWNER: OnceLock<Sender<Job>> = OnceLock::new();

/// Starts `command`; its pipes belong to the runtime this is called in.
pub(super) async fn spawn(command: Command) -> io::Result<Child> {
    let (reply, answer) = oneshot::channel();
    let job = Job { command, runtime: Handle::current(), reply };
    spawner()?.send(job).map_err(|_| stopped())?;
    answer.await.map_err(|_| stopped())?
}

fn spawner() -> io::Result<&'static Sender<Job>> {
    if let Some(sender) = SPAWNER.get() {
        return Ok(sender);
    }
    let (sender, jobs) = channel::<Job>();
    std::thread::Builder::new().name("children".to_owned()).spawn(move || {
        for mut job in jobs {
            let _inside = job.runtime.enter();
            // A caller that has gone drops the child, which kills it.
            let _gone = job.reply.send(job.command.spawn());
        }
    })?;
    // Two first callers may each start a thread; the one that is not kept ends by itself.
    Ok(SPAWNER.get_or_init(|| sender))
}

fn stopped() -> io::Error {
    io::Error::other("the thread that starts children has ended")
}
