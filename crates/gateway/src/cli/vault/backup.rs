//! Copies that can be restored: the ordinary one, and the keys of persons apart from it.

use std::io::Write;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use haechi_assembly::settings::read_duration;
use haechi_assembly::{DataDirectory, Restored, Rooms, Settings, Work, root_provider};
use haechi_core::Secret;
use haechi_outbound::{Outbound, OutboundConfig};
use haechi_vault::{BackupError, BackupPlan, KeyBackupError, Manifest, back_up, restore};
use serde_json::json;

use super::of_key;
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::table::json as print_json;
use crate::cli::work::Job;

/// The database's name, in a backup and in a data directory.
const DATABASE: &str = "haechi.db";
/// What no backup holds: the root key in each of its forms, the keys of persons.
const WITHOUT: [&str; 4] = ["key", "root.age", "root.wrapped", "subject-keys.db"];

#[derive(Debug, Args)]
pub(in crate::cli) struct Backup {
    /// An empty folder, or one that is made
    folder: PathBuf,
    /// Write the keys of persons and nothing else, sealed under the root key
    #[arg(long)]
    subject_keys: bool,
    /// How long that copy may be restored: 30 days at most
    #[arg(long, value_name = "DURATION", default_value = "30d", requires = "subject_keys")]
    expires: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Restore {
    /// The folder that `haechi vault backup` wrote
    from: PathBuf,
    /// A copy of the root key's file: `key`, `root.age` or `root.wrapped`
    #[arg(long, value_name = "FILE")]
    root_key: Option<PathBuf>,
    /// A copy of the keys of persons
    #[arg(long, value_name = "FILE")]
    subject_keys: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Backup {
    pub(in crate::cli) async fn run(
        self,
        context: &Context,
        out: &mut dyn Write,
    ) -> Result<ExitCode, Failure> {
        let rooms = context.rooms().await?;
        if self.subject_keys {
            return self.keys(context, &rooms, out).await;
        }
        let settings = context.settings()?;
        let job = Job::new(Work::VaultBackup, "backup");
        let manifest = job.run(context, async {
            let manifest = ordinary(&rooms, &settings, &self.folder).await?;
            let found = vec![format!("files:{}", manifest.files.len())];
            Ok((manifest, found))
        });
        let manifest = manifest.await?;
        if self.json {
            print_json(out, &manifest)?;
            return Ok(ExitCode::SUCCESS);
        }
        let bytes: u64 = manifest.files.iter().map(|file| file.bytes).sum();
        let count = manifest.files.len();
        writeln!(out, "{count} files, {bytes} bytes in {}", self.folder.display())?;
        writeln!(out, "not in it, and needed to restore: the root key, the keys of persons")?;
        Ok(ExitCode::SUCCESS)
    }

    async fn keys(
        &self,
        context: &Context,
        rooms: &Rooms,
        out: &mut dyn Write,
    ) -> Result<ExitCode, Failure> {
        let keep = read_duration(&self.expires).map_err(Failure::unknown)?;
        let mut folder = std::fs::DirBuilder::new();
        let made = folder.recursive(true).mode(0o700).create(&self.folder);
        made.map_err(|error| cannot_use(&self.folder, &error))?;
        let job = Job::new(Work::VaultBackup, "subject-keys").with("seconds", keep.as_secs());
        let (backup, path) = job
            .run(context, async {
                let made = rooms.safe.subjects.back_up_keys(&self.folder, keep).await;
                let made = made.map_err(|error| of_copy(&error))?;
                let found = vec![format!("backup:{}", made.0.backup_id)];
                Ok((made, found))
            })
            .await?;
        let expires = backup.expires_at.to_string();
        if self.json {
            let told =
                json!({ "backup_id": backup.backup_id, "file": path, "expires_at": expires });
            print_json(out, &told)?;
        } else {
            writeln!(out, "{}", path.display())?;
            writeln!(out, "destroy it at {expires}: until then no erasure is complete")?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

async fn ordinary(rooms: &Rooms, settings: &Settings, folder: &Path) -> Result<Manifest, Failure> {
    let status = rooms.safe.vault.status().await.map_err(of_key)?;
    let root = root_of(&*rooms.safe.provider).await?;
    let plan = BackupPlan {
        database: (DATABASE.to_owned(), Arc::new(rooms.store.clone())),
        also: also(rooms, settings),
        key_ids: status.keys.iter().map(|key| key.key_id.to_string()).collect(),
        without: WITHOUT.map(str::to_owned).to_vec(),
    };
    back_up(plan, folder, &root, &*rooms.clock).await.map_err(|error| of_backup(&error))
}

/// Files of a log that hold nothing: the writer's lock, and the room for the segment after this one.
const EMPTY: [&str; 2] = ["lock", "next"];

/// Logs and the files of the settings, as far as they are there.
fn also(rooms: &Rooms, settings: &Settings) -> Vec<(String, PathBuf)> {
    let mut all = Vec::new();
    for log in ["audit", "run"] {
        below(&rooms.directory.path().join(log), log, &mut all);
    }
    for file in settings.files().into_iter().filter(|file| file.is_file()) {
        let Some(name) = file.file_name().and_then(|name| name.to_str()) else { continue };
        let mut name = format!("settings/{name}");
        // Two files of one name lie in different folders.
        while all.iter().any(|(taken, _)| *taken == name) {
            name.push('_');
        }
        // A link is followed here: what it leads to are the settings.
        all.push((name, file.canonicalize().unwrap_or(file)));
    }
    all
}

/// Every file in `folder` and below, by the name it gets. What goes away meanwhile is left out.
fn below(folder: &Path, name: &str, all: &mut Vec<(String, PathBuf)>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let last = entry.file_name();
        let Some(last) = last.to_str() else { continue };
        let (path, name) = (entry.path(), format!("{name}/{last}"));
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => below(&path, &name, all),
            Ok(kind) if kind.is_file() && !EMPTY.contains(&last) => all.push((name, path)),
            _ => {}
        }
    }
}

async fn root_of(provider: &dyn haechi_vault::provider::RootProvider) -> Result<Secret, Failure> {
    let root = provider.find().await;
    let root = root.map_err(|error| Failure::of(&error).help(error.help()))?;
    root.ok_or_else(|| Failure::unknown("there is no root key"))
}

impl Restore {
    pub(in crate::cli) async fn run(
        self,
        context: &Context,
        out: &mut dyn Write,
    ) -> Result<ExitCode, Failure> {
        let settings = context.settings()?;
        let directory = context.directory(&settings)?;
        let manifest = self.files(&settings, &directory).await?;
        let restored =
            Restored { made_at: manifest.made_at.clone(), files: manifest.files.len() as u64 };
        restored.note(&directory)?;
        let restored = match &self.subject_keys {
            Some(file) => Some(keys(context, &settings, directory, file).await?),
            None => None,
        };
        if self.json {
            let erased = restored.map(|(keys, erased)| json!({ "keys": keys, "erased": erased }));
            let told = json!({ "made_at": manifest.made_at, "files": manifest.files.len(), "subject_keys": erased });
            print_json(out, &told)?;
            return Ok(ExitCode::SUCCESS);
        }
        writeln!(out, "{} files of {}", manifest.files.len(), manifest.made_at)?;
        match restored {
            Some((keys, erased)) => {
                writeln!(out, "{keys} keys of persons; {erased} persons stay erased")?;
            }
            None => writeln!(
                out,
                "next: put `subject-keys.db` beside `haechi.db` before the first start; without \
                 it nothing about persons opens"
            )?,
        }
        Ok(ExitCode::SUCCESS)
    }

    /// The root key first, in a folder of its own: the backup is held against it before a file is
    /// written.
    async fn files(
        &self,
        settings: &Settings,
        directory: &DataDirectory,
    ) -> Result<Manifest, Failure> {
        let target = directory.path();
        if std::fs::read_dir(target).map_err(|error| cannot_use(target, &error))?.next().is_some() {
            return Err(of_backup(&BackupError::NotEmpty(target.to_owned())));
        }
        let aside = target.with_extension("restoring");
        let waiting = DataDirectory::open(&aside)?;
        let done = self.checked(settings, &waiting, target).await;
        let removed = std::fs::remove_dir_all(waiting.path());
        let manifest = done?;
        removed.map_err(|error| cannot_use(waiting.path(), &error))?;
        Ok(manifest)
    }

    async fn checked(
        &self,
        settings: &Settings,
        waiting: &DataDirectory,
        target: &Path,
    ) -> Result<Manifest, Failure> {
        let outbound =
            Outbound::new(OutboundConfig::default()).map_err(|error| Failure::of(&error))?;
        let chance = (
            Arc::new(haechi_assembly::SystemClock) as _,
            Arc::new(haechi_assembly::SystemEntropy) as _,
        );
        let provider = root_provider(&settings.vault.root, waiting, &outbound, chance);
        let provider = provider.map_err(|error| Failure::of(&error).help(error.help()))?;
        let place = provider.place().map(Path::to_owned);
        if let (Some(place), Some(file)) = (&place, &self.root_key) {
            copy_private(file, place)?;
        }
        let root = provider.find().await;
        let root = root.map_err(|error| Failure::of(&error).help(error.help()))?;
        let root = root.ok_or_else(|| {
            Failure::unknown("the root key is needed to restore")
                .help("name a copy of its file with `--root-key FILE`")
        })?;
        let manifest =
            restore(&self.from, target, &root).await.map_err(|error| of_backup(&error))?;
        if let Some((place, name)) = place.as_ref().and_then(|it| Some((it, it.file_name()?))) {
            copy_private(place, &target.join(name))?;
        }
        Ok(manifest)
    }
}

/// Brings the keys of persons back, and erases again who was erased since the backup.
async fn keys(
    context: &Context,
    settings: &Settings,
    directory: DataDirectory,
    file: &Path,
) -> Result<(u64, usize), Failure> {
    let rooms = Rooms::open(settings, directory).await?;
    let subjects = &rooms.safe.subjects;
    let restored = subjects.restore_keys(file).await.map_err(|error| of_copy(&error))?;
    let erased = subjects.finish_erasures().await;
    erased.map_err(|error| Failure::of(&error).help(error.help()))?;
    let job = Job::new(Work::VaultRestore, "backup").with("subject-keys", restored.keys);
    job.run(context, async { Ok(((), Vec::new())) }).await?;
    Ok((restored.keys, usize::try_from(restored.erased).unwrap_or(usize::MAX)))
}

/// A copy that only its owner may read.
fn copy_private(from: &Path, to: &Path) -> Result<(), Failure> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let bytes = std::fs::read(from).map(zeroize::Zeroizing::new);
    let bytes = bytes.map_err(|error| cannot_use(from, &error))?;
    let mut options = std::fs::OpenOptions::new();
    let opened = options.write(true).create_new(true).mode(0o600).open(to);
    let written = opened.and_then(|mut file| file.write_all(&bytes).and_then(|()| file.sync_all()));
    written.map_err(|error| cannot_use(to, &error))
}

fn cannot_use(path: &Path, error: &std::io::Error) -> Failure {
    Failure::unknown(format!("`{}` cannot be used: {error}", path.display()))
}

fn of_backup(error: &BackupError) -> Failure {
    Failure::of(error).help(error.help())
}

fn of_copy(error: &KeyBackupError) -> Failure {
    Failure::of(error).help(error.help())
}
