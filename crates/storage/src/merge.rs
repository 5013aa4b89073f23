//! What a second word about the same thing makes of the first.

use haechi_core::{Revocation, RevocationKind, StoredUser, Timestamp, UserChange};

/// Applies `change` to `user`; answers whether anything changed that a cache may hold.
pub(crate) fn apply(user: &mut StoredUser, change: UserChange) -> bool {
    let before = user.clone();
    let UserChange { display_name, email, roles, enabled, not_before, last_sign_in_at } = change;
    put(&mut user.display_name, display_name);
    put(&mut user.email, email);
    put(&mut user.roles, roles);
    put(&mut user.enabled, enabled);
    put(&mut user.not_before, not_before);
    let cached_as_before = *user == before;
    put(&mut user.last_sign_in_at, last_sign_in_at.map(Some));
    !cached_as_before
}

fn put<T>(field: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *field = value;
    }
}

/// Adds the word of `later` to `standing`, which names the same thing.
///
/// `at` becomes the earlier one, for a subject the later, so that more tokens are refused and never
/// fewer; the longer `until` wins for the same reason.
pub(crate) fn join(standing: &mut Revocation, later: &Revocation) {
    standing.at = match standing.kind {
        RevocationKind::Subject => standing.at.max(later.at),
        RevocationKind::Token
        | RevocationKind::Key
        | RevocationKind::StoppedTool
        | RevocationKind::StoppedUser
        | RevocationKind::StoppedUpstream => standing.at.min(later.at),
    };
    standing.until = standing.until.zip(later.until).map(|(a, b)| a.max(b));
}

/// Whether `until` still lies ahead at `now`; without one it always does.
pub(crate) fn stands(until: Option<Timestamp>, now: Timestamp) -> bool {
    until.is_none_or(|until| until > now)
}

/// Whether a revocation of this kind may be taken back: stops may, what was revoked stays revoked.
pub(crate) const fn is_stop(kind: RevocationKind) -> bool {
    match kind {
        RevocationKind::StoppedTool
        | RevocationKind::StoppedUser
        | RevocationKind::StoppedUpstream => true,
        RevocationKind::Token | RevocationKind::Subject | RevocationKind::Key => false,
    }
}
