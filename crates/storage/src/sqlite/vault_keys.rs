//! Keys of the vault.

use std::sync::Arc;

use async_trait::async_trait;
use haechi_core::{
    KeyState, Rewrapped, StoreError, StoredKeyVersion, StoredVaultKey, Timestamp, VaultKeyChange,
    VaultKeyStore, VaultPurpose,
};
use rusqlite::{Connection, Row, Transaction, params};

use super::failure::Failure;
use super::row::{any, execute, many, millis, moment, one, optional_moment};
use super::{Sqlite, Written};
use crate::rule::{exists, missing};

#[async_trait]
impl VaultKeyStore for Sqlite {
    async fn keys_epoch(&self) -> Result<u64, StoreError> {
        haechi_core::RevocationStore::epoch(self).await
    }

    async fn find_or_add(&self, key: StoredVaultKey) -> Result<StoredVaultKey, StoreError> {
        self.write(move |transaction| {
            if let Some(standing) = find(transaction, &key.tenant, key.purpose, &key.kind)? {
                return Ok(Written::Quiet(standing));
            }
            if key.key_id == 0 || is_key(transaction, key.key_id)? {
                return Err(Failure::Refused(exists("vault key")));
            }
            insert(transaction, &key)?;
            Ok(Written::Quiet(key))
        })
        .await
    }

    async fn by_name(
        &self,
        tenant: &str,
        purpose: VaultPurpose,
        kind: &str,
    ) -> Result<Option<StoredVaultKey>, StoreError> {
        let (tenant, kind) = (tenant.to_owned(), kind.to_owned());
        self.read(move |connection| find(connection, &tenant, purpose, &kind)).await
    }

    async fn by_ids(&self, key_ids: &[u32]) -> Result<Vec<StoredVaultKey>, StoreError> {
        let mut key_ids = key_ids.to_vec();
        key_ids.sort_unstable();
        key_ids.dedup();
        self.read(move |connection| {
            let snapshot = connection.unchecked_transaction()?;
            let sql = "SELECT * FROM vault_keys WHERE key_id = ?1";
            let mut keys = Vec::with_capacity(key_ids.len());
            for key_id in key_ids {
                keys.extend(one(&snapshot, sql, [key_id], vault_key)?);
            }
            with_versions(&snapshot, keys)
        })
        .await
    }

    async fn list(&self, tenant: Option<&str>) -> Result<Vec<StoredVaultKey>, StoreError> {
        let tenant = tenant.map(str::to_owned);
        self.read(move |connection| {
            let snapshot = connection.unchecked_transaction()?;
            let sql = "SELECT * FROM vault_keys WHERE ?1 IS NULL OR tenant = ?1";
            let mut keys = many(&snapshot, sql, [tenant], vault_key)?;
            keys.sort_by(|a, b| {
                (&a.tenant, a.purpose, &a.kind).cmp(&(&b.tenant, b.purpose, &b.kind))
            });
            with_versions(&snapshot, keys)
        })
        .await
    }

    async fn add_version(
        &self,
        key_id: u32,
        version: StoredKeyVersion,
        promote: bool,
    ) -> Result<bool, StoreError> {
        self.write(move |transaction| {
            if !is_key(transaction, key_id)? {
                return Err(Failure::Refused(missing("vault key")));
            }
            let sql = "SELECT max(version) FROM vault_key_versions WHERE key_id = ?1";
            let newest = one(transaction, sql, [key_id], |row| Ok(row.get::<_, Option<u32>>(0)?))?;
            if version.version != newest.flatten().unwrap_or(0).saturating_add(1) {
                return Ok(Written::Quiet(false));
            }
            insert_version(transaction, key_id, &version)?;
            if promote {
                let sql = "UPDATE vault_keys SET primary_version = ?2 WHERE key_id = ?1";
                execute(transaction, sql, params![key_id, version.version])?;
            }
            Ok(Written::Raising(true))
        })
        .await
    }

    async fn change(&self, key_id: u32, change: VaultKeyChange) -> Result<(), StoreError> {
        self.write(move |transaction| {
            let sql = "UPDATE vault_keys SET primary_version = coalesce(?2, primary_version),
                              min_open = coalesce(?3, min_open), min_seal = coalesce(?4, min_seal)
                       WHERE key_id = ?1";
            let values = params![key_id, change.primary, change.min_open, change.min_seal];
            match execute(transaction, sql, values)? {
                1 => Ok(Written::Raising(())),
                _ => Err(Failure::Refused(missing("vault key"))),
            }
        })
        .await
    }

    async fn set_state(
        &self,
        key_id: u32,
        version: u32,
        state: KeyState,
    ) -> Result<(), StoreError> {
        self.write(move |transaction| {
            let sql = "UPDATE vault_key_versions SET state = ?3, destroy_at_ms = ?4
                       WHERE key_id = ?1 AND version = ?2 AND wrapped IS NOT NULL";
            let (state, at) = state_columns(state);
            match execute(transaction, sql, params![key_id, version, state, at])? {
                1 => Ok(Written::Raising(())),
                _ => Err(Failure::Refused(missing("vault key"))),
            }
        })
        .await
    }

    async fn destroy_due(&self, now: Timestamp) -> Result<Vec<(u32, u32)>, StoreError> {
        self.write_and_wipe(move |transaction| {
            let sql = "UPDATE vault_key_versions SET wrapped = NULL
                       WHERE wrapped IS NOT NULL AND destroy_at_ms <= ?1
                       RETURNING key_id, version";
            let destroyed = many(transaction, sql, [millis(now)], |row| {
                Ok((row.get::<_, u32>(0)?, row.get::<_, u32>(1)?))
            })?;
            Ok(Written::raising_if(!destroyed.is_empty(), destroyed))
        })
        .await
    }

