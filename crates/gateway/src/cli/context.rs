//! What every command starts from: settings, the data directory, the language, a runtime.

use std::future::Future;
use std::path::PathBuf;

use clap::Args;
use haechi_assembly::{
    Act, DataDirectory, DirectoryError, Done, Rooms, Settings, administer, default_data_directory,
    text_variable,
};
use haechi_face::Language;

use super::failure::Failure;

/// The settings file that is taken when none is named and it is there.
pub(super) const DEFAULT_SETTINGS: &str = "haechi.toml";

/// Options of every command.
#[derive(Debug, Default, Args)]
pub(super) struct Common {
    /// The settings file; `haechi.toml` in the present folder, when there is one
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Where users, keys and the audit log are kept
    #[arg(long, global = true, value_name = "DIR", env = "HAECHI_DATA_DIR")]
    pub(super) data_dir: Option<PathBuf>,
    /// The language of messages: `en` or `ko`; by default that of LANG
    #[arg(long, global = true, value_name = "LANG", value_parser = language)]
    lang: Option<Language>,
}

fn language(text: &str) -> Result<Language, String> {
    Language::of_locale(text).ok_or_else(|| "write `en` or `ko`".to_owned())
}

/// What every command starts from.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) common: Common,
    pub(super) language: Language,
}

impl Context {
    pub(super) fn new(common: Common) -> Self {
        let of_system = ["LC_ALL", "LC_MESSAGES", "LANG"].into_iter().find_map(text_variable);
        let of_system = of_system.and_then(|locale| Language::of_locale(&locale));
        let language = common.lang.or(of_system).unwrap_or_default();
        Self { common, language }
    }

    /// One of two sentences.
    pub(super) fn say(&self, english: &str, korean: &str) -> String {
        self.language.choose(english, korean)
    }

    /// The settings that are named, else those of the present folder, else those of no file.
    pub(super) fn settings(&self) -> Result<Settings, Failure> {
        match self.settings_file() {
            Some(file) => Ok(Settings::load(&file)?),
            None => Ok(Settings::standard()),
        }
    }

    /// As [`Self::settings`], where there must be some.
    pub(super) fn required_settings(&self) -> Result<Settings, Failure> {
        let file = self.settings_file().ok_or_else(|| {
            let message = self.say("there is no settings file", "설정 파일이 없습니다");
            Failure::unknown(message).help(
                "name one with `--config FILE`, make one with `haechi init`, or try `haechi demo`",
            )
        })?;
        Ok(Settings::load(&file)?)
    }

    fn settings_file(&self) -> Option<PathBuf> {
        let present = || Some(PathBuf::from(DEFAULT_SETTINGS)).filter(|file| file.is_file());
        self.common.config.clone().or_else(present)
    }

    /// The data directory: as the command line or the environment says, else the settings, else the
    /// place of the system.
    pub(super) fn directory(&self, settings: &Settings) -> Result<DataDirectory, Failure> {
        let named = self.common.data_dir.clone().or_else(|| settings.data.clone());
        let path = named.or_else(default_data_directory).ok_or(DirectoryError::Unnamed)?;
        Ok(DataDirectory::open(&path)?)
    }

    /// The store and identity, for looking.
    pub(super) async fn rooms(&self) -> Result<Rooms, Failure> {
        let settings = self.settings()?;
        let directory = self.directory(&settings)?;
        Ok(Rooms::open(&settings, directory).await?)
    }

    /// Changes something, and records it.
    pub(super) async fn administer(&self, act: Act) -> Result<Done, Failure> {
        let settings = self.settings()?;
        let directory = self.directory(&settings)?;
        Ok(administer(&settings, directory, act).await?)
    }

    /// Runs a short command on this thread.
    pub(super) fn block_on<T>(
        &self,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        Self::drive(&mut builder, work)
    }

    /// Runs a long command on all processors.
    pub(super) fn block_on_all<T>(
        &self,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        Self::drive(&mut builder, work)
    }

    fn drive<T>(
        builder: &mut tokio::runtime::Builder,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let runtime = builder
            .enable_all()
            .build()
            .map_err(|error| Failure::unknown(format!("the runtime cannot be started: {error}")))?;
        let done = runtime.block_on(work);
        // A thread that waits for standard input would keep the program from ending.
        runtime.shutdown_background();
        done
    }
}
