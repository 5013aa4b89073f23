//! What is due goes for good, and is recorded.

use haechi_assembly::settings::KeepSettings;
use haechi_assembly::{Administrator, Rooms, Tidied};

use crate::cli::failure::chain;

/// Retention, keys that are due, erasures that were cut off. What is gone for good is recorded.
pub(super) async fn tidy(rooms: Rooms, administrator: Administrator, keep: KeepSettings) {
    // Where nobody can tell whether a hold stands, one does.
    let held = match rooms.refuse_while_held().await {
        Ok(()) => false,
        Err(error) => {
            tracing::info!(reason = chain(&error), "no key is destroyed, and no entry given up");
            true
        }
    };
    if !held && let Err(error) = administrator.give_up_old(&keep).await {
        tracing::error!(error = chain(&error), "old entries of the audit log were not given up");
    }
    let Tidied { erased, expired, destroyed } = rooms.safe.tidy(held).await;
    let record = async |act: &str, object: String| {
        tracing::info!(act, object, "done when it was time");
        let recorded = administrator.record(act, &object, vec!["done".to_owned()]).await;
        if let Err(error) = recorded {
            tracing::error!(error = chain(&error), act, "this was not recorded");
        }
    };
    match erased {
        Ok(certificates) => {
            for certificate in certificates {
                if let Err(error) = rooms.accounts.remove_all(&certificate.sid).await {
                    tracing::error!(error = chain(&error), "linked accounts were not forgotten");
                }
                record("subject.erase", certificate.sid.to_string()).await;
                if let Err(error) = administrator.certify_erasure(&certificate.sid).await {
                    tracing::error!(error = chain(&error), "a certificate was not signed");
                }
            }
        }
        Err(error) => tracing::error!(error = chain(&error), "erasures were not finished"),
    }
    match expired {
        Ok(0) => {}
        Ok(count) => tracing::info!(count, "tokens whose time was over were deleted"),
        Err(error) => tracing::error!(error = chain(&error), "old tokens were not deleted"),
    }
    match destroyed {
        Ok(versions) => {
            for (key, version) in versions {
                record("vault.destroy", format!("{key}/{version}")).await;
            }
        }
        Err(error) => tracing::error!(error = chain(&error), "keys that are due stand"),
    }
}
