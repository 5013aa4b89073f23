//! Why nobody is known by these credentials, in both languages.

use haechi_identity::jose::TokenError;
use haechi_identity::{ApiKeyError, AuthenticationError, CallerError, SignInError};

use super::Language;
use super::sender::sender;

/// What a caller may know about credentials that were not accepted. Expired, invalid, revoked and
/// meant for somebody else are different sentences, because the next step differs.
pub fn authentication(error: &AuthenticationError, language: Language) -> String {
    let (english, korean) = match error {
        AuthenticationError::Missing => (
            "sign in first: this address needs an access token",
            "먼저 로그인하세요. 이 주소에는 액세스 토큰이 필요합니다",
        ),
        AuthenticationError::NotAccepted => (
            "credentials of this kind are not accepted here; send an access token",
            "이 종류의 자격 증명은 여기서 받지 않습니다. 액세스 토큰을 보내세요",
        ),
        AuthenticationError::Token(error) => return token(*error, language),
        AuthenticationError::ApiKey(error) => api_key(*error),
        AuthenticationError::Caller(error) => caller(*error),
        AuthenticationError::Sender(error) => sender(error),
        AuthenticationError::UserRemoved => (
            "the user of these credentials does not exist any more",
            "이 자격 증명의 사용자는 더 이상 존재하지 않습니다",
        ),
        AuthenticationError::UserDisabled => (
            "the user of these credentials is disabled; ask an administrator",
            "이 자격 증명의 사용자는 비활성화되었습니다. 관리자에게 문의하세요",
        ),
        AuthenticationError::RolesChanged => (
            "your roles changed while the call was under way; try again",
            "호출하는 동안 역할이 바뀌었습니다. 다시 시도하세요",
        ),
        AuthenticationError::IssuerUnavailable(_) => (
            "the issuer of your token cannot be asked now; try again later",
            "지금은 토큰 발급자에게 확인할 수 없습니다. 나중에 다시 시도하세요",
        ),
        AuthenticationError::Unavailable(_) | AuthenticationError::Unnamed(_) => (
            "Haechi cannot check credentials now; try again later",
            "지금은 자격 증명을 확인할 수 없습니다. 나중에 다시 시도하세요",
        ),
    };
    language.choose(english, korean)
}

/// Whoever reads this runs the gateway in front: people behind it cannot do anything about it.
const fn caller(error: CallerError) -> (&'static str, &'static str) {
    match error {
        CallerError::NoGateway => (
            "this server accepts no callers of a gateway",
            "이 서버는 게이트웨이의 호출자를 받지 않습니다",
        ),
        CallerError::Token(TokenError::Expired(_)) => (
            "the gateway's word for this caller has expired; check the clocks",
            "이 호출자에 대한 게이트웨이의 보증이 만료되었습니다. 시계를 확인하세요",
        ),
        CallerError::Token(TokenError::Revoked) => {
            ("this caller was revoked here", "이 호출자는 여기서 폐기되었습니다")
        }
        CallerError::Replayed => (
            "the gateway's word for this caller was used before",
            "이 호출자에 대한 게이트웨이의 보증은 이미 사용되었습니다",
        ),
        CallerError::Anonymous => (
            "the gateway does not know this caller; sign in there first",
            "게이트웨이가 이 호출자를 알지 못합니다. 먼저 게이트웨이에 로그인하세요",
        ),
        CallerError::TooMany => (
            "too many calls through the gateway at once; try again in a minute",
            "게이트웨이를 통한 호출이 한꺼번에 너무 많습니다. 1분 뒤에 다시 시도하세요",
        ),
        CallerError::WrongIssuer | CallerError::WrongAudience => (
            "the gateway's word for this caller is of another gateway or for another server",
            "이 호출자에 대한 보증이 다른 게이트웨이의 것이거나 다른 서버용입니다",
        ),
        CallerError::WrongMethod | CallerError::WrongTool | CallerError::WrongRequest => (
            "the gateway's word for this caller is for another call",
            "이 호출자에 대한 게이트웨이의 보증은 다른 호출용입니다",
        ),
        CallerError::Token(_)
        | CallerError::WrongType
        | CallerError::WrongLifetime
        | CallerError::BeforeStart => (
            "the gateway's word for this caller is not accepted",
            "이 호출자에 대한 게이트웨이의 보증을 받지 않습니다",
        ),
    }
}

fn token(error: TokenError, language: Language) -> String {
    if let TokenError::Expired(ago) = error {
        let ago = ago.as_secs();
        return language.choose(
            format!("the access token expired {ago}s ago; sign in again"),
            format!("액세스 토큰이 {ago}초 전에 만료되었습니다. 다시 로그인하세요"),
        );
    }
    if let TokenError::NotYetValid(wait) = error {
        let wait = wait.as_secs();
        return language.choose(
            format!("the access token is not valid for another {wait}s"),
            format!("액세스 토큰은 {wait}초 뒤부터 유효합니다"),
        );
    }
    let (english, korean) = fixed_token_sentence(error);
    language.choose(english, korean)
}

