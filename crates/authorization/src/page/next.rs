//! What is missing before a client gets its answer.

use std::collections::BTreeSet;

use bytes::Bytes;
use haechi_core::{FactorKind, StoredConsent};
use http::Response;

use super::answer::see_other;
use crate::error::ErrorCode;
use crate::interaction::{ClientKind, Interaction, Prompt};
use crate::session::BrowserSession;
use crate::{AuthorizationServer, OAuthError, Visit};

/// What a person must do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Sign in, or sign in again.
    SignIn,
    /// Show the second factor.
    SecondFactor,
    /// Make a second factor: everybody needs one.
    MakeFactor,
    /// Consent.
    Consent,
    /// Nothing.
    Done,
}

impl AuthorizationServer {
    /// Goes on with an interaction: approves it, denies it, or shows the next page.
    pub(crate) async fn ask(
        &self,
        visit: &Visit<'_>,
        ticket: &str,
        interaction: &Interaction,
    ) -> Response<Bytes> {
        let answer = async {
            let session = self.session(visit).await?;
            self.go_on(visit, session.as_ref(), Some((ticket, interaction))).await
        };
        answer.await.unwrap_or_else(|error| self.error_page(visit, &error))
    }

    /// Goes on with whoever is signed in now; without an interaction, to the account.
    pub(crate) async fn go_on(
        &self,
        visit: &Visit<'_>,
        session: Option<&BrowserSession>,
        waiting: Option<(&str, &Interaction)>,
    ) -> Result<Response<Bytes>, OAuthError> {
        let step = self.step(session, waiting.map(|(_, interaction)| interaction)).await?;
        let Some((ticket, interaction)) = waiting else {
            return Ok(see_other(match step {
                Step::SignIn => "/oauth/sign-in",
                Step::SecondFactor | Step::MakeFactor => "/oauth/second-factor",
                _ => "/oauth/account",
            }));
        };
        if let (Step::Done, Some(session)) = (step, session) {
            let who = session.who();
            return Ok(self.approve(visit, ticket, interaction, &who).await);
        }
        if interaction.prompt.contains(&Prompt::None) {
            return Ok(self.deny(visit, ticket, interaction, nothing_shown(step)).await);
        }
        let page = match step {
            Step::SignIn => "sign-in",
            Step::SecondFactor | Step::MakeFactor => "second-factor",
            Step::Consent | Step::Done => "consent",
        };
        Ok(see_other(&format!("/oauth/{page}?ticket={ticket}")))
    }

    /// What is missing. Without an interaction nobody need consent to anything.
    pub(crate) async fn step(
        &self,
        session: Option<&BrowserSession>,
        interaction: Option<&Interaction>,
    ) -> Result<Step, OAuthError> {
        let Some(session) = session else { return Ok(Step::SignIn) };
        if interaction.is_some_and(|interaction| is_stale(session, interaction)) {
            return Ok(Step::SignIn);
        }
        if !session.is_multi_factor() {
            if self.has_second_factor(&session.user.user_id).await? {
                return Ok(Step::SecondFactor);
            }
            if self.config.second_factor_required {
                return Ok(Step::MakeFactor);
            }
        }
        let Some(interaction) = interaction else { return Ok(Step::Done) };
        let held = self.has_consented(&session.user.user_id, interaction).await?;
        Ok(if held { Step::Done } else { Step::Consent })
    }

    /// Whether a user made a factor besides the password. Codes on paper stand in for one, and are
    /// none by themselves.
    pub(crate) async fn has_second_factor(&self, user_id: &str) -> Result<bool, OAuthError> {
        let all = self.stores.factors.list(user_id).await?;
        Ok(all.iter().any(|factor| factor.kind != FactorKind::RecoveryCodes))
    }

    /// Whether the person consented to all of it before, for this very redirection.
    ///
    /// Any program of a machine can wait for an answer on its loopback, or take a scheme of its own
    /// (RFC 8252 §8.6): what is remembered for such an address holds for clients the operator
    /// entered only.
    async fn has_consented(
        &self,
        user_id: &str,
        interaction: &Interaction,
    ) -> Result<bool, OAuthError> {
        let asked = interaction.prompt.contains(&Prompt::Consent);
        let assured = interaction.client_kind == ClientKind::Registered
            || !anybody_may_listen(&interaction.redirect_uri);
        if asked || !assured {
            return Ok(false);
        }
        let Interaction { client_id, redirect_uri, resources, scopes, .. } = interaction;
        let all = self.stores.consents.list(user_id, Some(client_id)).await?;
        Ok(cover(&all, redirect_uri, resources, scopes))
    }
}

/// Whether consents hold for all of it, and for this very redirection.
pub(crate) fn cover(
    consents: &[StoredConsent],
    redirect_uri: &str,
    resources: &[String],
    scopes: &BTreeSet<String>,
) -> bool {
    let covers = |consent: &StoredConsent, resource: &str| {
        consent.resource == resource
            && consent.redirect_uri == redirect_uri
            && consent.scopes.is_superset(scopes)
    };
    resources.iter().all(|resource| consents.iter().any(|it| covers(it, resource)))
}

/// Whether the answer goes where any program of the person's machine can take it.
pub(crate) fn anybody_may_listen(redirect_uri: &str) -> bool {
    let Ok(address) = url::Url::parse(redirect_uri) else { return true };
    let loopback = match address.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        None => true,
    };
    loopback || address.scheme() != "https"
}

/// Whether the client wants a fresher sign-in (OpenID Connect Core §3.1.2.1). One that was made for
/// this very request is fresh enough for any.
fn is_stale(session: &BrowserSession, interaction: &Interaction) -> bool {
    let signed_in = session.stored.authenticated_at.as_secs();
    if signed_in >= interaction.asked_at {
        return false;
    }
    let again = [Prompt::Login, Prompt::SelectAccount];
    let asked = again.iter().any(|prompt| interaction.prompt.contains(prompt));
    let age = interaction.asked_at.saturating_sub(signed_in);
    asked || interaction.max_age.is_some_and(|max_age| age > max_age)
}

/// `prompt=none`: what a page would have been needed for.
fn nothing_shown(step: Step) -> OAuthError {
    let (code, word) = match step {
        Step::SignIn => (ErrorCode::LoginRequired, "login-required"),
        Step::SecondFactor | Step::MakeFactor => {
            (ErrorCode::InteractionRequired, "factor-required")
        }
        Step::Consent | Step::Done => (ErrorCode::ConsentRequired, "consent-required"),
    };
    OAuthError::new(code, word, "the person must be shown a page, and prompt=none forbids it")
}
