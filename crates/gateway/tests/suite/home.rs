//! A folder with settings and data, and the program run in it as a person runs it.

use std::io::Write as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// The program under test.
pub(crate) const HAECHI: &str = env!("CARGO_BIN_EXE_haechi");

/// What a command said and how it ended.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    pub(crate) fn of(output: &Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// A folder with settings and data.
pub(crate) struct Home {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) address: SocketAddr,
    served: Option<Child>,
}

impl Home {
    /// A folder without anything in it, and a free address.
    pub(crate) fn empty() -> Self {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        Self { folder: tempfile::tempdir().unwrap(), address, served: None }
    }

    /// Settings with the sample server behind the guard, and `rules`.
    pub(crate) fn with_sample(rules: &str) -> Self {
        let home = Self::empty();
        let program = serde_json::Value::from(HAECHI).to_string();
        home.write_settings(&format!(
            "[[upstream]]\nname = \"sample\"\ncommand = [{program}, \"sample-server\"]\ncaller = \"signed\"\n\n{rules}"
        ));
        home
    }

    pub(crate) fn write_settings(&self, settings: &str) {
        let listen = format!("[listen]\naddress = \"{}\"\n\n", self.address);
        self.write("haechi.toml", &format!("{listen}{settings}"));
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(HAECHI);
        command.args(arguments).current_dir(self.folder.path());
        command.env_clear().env("HAECHI_DATA_DIR", self.path("data")).env("LANG", "C.UTF-8");
        command.env("PATH", "/usr/bin:/bin").env("HOME", self.folder.path());
        command
    }

    /// Runs a command to its end with nothing on its input.
    pub(crate) fn run(&self, arguments: &[&str]) -> Said {
        Said::of(&self.command(arguments).stdin(Stdio::null()).output().unwrap())
    }

    /// Runs a command that must succeed.
    pub(crate) fn good(&self, arguments: &[&str]) -> Said {
        let said = self.run(arguments);
        assert_eq!(said.code, Some(0), "{arguments:?}: {said:?}");
        said
    }

    /// Runs a command with `input` on its input.
    pub(crate) fn feed(&self, arguments: &[&str], input: &str) -> Said {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // A command that says no before it reads has closed its input.
        let _unread = child.stdin.take().unwrap().write_all(input.as_bytes());
        Said::of(&child.wait_with_output().unwrap())
    }

    /// Adds a user by the command line.
    pub(crate) fn add_user(&self, name: &str, roles: &str, password: &str) {
        let added = ["user", "add", name, "--roles", roles, "--password-file", "-"];
        let said = self.feed(&added, &format!("{password}\n"));
        assert_eq!(said.code, Some(0), "{said:?}");
    }

    /// Signs a user in; the token is in the file `<name>.token`.
    pub(crate) fn login(&self, name: &str, password: &str) {
        let file = format!("{name}.token");
        let arguments =
            ["login", &self.url(""), "--username", name, "--password-file", "-", "-o", &file];
        let said = self.feed(&arguments, &format!("{password}\n"));
        assert_eq!(said.code, Some(0), "{said:?}");
    }

    /// Serves until this is dropped or ended.
    pub(crate) fn serve(&mut self) {
        let log = std::fs::File::create(self.path("log")).unwrap();
        let mut command = self.command(&["serve"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        self.served = Some(command.spawn().unwrap());
        let listens = || TcpStream::connect(self.address).is_ok();
        assert!(eventually(listens), "it does not listen: {}", self.log());
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap()
    }

    /// Asks the gateway to end, and waits.
    pub(crate) fn end(&mut self) -> Option<i32> {
        end(&mut self.served.take().unwrap())
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if let Some(mut served) = self.served.take() {
            let _ = served.kill();
            let _ = served.wait();
        }
    }
}

/// Sends SIGINT, as Ctrl-C does, and waits.
pub(crate) fn end(child: &mut Child) -> Option<i32> {
    kill_process(Pid::from_child(child), Signal::INT).unwrap();
    child.wait().unwrap().code()
}

/// Whether `holds` comes true within ten seconds.
pub(crate) fn eventually(holds: impl Fn() -> bool) -> bool {
    let end = Instant::now() + Duration::from_secs(10);
    while Instant::now() < end {
        if holds() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}

/// Processes that were started as `program … sample-server` below `folder`, which names them.
pub(crate) fn children_of(pid: u32) -> Vec<String> {
    let all = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let child = |folder: &Path| {
        let stat = std::fs::read_to_string(folder.join("stat")).ok()?;
        let (_, rest) = stat.rsplit_once(')')?;
        let parent: u32 = rest.split_whitespace().nth(1)?.parse().ok()?;
        (parent == pid).then(|| folder.display().to_string())
    };
    all.filter_map(|entry| child(&entry.path())).collect()
}
