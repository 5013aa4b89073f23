//! The few things a log does with files, behind a contract, so that tests can make each of them fail.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{FallocateFlags, SeekFrom};

/// What a log does with a directory.
pub(crate) trait Disk: Send + Sync + fmt::Debug {
    /// Makes a file of `size` zeros whose room is taken from the disk, in place of what stands
    /// there; file and name survive a power cut when this returns.
    fn create(&self, path: &Path, size: u64) -> io::Result<Arc<dyn DiskFile>>;
    /// Opens a file for reading and writing.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// Makes an empty file for this user alone in place of what stands there. Nothing of it
    /// survives a power cut yet.
    fn make(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// Gives a file another name, in the same directory, in place of what has it.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Takes a file away.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes the names in a directory survive a power cut.
    fn sync_directory(&self, path: &Path) -> io::Result<()>;
}

/// What a log does with a file.
pub(crate) trait DiskFile: Send + Sync + fmt::Debug {
    /// Reads up to `out.len()` bytes; fewer only at the end of the file.
    fn read_at(&self, out: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes all of `bytes`.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Makes what was written survive a power cut.
    fn sync_data(&self) -> io::Result<()>;
    /// The file's size in bytes.
    fn size(&self) -> io::Result<u64>;
    /// Whether nothing was ever written to it.
    fn is_blank(&self) -> io::Result<bool>;
}

/// Files of the operating system.
#[derive(Debug)]
pub(crate) struct OsDisk;

impl Disk for OsDisk {
    fn create(&self, path: &Path, size: u64) -> io::Result<Arc<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(true).mode(0o600);
        let file = file.open(path)?;
        let prepared = take_room(&file, size).and_then(|()| file.sync_all());
        let named = prepared.and_then(|()| path.parent().map_or(Ok(()), sync_directory));
        if let Err(error) = named {
            // What was taken goes back: a half-made file would keep the room from everybody.
            let _ = fs::remove_file(path);
            return Err(error);
        }
        Ok(Arc::new(OsFile(file)))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        Ok(Arc::new(OsFile(file)))
    }

    fn make(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(true).mode(0o600);
        Ok(Arc::new(OsFile(options.open(path)?)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        sync_directory(path)
    }
}

/// Puts `bytes` in place of the file at `path`. Whatever is killed when, there is the old file or the
/// new one; when this returns, the new one survives a power cut.
pub(crate) fn replace(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace_with(disk, path, |file| file.write_at(bytes, 0))
}

/// As [`replace`], of what `write` writes.
pub(crate) fn replace_with<T>(
    disk: &dyn Disk,
    path: &Path,
    write: impl FnOnce(&dyn DiskFile) -> io::Result<T>,
) -> io::Result<T> {
    let fresh = path.with_added_extension("new");
    let file = disk.make(&fresh)?;
    let written = write(file.as_ref())?;
    file.sync_data()?;
    disk.rename(&fresh, path)?;
    path.parent().map_or(Ok(()), |directory| disk.sync_directory(directory))?;
    Ok(written)
}

/// Opens a file for reading alone.
pub(crate) fn open_to_read(path: &Path) -> io::Result<Arc<dyn DiskFile>> {
    Ok(Arc::new(OsFile(File::open(path)?)))
}

/// Makes `path` and its parents, for this user alone.
pub(crate) fn make_private_directory(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn sync_directory(path: &Path) -> io::Result<()> {
    // A file that is named without a folder is in the present one.
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    File::open(path)?.sync_all()
}

fn take_room(file: &File, size: u64) -> io::Result<()> {
    match rustix::fs::fallocate(file, FallocateFlags::empty(), 0, size) {
        Err(rustix::io::Errno::OPNOTSUPP) => write_zeros(file, size),
        other => other.map_err(Into::into),
    }
}

/// Takes room on file systems that cannot set it aside.
fn write_zeros(file: &File, size: u64) -> io::Result<()> {
    const ZEROS: &[u8] = &[0; 64 * 1024];
    let mut offset = 0;
    while offset < size {
        let left = usize::try_from(size - offset).unwrap_or(usize::MAX);
        let chunk = ZEROS.get(..left.min(ZEROS.len())).unwrap_or(ZEROS);
        file.write_all_at(chunk, offset)?;
        offset += chunk.len() as u64;
    }
    Ok(())
}

#[derive(Debug)]
struct OsFile(File);

impl DiskFile for OsFile {
    fn read_at(&self, out: &mut [u8], offset: u64) -> io::Result<usize> {
        read_fully_at(&self.0, out, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn is_blank(&self) -> io::Result<bool> {
        match rustix::fs::seek(&self.0, SeekFrom::Data(0)) {
            Err(rustix::io::Errno::NXIO) => Ok(true),
            other => other.map(|_| false).map_err(Into::into),
        }
    }
}

/// Reads up to `out.len()` bytes; fewer only at the end of the file.
fn read_fully_at(file: &File, mut out: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut done = 0;
    while !out.is_empty() {
        match file.read_at(out, offset + done as u64) {
            Ok(0) => break,
            Ok(read) => {
                done += read;
                out = out.get_mut(read..).unwrap_or_default();
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}
