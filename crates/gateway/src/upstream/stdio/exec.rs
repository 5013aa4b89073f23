//! `haechi child-exec`: takes a child's limits on, then becomes the child.
//!
//! Limits must stand before the first instruction of a stranger's program, and setting them between
//! fork and exec takes unsafe code; a program that limits itself and then executes the other does
//! not. `prlimit` from outside would come too late for a child that forks at once, and only the
//! child itself can ask to die with its parent.

use std::ffi::OsString;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};

use rustix::process::{Pid, Resource, Rlimit, getppid, getrlimit, setrlimit};

use super::ResourceLimits;

/// The hidden subcommand's name.
pub(crate) const NAME: &str = "child-exec";

/// What a shell answers when a command cannot be executed.
const CANNOT_EXECUTE: u8 = 126;

/// The arguments that make [`child_exec`] execute `command` under `limits`.
pub(super) fn arguments(limits: &ResourceLimits, command: &[String]) -> Vec<OsString> {
    let mut arguments: Vec<OsString> =
        vec![NAME.into(), "--parent".into(), std::process::id().to_string().into()];
    let named = [
        ("--open-files", limits.open_files),
        ("--processes", limits.processes),
        ("--memory-bytes", limits.memory_bytes),
    ];
    for (name, limit) in named {
        if let Some(limit) = limit {
            arguments.extend([name.into(), limit.to_string().into()]);
        }
    }
    arguments.push("--".into());
    arguments.extend(command.iter().map(OsString::from));
    arguments
}

/// Executes what stands behind `--` in `arguments` (those after the subcommand's name), and only
/// returns when that fails. To be called before any thread or runtime is started.
pub(crate) fn child_exec(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let error = match Plan::read(arguments.into_iter()) {
        Some(plan) => plan.execute(),
        None => "child-exec is started by haechi itself".to_owned(),
    };
    // Nowhere to report to if even that fails.
    let _unheard = writeln!(std::io::stderr(), "haechi: {error}");
    ExitCode::from(CANNOT_EXECUTE)
}

#[derive(Debug, Default, PartialEq)]
struct Plan {
    parent: i32,
    limits: ResourceLimits,
    program: OsString,
    arguments: Vec<OsString>,
}

impl Plan {
    fn read(mut arguments: impl Iterator<Item = OsString>) -> Option<Self> {
        let mut plan = Self::default();
        loop {
            let name = arguments.next()?;
            if name == "--" {
                break;
            }
            let value = arguments.next()?.into_string().ok()?;
            match name.to_str()? {
                "--parent" => plan.parent = value.parse().ok()?,
                "--open-files" => plan.limits.open_files = Some(value.parse().ok()?),
                "--processes" => plan.limits.processes = Some(value.parse().ok()?),
                "--memory-bytes" => plan.limits.memory_bytes = Some(value.parse().ok()?),
                _ => return None,
            }
        }
        plan.program = arguments.next()?;
        plan.arguments = arguments.collect();
        Some(plan)
    }

    /// Why the program could not be executed.
    fn execute(self) -> String {
        if let Err(error) = die_with(self.parent) {
            return error;
        }
        // Whatever this process was handed besides standard input, output and error ends here.
        close_fds::set_fds_cloexec(3, &[]);
        if let Err(error) = self.limits.take_on() {
            return format!("a limit could not be set: {error}");
        }
        let error = Command::new(&self.program).args(&self.arguments).exec();
        format!("`{}` cannot be executed: {error}", self.program.display())
    }
}

/// Makes the system kill this process when `parent` ends, however it ends.
fn die_with(parent: i32) -> Result<(), String> {
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))
        .map_err(|error| format!("cannot be bound to its parent: {error}"))?;
    // The parent may have ended before the line above.
    if getppid().map(|pid| Pid::as_raw_nonzero(pid).get()) != Some(parent) {
        return Err("child-exec is started by haechi itself".to_owned());
    }
    Ok(())
}

impl ResourceLimits {
    fn take_on(&self) -> rustix::io::Result<()> {
        let wanted = [
            (Resource::Core, Some(0)),
            (Resource::Nofile, self.open_files),
            (Resource::Nproc, self.processes),
            (Resource::Data, self.memory_bytes),
        ];
        for (resource, limit) in wanted {
            let Some(limit) = limit else { continue };
            let ceiling = getrlimit(resource).maximum.unwrap_or(u64::MAX);
            let limit = Some(limit.min(ceiling));
            setrlimit(resource, Rlimit { current: limit, maximum: limit })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_read_as_it_was_written() {
        let limits =
            ResourceLimits { open_files: Some(64), processes: None, memory_bytes: Some(1 << 30) };
        let command = ["sh", "-c", "--", "--open-files"].map(str::to_owned);
        let written = arguments(&limits, &command);
        assert_eq!(written.first(), Some(&OsString::from(NAME)));
        let plan = Plan::read(written.into_iter().skip(1)).unwrap();
        assert_eq!(plan.limits, limits);
        assert_eq!(plan.program, "sh");
        assert_eq!(plan.arguments, ["-c", "--", "--open-files"]);
        assert_eq!(u32::try_from(plan.parent), Ok(std::process::id()));
    }

    #[test]
    fn a_plan_with_anything_unknown_or_missing_is_none() {
        for arguments in
            [&["--"][..], &["--open-files", "many", "--", "sh"], &["--x", "1", "--", "sh"], &[]]
        {
            let arguments = arguments.iter().map(OsString::from);
            assert_eq!(Plan::read(arguments.into_iter()), None);
        }
    }
}
