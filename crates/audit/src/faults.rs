//! A disk that fails when told to, over real files, and the crash-order tests of the log on it.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use haechi_core::{Entropy, SeededEntropy};

use crate::disk::{Disk, DiskFile, OsDisk};

mod crash;
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
        path: PathBuf,
        file: Arc<dyn DiskFile>,
        offset: u64,
        before: Vec<u8>,
    },
    /// With what stood in that place before.
    Rename {
        from: PathBuf,
        to: PathBuf,
        replaced: Option<Vec<u8>>,
    },
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
                Undo::Write { .. } => {}
            }
        }
    }
}

impl Faults {
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
            let synced = |undo: &Undo| matches!(undo, Undo::Write { path: p, .. } if p != path);
            self.0.undo.lock().unwrap().retain(synced);
            self.open(path)
        })
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let inner = OsDisk.open(path)?;
        Ok(Arc::new(FaultFile { path: path.to_owned(), inner, faults: Arc::clone(&self.0) }))
    }

    fn make(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.0.attempt(|| {
            let inner = OsDisk.make(path)?;
            Ok(Arc::new(FaultFile { path: path.to_owned(), inner, faults: Arc::clone(&self.0) })
                as _)
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

    fn sync_directory(&self, _: &Path) -> io::Result<()> {
        self.0.attempt(|| {
            self.0.undo.lock().unwrap().retain(|undo| matches!(undo, Undo::Write { .. }));
            Ok(())
        })
    }
}

#[derive(Debug)]
struct FaultFile {
    path: PathBuf,
    inner: Arc<dyn DiskFile>,
    faults: Arc<Faults>,
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
                let (path, file) = (self.path.clone(), Arc::clone(&self.inner));
                let undo = Undo::Write { path, file, offset: page, before };
                self.faults.undo.lock().unwrap().push(undo);
                self.inner.write_at(chunk, page)?;
            }
            Ok(())
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        // The same file may be open twice, and renamed since.
        let same = |other: &Arc<dyn DiskFile>| Arc::ptr_eq(other, &self.inner);
        self.faults.attempt(|| {
            let open = |undo: &Undo| !matches!(undo, Undo::Write { file, .. } if same(file));
            self.faults.undo.lock().unwrap().retain(open);
            Ok(())
        })
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
