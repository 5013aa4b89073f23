//! A disk that fails when told to, over real files, and the crash-order tests of the log on it.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use haechi_core::{Entropy, SeededEntropy};

use crate::disk::{Disk, DiskFile, OsDisk};

mod crash;
mod prune;
mod room;

/// How an operation fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// It does nothing and says so.
    NotDone,
    /// It does its work and says it did not.
    Done,
}

/// Which operations fail.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// The number of the first that does; they are counted from 1.
    pub(crate) from: u64,
    /// How many from there on.
    pub(crate) count: u64,
    pub(crate) failure: Failure,
    pub(crate) kind: io::ErrorKind,
}

impl Plan {
    pub(crate) const NONE: Self =
        Self { from: u64::MAX, count: 0, failure: Failure::NotDone, kind: io::ErrorKind::Other };
}

/// Files whose writes survive a kill at once, and a power cut once they are synced.
#[derive(Clone, Debug)]
pub(crate) struct FaultDisk(Arc<Faults>);

#[derive(Debug)]
struct Faults {
    plan: Mutex<Plan>,
    done: AtomicU64,
    full: AtomicBool,
    undo: Mutex<Vec<Undo>>,
}

#[derive(Debug)]
enum Undo {
    Write {
        /// A file may be open twice, and renamed since.
        inode: u64,
        file: Arc<dyn DiskFile>,
        offset: u64,
        before: Vec<u8>,
        /// A sync failed: the kernel holds it for written, and no later sync writes it.
        dropped: bool,
    },
    /// With what stood in that place before.
    Rename { from: PathBuf, to: PathBuf, replaced: Option<Vec<u8>> },
    /// With what the file held.
    Removal { path: PathBuf, held: Vec<u8> },
}

impl Undo {
    fn is_in(&self, directory: Option<&Path>) -> bool {
        match self {
            Self::Write { .. } => false,
            Self::Rename { to: path, .. } | Self::Removal { path, .. } => {
                path.parent() == directory
            }
        }
    }
}

impl FaultDisk {
    pub(crate) fn new(plan: Plan) -> Self {
        Self(Arc::new(Faults {
            plan: Mutex::new(plan),
            done: AtomicU64::new(0),
            full: AtomicBool::new(false),
            undo: Mutex::default(),
        }))
    }

    pub(crate) fn plan(&self, plan: Plan) {
        *self.0.plan.lock().unwrap() = plan;
    }

    /// Leaves no room for another file, or takes that back.
    pub(crate) fn fill(&self, full: bool) {
        self.0.full.store(full, Ordering::SeqCst);
    }

    /// How many operations there were.
    pub(crate) fn operations(&self) -> u64 {
        self.0.done.load(Ordering::SeqCst)
    }

    /// Takes back what was not synced, or some of it: a disk writes in the order it likes.
    pub(crate) fn cut_power(&self, seed: u64) {
        let chance = SeededEntropy::new(seed);
        // A directory keeps its changes in their order: what came before a kept one is kept too.
        let mut kept = HashSet::new();
        for undo in self.0.undo.lock().unwrap().drain(..).rev() {
            let mut coin = [0];
            chance.fill(&mut coin).unwrap();
            match undo {
                Undo::Write { file, offset, before, .. } if coin[0] % 2 == 0 => {
                    file.write_at(&before, offset).unwrap();
                }
                Undo::Rename { from, to, replaced } => {
                    if coin[0] % 2 != 0 || kept.contains(&to) || from.exists() {
                        kept.insert(to);
                        continue;
                    }
                    std::fs::rename(&to, from).unwrap();
                    if let Some(bytes) = replaced {
                        std::fs::write(to, bytes).unwrap();
                    }
                }
                Undo::Removal { path, held } => {
                    let directory = path.parent().unwrap().to_owned();
                    if coin[0] % 2 != 0 || kept.contains(&directory) {
                        kept.insert(directory);
                        continue;
                    }
                    std::fs::write(path, held).unwrap();
                }
                Undo::Write { .. } => {}
            }
        }
    }
}

impl Faults {
    /// Nothing is left of what was written to a file.
    fn emptied(&self, inode: u64) {
        let other = |undo: &Undo| !matches!(undo, Undo::Write { inode: it, .. } if *it == inode);
        self.undo.lock().unwrap().retain(other);
    }

    /// What was written to a file is on the disk, but for what the kernel gave up.
    fn synced(&self, inode: u64) {
        let open = |undo: &Undo| match undo {
            Undo::Write { inode: other, dropped, .. } => *other != inode || *dropped,
            Undo::Rename { .. } | Undo::Removal { .. } => true,
        };
        self.undo.lock().unwrap().retain(open);
    }

    /// What happened to the names in a directory is on the disk.
    fn synced_names(&self, directory: Option<&Path>) {
        self.undo.lock().unwrap().retain(|undo| !undo.is_in(directory));
    }