const fn fixed_token_sentence(error: TokenError) -> (&'static str, &'static str) {
    match error {
        TokenError::Revoked => (
            "the access token was revoked; sign in again",
            "액세스 토큰이 폐기되었습니다. 다시 로그인하세요",
        ),
        TokenError::Inactive => (
            "the access token is not active any more, or of an issuer that is not trusted here; sign in again",
            "액세스 토큰이 더 이상 유효하지 않거나 여기서 신뢰하지 않는 발급자의 것입니다. 다시 로그인하세요",
        ),
        TokenError::WrongAudience => (
            "the access token is for another address; get one for this address",
            "액세스 토큰이 다른 주소용입니다. 이 주소용 토큰을 받으세요",
        ),
        TokenError::WrongIssuer => (
            "the access token is of an issuer that is not trusted here",
            "여기서 신뢰하지 않는 발급자의 액세스 토큰입니다",
        ),
        TokenError::IssuedInFuture => (
            "the access token was issued in the future; check the clocks",
            "액세스 토큰의 발급 시각이 미래입니다. 시계를 확인하세요",
        ),
        TokenError::IdToken | TokenError::WrongType => (
            "this is not an access token; send the access token, not the ID token",
            "액세스 토큰이 아닙니다. ID 토큰이 아니라 액세스 토큰을 보내세요",
        ),
        TokenError::UnknownKey | TokenError::KeysUnavailable => (
            "the key that signed the access token is not known here; sign in again",
            "액세스 토큰에 서명한 키를 알 수 없습니다. 다시 로그인하세요",
        ),
        TokenError::BadSignature | TokenError::AlgorithmNotAccepted => (
            "the access token is invalid: its signature is not accepted",
            "액세스 토큰이 유효하지 않습니다. 서명을 받아들일 수 없습니다",
        ),
        _ => (
            "the access token is invalid: it is malformed",
            "액세스 토큰이 유효하지 않습니다. 형식이 잘못되었습니다",
        ),
    }
}

const fn api_key(error: ApiKeyError) -> (&'static str, &'static str) {
    match error {
        ApiKeyError::Malformed => ("the API key is malformed", "API 키의 형식이 잘못되었습니다"),
        ApiKeyError::Unknown => ("the API key is not known here", "알 수 없는 API 키입니다"),
        ApiKeyError::Expired => {
            ("the API key expired; ask for a new one", "API 키가 만료되었습니다. 새 키를 받으세요")
        }
        ApiKeyError::Revoked => (
            "the API key was revoked; ask for a new one",
            "API 키가 폐기되었습니다. 새 키를 받으세요",
        ),
    }
}

/// What somebody who tried to sign in may know: an unknown user and a wrong password are one
/// sentence.
pub fn sign_in(error: &SignInError, language: Language) -> String {
    let (english, korean) = match error {
        SignInError::WrongCredentials { .. } => {
            ("username or password is wrong", "사용자 이름 또는 비밀번호가 틀렸습니다")
        }
        SignInError::UserDisabled { .. } => (
            "the user is disabled; ask an administrator",
            "사용자가 비활성화되었습니다. 관리자에게 문의하세요",
        ),
        SignInError::SecondFactorNeeded { .. } => (
            "a password is not enough for this user; sign in with a browser",
            "이 사용자는 비밀번호만으로 로그인할 수 없습니다. 브라우저에서 로그인하세요",
        ),
        SignInError::Throttled { retry_after } => {
            let wait = retry_after.as_secs().max(1);
            return language.choose(
                format!("too many attempts; try again in {wait}s"),
                format!("시도가 너무 많습니다. {wait}초 뒤에 다시 시도하세요"),
            );
        }
        SignInError::Busy { retry_after } => {
            let wait = retry_after.as_secs().max(1);
            return language.choose(
                format!("too many sign-ins at this moment; try again in {wait}s"),
                format!("지금 로그인이 너무 많습니다. {wait}초 뒤에 다시 시도하세요"),
            );
        }
        SignInError::NoAudience => (
            "this server has no address a token could be for",
            "토큰을 발급할 주소가 이 서버에 없습니다",
        ),
        SignInError::Unavailable(_) | SignInError::Entropy(_) | SignInError::Failed => (
            "Haechi cannot sign anybody in now; try again later",
            "지금은 로그인할 수 없습니다. 나중에 다시 시도하세요",
        ),
    };
    language.choose(english, korean)
}
