//! Why a genuine token was not taken from whoever sent it, in both languages.

use haechi_identity::{DpopError, SenderConstraint, SenderError};

/// What its sender may know. Whoever stole a token learns only that it is not enough.
pub(super) const fn sender(error: &SenderError) -> (&'static str, &'static str) {
    match error {
        SenderError::UnknownConfirmation => (
            "the access token is bound to its sender in a way that is not known here",
            "액세스 토큰이 여기서 알 수 없는 방식으로 보낸 쪽에 묶여 있습니다",
        ),
        SenderError::ProofMissing => (
            "the access token is bound to a key; send it as DPoP with a proof of that key",
            "액세스 토큰이 키에 묶여 있습니다. 그 키의 증명과 함께 DPoP로 보내세요",
        ),
        SenderError::NotBound => (
            "the access token is bound to no key; send it as Bearer, or get one that is",
            "액세스 토큰이 키에 묶여 있지 않습니다. Bearer로 보내거나 키에 묶인 토큰을 받으세요",
        ),
        SenderError::WrongKey => (
            "the DPoP proof is of another key than the access token's",
            "DPoP 증명의 키가 액세스 토큰의 키와 다릅니다",
        ),
        SenderError::CertificateMissing => (
            "the access token is bound to a client certificate; connect with that certificate",
            "액세스 토큰이 클라이언트 인증서에 묶여 있습니다. 그 인증서로 연결하세요",
        ),
        SenderError::WrongCertificate => (
            "the access token is bound to another client certificate than the connection's",
            "액세스 토큰이 이 연결의 것과 다른 클라이언트 인증서에 묶여 있습니다",
        ),
        SenderError::Demanded(demanded) => demand(*demanded),
        SenderError::Proof(error) => proof(error),
    }
}

const fn demand(demanded: SenderConstraint) -> (&'static str, &'static str) {
    match demanded {
        SenderConstraint::Dpop => (
            "this address takes only access tokens that are bound to a key (DPoP)",
            "이 주소는 키에 묶인(DPoP) 액세스 토큰만 받습니다",
        ),
        SenderConstraint::Mtls => (
            "this address takes only access tokens that are bound to a client certificate",
            "이 주소는 클라이언트 인증서에 묶인 액세스 토큰만 받습니다",
        ),
        SenderConstraint::Either | SenderConstraint::Optional => (
            "this address takes only access tokens that are bound to a key (DPoP) or to a client certificate",
            "이 주소는 키(DPoP)나 클라이언트 인증서에 묶인 액세스 토큰만 받습니다",
        ),
        SenderConstraint::Both => (
            "this address takes only access tokens that are bound to a key (DPoP) and to a client certificate",
            "이 주소는 키(DPoP)와 클라이언트 인증서에 모두 묶인 액세스 토큰만 받습니다",
        ),
    }
}

const fn proof(error: &DpopError) -> (&'static str, &'static str) {
    match error {
        DpopError::NonceNeeded(_) => (
            "the DPoP proof must carry the nonce that comes with this answer",
            "DPoP 증명에 이 응답과 함께 오는 nonce가 있어야 합니다",
        ),
        DpopError::TooOld | DpopError::FromFuture => (
            "the DPoP proof is too old or made in the future; make one for each request and check the clocks",
            "DPoP 증명이 너무 오래되었거나 미래의 것입니다. 요청마다 새로 만들고 시계를 확인하세요",
        ),
        DpopError::Replayed => (
            "the DPoP proof was used before; make one for each request",
            "DPoP 증명은 이미 사용되었습니다. 요청마다 새로 만드세요",
        ),
        DpopError::WrongMethod | DpopError::WrongUrl => (
            "the DPoP proof is for another method or address",
            "DPoP 증명이 다른 메서드나 주소용입니다",
        ),
        DpopError::WrongToken => {
            ("the DPoP proof is for another access token", "DPoP 증명이 다른 액세스 토큰용입니다")
        }
        DpopError::Key(_) => (
            "the key in the DPoP proof is not accepted; it must be a public key of an asymmetric algorithm",
            "DPoP 증명의 키를 받아들일 수 없습니다. 비대칭 알고리즘의 공개 키여야 합니다",
        ),
        DpopError::TooMany => (
            "too many DPoP proofs at once; try again in a minute",
            "DPoP 증명이 한꺼번에 너무 많습니다. 1분 뒤에 다시 시도하세요",
        ),
        DpopError::Unavailable(_) => (
            "Haechi cannot check DPoP proofs now; try again later",
            "지금은 DPoP 증명을 확인할 수 없습니다. 나중에 다시 시도하세요",
        ),
        DpopError::Token(_) | DpopError::WrongType | DpopError::NoIdentifier => (
            "the DPoP proof is not accepted: its form or signature is wrong",
            "DPoP 증명을 받아들일 수 없습니다. 형식이나 서명이 잘못되었습니다",
        ),
    }
}
