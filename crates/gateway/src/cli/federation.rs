//! Sign-in at other providers, as the settings want it.

use std::sync::Arc;

use haechi_assembly::settings::{FederationSettings, PeopleSettings};
use haechi_assembly::{Assembly, Settings};
use haechi_authorization::{
    Federation, FederationRooms, Label, PersonClaims, ProviderConfig, RoleRule, Who,
};
use haechi_outbound::FetchLimits;

/// The largest answer of a provider, in bytes.
const MAX_ANSWER_BYTES: usize = 256 << 10;

/// The providers of the settings, whose answers come to `issuer`; `None` where there is none.
pub(super) fn open(
    settings: &Settings,
    assembly: &Assembly,
    issuer: &str,
) -> Option<Arc<Federation>> {
    if settings.federation.is_empty() {
        return None;
    }
    let providers = settings.federation.iter().map(provider).collect();
    let federation = Federation::new(issuer, providers, rooms(settings, assembly));
    let passwords = settings.authorization.password;
    Some(Arc::new(if passwords { federation } else { federation.without_passwords() }))
}

fn rooms(settings: &Settings, assembly: &Assembly) -> FederationRooms {
    let rooms = &assembly.rooms;
    let reach = settings.outbound.reach;
    let limits = FetchLimits { reach, max_bytes: MAX_ANSWER_BYTES, ..FetchLimits::default() };
    let store = Arc::new(rooms.store.clone());
    FederationRooms {
        identity: Arc::clone(&rooms.identity),
        client: rooms.client.clone(),
        exchange: Arc::new(rooms.outbound.exchanger(limits)),
        clock: Arc::clone(&rooms.clock),
        entropy: Arc::clone(&rooms.entropy),
        audit: assembly.audit.clone(),
        sealer: Arc::clone(&rooms.sealer),
        tickets: Arc::clone(&store) as _,
        logins: Arc::clone(&store) as _,
        accounts: Arc::clone(&rooms.accounts),
        sessions: Arc::clone(&store) as _,
        grants: store,
    }
}

fn provider(settings: &FederationSettings) -> ProviderConfig {
    let FederationSettings { label: (english, korean), claims, .. } = settings.clone();
    let role = |(roles, people): &(_, PeopleSettings)| RoleRule {
        roles: std::collections::BTreeSet::clone(roles),
        who: who(people),
    };
    ProviderConfig {
        name: settings.name.clone(),
        label: Label { english, korean },
        rules: settings.rules.clone(),
        authentication: settings.authentication.clone(),
        scopes: settings.scopes.clone(),
        claims: PersonClaims {
            subject: claims.subject,
            username: claims.username,
            name: claims.name,
            email: claims.email,
            email_verified: claims.email_verified,
            groups: claims.groups,
        },
        allow: settings.allow.iter().map(who).collect(),
        roles: settings.roles.iter().map(role).collect(),
        create: settings.create,
        recheck: settings.recheck,
    }
}

fn who(people: &PeopleSettings) -> Who {
    let PeopleSettings { everybody, groups, email_domains, claims } = people.clone();
    Who { everybody, groups, email_domains, claims }
}
