//! The caller as the upstream learns of it: a short signed assertion, or nothing.

use std::time::Duration;

use haechi_core::json::{Editor, Text, quote};
use haechi_core::{Principal, UpstreamName};
use haechi_identity::{CallerAssertion, Identity, PresentedCaller};

use crate::{Call, GovernedCall, Guard, Refusal};

/// The member of `params._meta` that carries the assertion.
pub const CALLER_META: &str = "haechi/caller";

/// The member of `params._meta` with the request's id as the assertion names it, where a carrier
/// gives the request another one on its way.
pub const CALLER_REQUEST_META: &str = "haechi/request";

/// The header that carries the assertion over HTTP.
pub const CALLER_HEADER: &str = "Haechi-Caller";

const ASSERTION_LIFETIME: Duration = Duration::from_secs(60);

/// What an upstream learns of the caller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CallerMode {
    /// Nothing.
    #[default]
    None,
    /// A JWT by the gateway's key, bound to this request, 60 seconds at most.
    Signed,
}

impl Guard {
    /// Proves who calls by the word of a gateway in front: by the assertion in the header
    /// [`CALLER_HEADER`] or in [`CALLER_META`] of the request. `None` when there is neither: then
    /// other credentials decide.
    ///
    /// An assertion is good once: ask once for each call. A refusal here is counted, not recorded.
    ///
    /// # Errors
    ///
    /// [`Refusal::Malformed`] for two that differ and for what is no governed request,
    /// [`Refusal::Unauthenticated`], or [`Refusal::Unavailable`] when nothing can be decided.
    pub async fn authenticate_caller(&self, call: &Call) -> Result<Option<Principal>, Refusal> {
        let proved = self.prove_caller(call).await;
        proved.inspect_err(|refusal| {
            let word = match refusal {
                Refusal::Unauthenticated(error) => error.word(),
                other => other.word(),
            };
            self.count_refusal(&call.origin, word);
        })
    }

    async fn prove_caller(&self, call: &Call) -> Result<Option<Principal>, Refusal> {
        let Some(assertion) = presented(call)? else { return Ok(None) };
        let governed = GovernedCall::read(call.clone())?;
        let name = &governed.resource().name;
        let presented = PresentedCaller {
            assertion: &assertion,
            method: governed.method(),
            tool: (!name.is_empty()).then_some(&**name),
            request_id: governed.id(),
        };
        let proved = self.rooms().identity.authenticate_caller(&presented).await;
        proved.map(Some).map_err(Self::unauthenticated)
    }
}

/// The one assertion that comes with a call.
fn presented(call: &Call) -> Result<Option<String>, Refusal> {
    let named = |(name, _): &&(String, String)| name.eq_ignore_ascii_case(CALLER_HEADER);
    let headers = call.headers.iter().filter(named).map(|(_, value)| value.clone());
    let meta = call.body.text().path(&["params", "_meta", CALLER_META]);
    let malformed = Refusal::Malformed("the caller assertion is not one text");
    let meta = match meta.map(|meta| meta.string().map(|text| text.into_owned())) {
        Some(None) => return Err(malformed),
        Some(text) => text,
        None => None,
    };
    let mut all = headers.chain(meta);
    let first = all.next();
    if all.any(|other| Some(&other) != first.as_ref()) { Err(malformed) } else { Ok(first) }
}

/// Takes out what a client sent under the assertion's name, and puts the true one in; the text of
/// the assertion, when there is one.
pub(crate) fn introduce(
    call: &mut GovernedCall,
    mode: CallerMode,
    principal: &Principal,
    identity: &Identity,
) -> Result<Option<String>, Refusal> {
    match mode {
        CallerMode::None => remove(call).map(|()| None),
        CallerMode::Signed => {
            let assertion = sign(call, principal, identity)?;
            put(call, &assertion)?;
            Ok(Some(assertion))
        }
    }
}

fn sign(
    call: &GovernedCall,
    principal: &Principal,
    identity: &Identity,
) -> Result<String, Refusal> {
    let name = &call.resource().name;
    let assertion = CallerAssertion {
        upstream: audience(call.upstream()),
        method: call.method(),
        tool: (!name.is_empty()).then_some(&**name),
        request_id: call.id().raw(),
        principal,
        lifetime: ASSERTION_LIFETIME,
    };
    identity.sign_assertion(&assertion).map_err(|error| Refusal::Unavailable(Some(error.into())))
}

/// The audience of an assertion is the upstream's name in the settings.
fn audience(upstream: &UpstreamName) -> &str {
    upstream.as_str()
}

fn remove(call: &mut GovernedCall) -> Result<(), Refusal> {
    let Some(meta) = call.params().and_then(|params| params.member("_meta")) else { return Ok(()) };
    if meta.member(CALLER_META).is_none() {
        return Ok(());
    }
    let mut editor = Editor::new(call.body().text());
    editor.remove_member(meta, CALLER_META);
    finish(editor.finish(), call)
}

fn put(call: &mut GovernedCall, assertion: &str) -> Result<(), Refusal> {
    let root = call.body().text();
    let mut editor = Editor::new(root);
    let member = format!("{}:{}", quote(CALLER_META), quote(assertion));
    match (call.params(), call.params().and_then(|params| params.member("_meta"))) {
        (_, Some(meta)) => editor.set_member(meta, CALLER_META, quote(assertion)),
        (Some(params), None) => editor.set_member(params, "_meta", format!("{{{member}}}")),
        (None, None) => editor.set_member(root, "params", format!(r#"{{"_meta":{{{member}}}}}"#)),
    };
    finish(editor.finish(), call)
}

fn finish<E>(edited: Result<String, E>, call: &mut GovernedCall) -> Result<(), Refusal> {
    let too_large = || Refusal::Malformed("the request cannot carry its caller");
    call.replace_body(edited.map_err(|_| too_large())?).map_err(|_| too_large())
}

/// The same name in a relayed message is taken out too; `None` when it is not there.
pub(crate) fn without_caller(message: Text<'_>) -> Option<String> {
    let meta = message.path(&["params", "_meta"])?;
    meta.member(CALLER_META)?;
    let mut editor = Editor::new(message);
    editor.remove_member(meta, CALLER_META);
    editor.finish().ok()
}