    async fn rewrap(&self, keys: Vec<Rewrapped>) -> Result<bool, StoreError> {
        self.write_and_wipe(move |transaction| {
            for key in &keys {
                let sql = "SELECT 1 FROM vault_key_versions
                           WHERE key_id = ?1 AND version = ?2 AND wrapped = ?3";
                if !any(transaction, sql, params![key.key_id, key.version, key.from])? {
                    return Ok(Written::Quiet(false));
                }
            }
            for key in &keys {
                let sql = "UPDATE vault_key_versions SET wrapped = ?3, wrapped_by = ?4
                           WHERE key_id = ?1 AND version = ?2";
                let values = params![key.key_id, key.version, key.wrapped, key.wrapped_by];
                execute(transaction, sql, values)?;
            }
            Ok(Written::raising_if(!keys.is_empty(), true))
        })
        .await
    }

    async fn reserve(&self, key_id: u32, version: u32, count: u64) -> Result<u64, StoreError> {
        self.write(move |transaction| {
            let count = i64::try_from(count).map_err(|_| Failure::Damaged("reserved"))?;
            let sql = "UPDATE vault_key_versions SET reserved = reserved + ?3
                       WHERE key_id = ?1 AND version = ?2 RETURNING reserved - ?3";
            let first = one(transaction, sql, params![key_id, version, count], |row| {
                u64::try_from(row.get::<_, i64>(0)?).map_err(|_| Failure::Damaged("reserved"))
            })?;
            first.map(Written::Quiet).ok_or_else(|| Failure::Refused(missing("vault key")))
        })
        .await
    }
}

fn is_key(connection: &Connection, key_id: u32) -> Result<bool, Failure> {
    any(connection, "SELECT 1 FROM vault_keys WHERE key_id = ?1", [key_id])
}

fn find(
    connection: &Connection,
    tenant: &str,
    purpose: VaultPurpose,
    kind: &str,
) -> Result<Option<StoredVaultKey>, Failure> {
    let sql = "SELECT * FROM vault_keys WHERE tenant = ?1 AND purpose = ?2 AND kind = ?3";
    let key = one(connection, sql, [tenant, purpose.as_str(), kind], vault_key)?;
    Ok(with_versions(connection, key.into_iter().collect())?.pop())
}

fn with_versions(
    connection: &Connection,
    mut keys: Vec<StoredVaultKey>,
) -> Result<Vec<StoredVaultKey>, Failure> {
    let sql = "SELECT * FROM vault_key_versions WHERE key_id = ?1 ORDER BY version";
    for key in &mut keys {
        key.versions = many(connection, sql, [key.key_id], key_version)?;
    }
    Ok(keys)
}

fn insert(transaction: &Transaction<'_>, key: &StoredVaultKey) -> Result<(), Failure> {
    let sql = "INSERT INTO vault_keys (key_id, tenant, purpose, kind, primary_version, min_open,
                                       min_seal)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    let values = params![
        key.key_id,
        key.tenant,
        key.purpose.as_str(),
        key.kind,
        key.primary,
        key.min_open,
        key.min_seal
    ];
    execute(transaction, sql, values)?;
    key.versions.iter().try_for_each(|version| insert_version(transaction, key.key_id, version))
}

fn insert_version(
    transaction: &Transaction<'_>,
    key_id: u32,
    version: &StoredKeyVersion,
) -> Result<(), Failure> {
    let sql = "INSERT INTO vault_key_versions (key_id, version, wrapped, wrapped_by, state,
                                               destroy_at_ms, reserved, created_at_ms)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    let (state, at) = state_columns(version.state);
    let reserved = i64::try_from(version.reserved).map_err(|_| Failure::Damaged("reserved"))?;
    let values = params![
        key_id,
        version.version,
        version.wrapped,
        version.wrapped_by,
        state,
        at,
        reserved,
        millis(version.created_at)
    ];
    execute(transaction, sql, values)?;
    Ok(())
}

fn state_columns(state: KeyState) -> (&'static str, Option<i64>) {
    match state {
        KeyState::Enabled => ("enabled", None),
        KeyState::Disabled => ("disabled", None),
        KeyState::Condemned(at) => ("condemned", Some(millis(at))),
    }
}

fn vault_key(row: &Row<'_>) -> Result<StoredVaultKey, Failure> {
    let purpose = VaultPurpose::named(&row.get::<_, String>("purpose")?);
    Ok(StoredVaultKey {
        key_id: row.get("key_id")?,
        tenant: row.get::<_, Arc<str>>("tenant")?,
        purpose: purpose.ok_or(Failure::Damaged("purpose"))?,
        kind: row.get::<_, Arc<str>>("kind")?,
        primary: row.get("primary_version")?,
        min_open: row.get("min_open")?,
        min_seal: row.get("min_seal")?,
        versions: Vec::new(),
    })
}

fn key_version(row: &Row<'_>) -> Result<StoredKeyVersion, Failure> {
    let at = optional_moment(row, "destroy_at_ms")?;
    let state = match (row.get::<_, String>("state")?.as_str(), at) {
        ("enabled", None) => KeyState::Enabled,
        ("disabled", None) => KeyState::Disabled,
        ("condemned", Some(at)) => KeyState::Condemned(at),
        _ => return Err(Failure::Damaged("state")),
    };
    let reserved = u64::try_from(row.get::<_, i64>("reserved")?);
    Ok(StoredKeyVersion {
        version: row.get("version")?,
        wrapped: row.get("wrapped")?,
        wrapped_by: row.get("wrapped_by")?,
        state,
        reserved: reserved.map_err(|_| Failure::Damaged("reserved"))?,
        created_at: moment(row, "created_at_ms")?,
    })
}
