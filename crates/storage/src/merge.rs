//! What a second word about the same thing makes of the first.

use std::time::Duration;

use haechi_core::{
    Revocation, RevocationKind, StoredGrant, StoredRefreshToken, StoredUser, Timestamp, UserChange,
};

/// How long after its end a ticket that was taken is remembered as such.
pub(crate) const TAKEN_TICKETS_STAY: Duration = Duration::from_secs(3600);

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

/// What a refresh token is when somebody presents it.
pub(crate) enum Presented {
    /// The one that counts.
    Current,
    /// One that was replaced moments ago.
    Again,
    /// One that was replaced longer ago.
    Reused,
    /// One that ended, or whose grant did.
    Ended,
}

/// Judges `token` of `grant`, presented at `now`; `grace` after it was replaced it is still taken, for
/// an answer that was lost. `last_replaced` is when the youngest replaced token of the grant was: once
/// a successor was used, no answer was lost, and whoever comes with the older token is somebody else.
pub(crate) fn presented(
    token: &StoredRefreshToken,
    grant: &StoredGrant,
    last_replaced: Option<Timestamp>,
    now: Timestamp,
    grace: Duration,
) -> Presented {
    if !grant_stands(grant, now) || token.expires_at <= now {
        return Presented::Ended;
    }
    match token.replaced_at {
        None => Presented::Current,
        Some(at) if now < at.after(grace) && last_replaced <= Some(at) => Presented::Again,
        Some(_) => Presented::Reused,
    }
}

/// Whether a grant is neither revoked nor ended at `now`.
pub(crate) fn grant_stands(grant: &StoredGrant, now: Timestamp) -> bool {
    grant.revoked_at.is_none() && grant.expires_at > now
}
