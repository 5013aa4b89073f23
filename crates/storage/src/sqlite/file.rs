//! The file below the store: nobody else may read, write or replace it.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::failure::Failure;

/// Held while the file is made.
///
/// INVARIANT: no descriptor of the file is closed while SQLite has it open in this process, because
/// closing any of them drops every POSIX lock the process holds on the file. So an existing file is
/// only looked at and never opened, and a new one is made and closed before anyone else can see it.
static MAKING: Mutex<()> = Mutex::new(());

/// Makes sure that there is a file at `path` which is ours alone; answers its absolute path.
pub(super) fn prepare(path: &Path) -> Result<PathBuf, Failure> {
    let directory = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let at = |error| Failure::File(directory.to_owned(), error);
    DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(at)?;
    let directory = directory.canonicalize().map_err(at)?;
    let open = mode(&directory)?;
    // Looking inside shows only names and sizes; writing would let others replace the file.
    if open & 0o022 != 0 {
        return Err(Failure::OpenDirectory(directory, open));
    }
    let name = path.file_name().ok_or_else(|| Failure::NotAFile(path.to_owned()))?;
    let file = directory.join(name);
    make(&directory, &file)?;
    Ok(file)
}

fn make(directory: &Path, file: &Path) -> Result<(), Failure> {
    let _making = MAKING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(file) {
        // The name must outlive a power cut like everything that is acknowledged later.
        Ok(_) => sync(directory).map_err(|error| Failure::File(directory.to_owned(), error)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => check(file),
        Err(error) => Err(Failure::File(file.to_owned(), error)),
    }
}

fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

fn check(file: &Path) -> Result<(), Failure> {
    if !file.is_file() {
        return Err(Failure::NotAFile(file.to_owned()));
    }
    let open = mode(file)?;
    if open & 0o077 != 0 {
        return Err(Failure::OpenFile(file.to_owned(), open));
    }
    Ok(())
}

fn mode(path: &Path) -> Result<u32, Failure> {
    let metadata = fs::metadata(path).map_err(|error| Failure::File(path.to_owned(), error))?;
    Ok(metadata.permissions().mode() & 0o7777)
}
