//! What went wrong, where no client can be told.

use askama::Template;
use bytes::Bytes;
use http::Response;

use super::answer::{Frame, Page};
use crate::error::ErrorCode;
use crate::{AuthorizationServer, OAuthError, Visit};

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    frame: Frame,
    sentence: String,
    code: &'static str,
    description: String,
    back: Option<String>,
}

impl AuthorizationServer {
    /// Tells a person what went wrong where no client can be told.
    pub(crate) fn error_page(&self, visit: &Visit<'_>, error: &OAuthError) -> Response<Bytes> {
        self.error_page_with(visit, error, None)
    }

    /// The same, with the address where the person can try another way.
    pub(crate) fn error_page_with(
        &self,
        visit: &Visit<'_>,
        error: &OAuthError,
        back: Option<String>,
    ) -> Response<Bytes> {
        self.rooms.guard.count_refusal(visit.origin, error.word);
        let frame = Frame::new(visit, "account", None);
        let elsewhere = crate::federation::sentence(error.word);
        let (english, korean) = elsewhere.unwrap_or_else(|| sentence(error));
        let sentence = frame.say(english, korean);
        let (code, description) = (error.code.as_str(), error.description());
        let page = Page { status: error.code.status(), ..Page::PLAIN };
        page.show(visit, &ErrorPage { frame, sentence, code, description, back })
    }
}

fn sentence(error: &OAuthError) -> (&'static str, &'static str) {
    match (error.word, error.code) {
        ("interaction-gone", _) => (
            "This request was answered already, or it waited too long.",
            "이미 처리되었거나 시간이 너무 오래 지난 요청입니다.",
        ),
        ("form-foreign", _) => (
            "This form was sent by a page of another site, so nothing was done.",
            "다른 사이트의 페이지에서 보낸 양식이므로 아무것도 처리하지 않았습니다.",
        ),
        ("form-stale", _) => (
            "This form is of an earlier visit, or this browser keeps no cookies. Nothing was done.",
            "이전 방문의 양식이거나 이 브라우저가 쿠키를 저장하지 않습니다. 아무것도 처리하지 않았습니다.",
        ),
        (_, ErrorCode::TemporarilyUnavailable | ErrorCode::ServerError | ErrorCode::SlowDown) => (
            "This server cannot do its part right now. Try again in a moment.",
            "지금은 서버가 요청을 처리할 수 없습니다. 잠시 후 다시 시도하세요.",
        ),
        _ => (
            "The program that sent you here made a request this server cannot accept.",
            "이 페이지로 보낸 프로그램의 요청을 받아들일 수 없습니다.",
        ),
    }
}
