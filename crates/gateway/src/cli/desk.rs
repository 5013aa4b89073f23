//! The authorization server of a gateway, as the settings want it.

use std::sync::Arc;

use haechi_assembly::{Assembly, ConfiguredClients, Settings};
use haechi_authorization::{
    AuthorizationConfig, AuthorizationServer, ClientMetadata, Dynamic, MetadataSource, Rooms,
    Scope, Stores,
};
use haechi_outbound::{FetchLimits, Reach};

use super::failure::{Failure, chain};
use super::federation;
use crate::gateway::HttpConfig;

/// The largest document or key set of a client, in bytes.
const MAX_DOCUMENT_BYTES: usize = 64 << 10;

/// Opens the authorization server; `None` where the settings do not want one, or say nothing and
/// clients would send codes and tokens in clear.
pub(super) fn open(
    settings: &Settings,
    assembly: &Assembly,
    http: &HttpConfig,
) -> Result<Option<Arc<AuthorizationServer>>, Failure> {
    let wanted = &settings.authorization;
    let Some(issuer) = http.bases().into_iter().next().filter(|_| wanted.enabled) else {
        return Ok(None);
    };
    if !is_safe(&issuer) {
        if wanted.stated {
            let text = format!("`authorization` needs `https` to its clients, not `{issuer}`");
            return Err(
                Failure::no(text).help("name `listen.tls`, or an https `listen.public_url`")
            );
        }
        tracing::warn!(%issuer, "no authorization server: it needs https, or loopback");
        return Ok(None);
    }
    for client in &wanted.clients {
        ClientMetadata::read(client.metadata.as_bytes(), MetadataSource::Operator).map_err(
            |error| {
                let text =
                    format!("`authorization.client.{}`: {}", client.client_id, chain(&error));
                Failure::no(text)
            },
        )?;
    }
    assembly.rooms.identity.be_authorization_server(&issuer);
    let federation = federation::open(settings, assembly, &issuer);
    let config = config(settings, issuer);
    if config.second_factor_required {
        assembly.rooms.identity.require_second_factor();
    }
    let rooms = rooms(settings, assembly);
    let server = AuthorizationServer::new(config, rooms, stores(settings, assembly));
    Ok(Some(Arc::new(match federation {
        Some(federation) => server.with_federation(federation),
        None => server,
    })))
}

/// RFC 6749 §3.1.2.1: over TLS, or not over any network.
fn is_safe(issuer: &str) -> bool {
    let Ok(url) = url::Url::parse(issuer) else { return false };
    let loopback = match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    url.scheme() == "https" || loopback
}

fn config(settings: &Settings, issuer: String) -> AuthorizationConfig {
    let wanted = settings.authorization.clone();
    let scope = |it: &haechi_assembly::settings::ScopeSettings| Scope {
        name: it.name.clone(),
        english: it.english.clone(),
        korean: it.korean.clone(),
    };
    AuthorizationConfig {
        issuer,
        scopes: settings.scopes.iter().map(scope).collect(),
        access_lifetime: wanted.access_lifetime,
        refresh_idle: wanted.refresh_idle,
        grant_lifetime: wanted.grant_lifetime,
        code_lifetime: wanted.code_lifetime,
        refresh_grace: wanted.refresh_grace,
        session_lifetime: wanted.session_lifetime,
        session_idle: wanted.session_idle,
        metadata_documents: wanted.metadata_documents,
        document_hosts: wanted.document_hosts,
        dangerous_loopback_documents: wanted.dangerous_loopback_documents,
        dynamic_registration: if wanted.dynamic_registration {
            Dynamic::Open
        } else {
            Dynamic::Off
        },
        second_factor_required: wanted.second_factor_required,
        assertion_issuers: wanted.assertion_issuers,
        exchange_issuers: wanted.exchange_issuers,
    }
}

fn rooms(settings: &Settings, assembly: &Assembly) -> Rooms {
    // Strangers name what is read: it lies in the open, whatever our own issuers do.
    let reach = if settings.authorization.dangerous_loopback_documents {
        Reach::Loopback
    } else {
        Reach::Public
    };
    let limits = FetchLimits { reach, max_bytes: MAX_DOCUMENT_BYTES, ..FetchLimits::default() };
    let rooms = &assembly.rooms;
    Rooms {
        identity: Arc::clone(&rooms.identity),
        guard: Arc::clone(&assembly.guard),
        fetch: Arc::new(rooms.outbound.fetcher(limits)),
        clock: Arc::clone(&rooms.clock),
        entropy: Arc::clone(&rooms.entropy),
    }
}

fn stores(settings: &Settings, assembly: &Assembly) -> Stores {
    let all = Arc::new(assembly.rooms.store.clone());
    let configured = settings.authorization.clients.clone();
    Stores {
        users: Arc::clone(&all) as _,
        clients: Arc::new(ConfiguredClients::new(configured, Arc::clone(&all) as _)),
        grants: Arc::clone(&all) as _,
        consents: Arc::clone(&all) as _,
        tickets: Arc::clone(&all) as _,
        sessions: Arc::clone(&all) as _,
        factors: Arc::clone(&all) as _,
        logins: all,
    }
}
