//! Settings and wiring, the only place that chooses implementations.

mod access;
mod act;
mod administration;
mod assembly;
mod clients;
mod configured_clients;
mod control;
mod directory;
mod environment;
mod export;
mod policies;
mod restored;
mod safe;
pub mod settings;
mod surroundings;
mod unseen;
mod upkeep;
mod watch;
mod witnesses;
mod work;

pub use act::{Act, ApiKeyView, Done, MOST_ARCHIVES, Password, StopView, UserView};
pub use administration::{Administrator, Failure, administer, certificate_text};
pub use assembly::{Assembly, AssemblyError, Extras, Log, OpenedLog, Rooms};
pub use clients::{ClientAdministrationError, ClientView, NewClient};
pub use configured_clients::ConfiguredClients;
pub use control::{Control, ControlError, SOCKET};
pub use directory::{DataDirectory, DirectoryError};
pub use environment::{default_data_directory, text_variable, variable, variables};
pub use export::{ExportState, Exports, file_text, open_lines};
pub use policies::{
    ExpectationsError, PolicyTrouble, compile_policy, policy_source, read_expectations,
};
pub use restored::Restored;
pub use safe::{Safe, Tidied, root_provider};
pub use settings::{Problem, Problems, Settings, SettingsError};
pub use surroundings::{SystemClock, SystemEntropy};
pub use unseen::{PatternTrouble, compile_detector};
pub use watch::Watch;
pub use work::{Work, WorkState};
