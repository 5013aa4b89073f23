//! Keeping the memory of this process to itself.

use rustix::process::{Resource, Rlimit, setrlimit};

/// Why the process could not be closed off.
#[derive(Debug, thiserror::Error)]
#[error("core dumps of this process cannot be turned off")]
pub struct HardeningError(#[source] rustix::io::Errno);

impl HardeningError {
    /// The next step.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        "start it with `ulimit -c 0`, and look at what a sandbox or container forbids"
    }
}

/// Turns core dumps off, for this process and what it starts, and on Linux keeps other processes of
/// the same user from reading its memory (`ptrace`, `/proc/PID/mem`). Call it first: keys that are
/// read earlier could be in a dump already.
///
/// A debugger can no longer attach, unless it runs as root.
///
/// # Errors
///
/// [`HardeningError`] when the system refuses.
pub fn harden_process() -> Result<(), HardeningError> {
    let nothing = Rlimit { current: Some(0), maximum: Some(0) };
    setrlimit(Resource::Core, nothing).map_err(HardeningError)?;
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(HardeningError)?;
    }
    Ok(())
}