    /// The kernel gives up what was written to a file and not synced.
    fn dropped(&self, inode: u64) {
        for undo in self.undo.lock().unwrap().iter_mut() {
            if let Undo::Write { inode: other, dropped, .. } = undo {
                *dropped |= *other == inode;
            }
        }
    }

    /// The next sync writes these bytes of a file, whatever became of the last one.
    fn written_again(&self, inode: u64, range: Range<u64>) {
        for undo in self.undo.lock().unwrap().iter_mut() {
            if let Undo::Write { inode: other, offset, before, dropped, .. } = undo {
                let inside = range.start <= *offset && *offset + before.len() as u64 <= range.end;
                *dropped &= *other != inode || !inside;
            }
        }
    }

    /// Does `work`, or fails in its place.
    fn attempt<T>(&self, work: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        let number = self.done.fetch_add(1, Ordering::SeqCst) + 1;
        let plan = *self.plan.lock().unwrap();
        if number < plan.from || number - plan.from >= plan.count {
            return work();
        }
        if plan.failure == Failure::Done {
            work()?;
        }
        Err(plan.kind.into())
    }
}

impl Disk for FaultDisk {
    fn create(&self, path: &Path, size: u64) -> io::Result<Arc<dyn DiskFile>> {
        if self.0.full.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.0.attempt(|| {
            let mut options = OpenOptions::new();
            let file = options.read(true).write(true).create(true).truncate(true).open(path)?;
            file.set_len(size)?;
            self.0.emptied(file.metadata()?.ino());
            self.0.synced_names(path.parent());
            self.open(path)
        })
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let inner = OsDisk.open(path)?;
        Ok(Arc::new(FaultFile::new(path, inner, &self.0)?))
    }

    fn make(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.0.attempt(|| {
            let inner = OsDisk.make(path)?;
            self.0.emptied(std::fs::metadata(path)?.ino());
            Ok(Arc::new(FaultFile::new(path, inner, &self.0)?) as _)
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.attempt(|| {
            let replaced = std::fs::read(to).ok();
            OsDisk.rename(from, to)?;
            let undo = Undo::Rename { from: from.to_owned(), to: to.to_owned(), replaced };
            self.0.undo.lock().unwrap().push(undo);
            Ok(())
        })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.0.attempt(|| {
            let held = std::fs::read(path)?;
            OsDisk.remove(path)?;
            self.0.undo.lock().unwrap().push(Undo::Removal { path: path.to_owned(), held });
            Ok(())
        })
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        self.0.attempt(|| {
            self.0.synced_names(Some(path));
            Ok(())
        })
    }
}

#[derive(Debug)]
struct FaultFile {
    inode: u64,
    inner: Arc<dyn DiskFile>,
    faults: Arc<Faults>,
}

impl FaultFile {
    fn new(path: &Path, inner: Arc<dyn DiskFile>, faults: &Arc<Faults>) -> io::Result<Self> {
        let inode = std::fs::metadata(path)?.ino();
        Ok(Self { inode, inner, faults: Arc::clone(faults) })
    }
}

impl DiskFile for FaultFile {
    fn read_at(&self, out: &mut [u8], offset: u64) -> io::Result<usize> {
        self.inner.read_at(out, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.faults.attempt(|| {
            // A disk keeps or loses pages, not writes.
            for (page, chunk) in pages(bytes, offset) {
                let mut before = vec![0; chunk.len()];
                self.inner.read_at(&mut before, page)?;
                let (inode, file) = (self.inode, Arc::clone(&self.inner));
                let undo = Undo::Write { inode, file, offset: page, before, dropped: false };
                self.faults.written_again(inode, page..page + chunk.len() as u64);
                self.faults.undo.lock().unwrap().push(undo);
                self.inner.write_at(chunk, page)?;
            }
            Ok(())
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut done = false;
        let synced = self.faults.attempt(|| {
            self.faults.synced(self.inode);
            done = true;
            Ok(())
        });
        // Whoever was killed syncs nothing, and the kernel still has what was written.
        if !done && self.faults.plan.lock().unwrap().count < u64::MAX {
            self.faults.dropped(self.inode);
        }
        synced
    }

    fn size(&self) -> io::Result<u64> {
        self.inner.size()
    }

    fn is_blank(&self) -> io::Result<bool> {
        self.inner.is_blank()
    }
}

fn pages(bytes: &[u8], offset: u64) -> Vec<(u64, &[u8])> {
    let mut rest = bytes;
    let mut at = offset;
    let mut pages = Vec::new();
    while !rest.is_empty() {
        let room = usize::try_from(4096 - at % 4096).unwrap();
        let (page, after) = rest.split_at(room.min(rest.len()));
        pages.push((at, page));
        at += page.len() as u64;
        rest = after;
    }
    pages
}

/// The bytes of a file, for tests that change them.
pub(crate) fn open_raw(path: &Path) -> File {
    OpenOptions::new().read(true).write(true).open(path).unwrap()
}
