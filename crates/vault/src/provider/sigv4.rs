//! AWS Signature Version 4: a request signed by a key derived for one day, region and service.

use aws_lc_rs::{digest, hmac};
use haechi_core::{Secret, Timestamp};

/// What is signed. Names of headers in lower case; parts of the query are not escaped yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request<'a> {
    pub(super) method: &'a str,
    /// Escaped once, starting with `/`, without `.` and `..` segments.
    pub(super) path: &'a str,
    pub(super) query: &'a [(&'a str, &'a str)],
    pub(super) headers: &'a [(&'a str, &'a str)],
    pub(super) body: &'a [u8],
}

/// For whom, where and when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Signer<'a> {
    pub(super) access_key_id: &'a str,
    pub(super) secret_access_key: &'a Secret,
    pub(super) region: &'a str,
    pub(super) service: &'a str,
    pub(super) at: Timestamp,
}

impl Signer<'_> {
    /// The value of the header `Authorization`. `headers` must hold `host` and `x-amz-date`.
    pub(super) fn authorization(&self, request: &Request<'_>) -> String {
        let scope = self.scope();
        let (signed, canonical) = canonical(request);
        let hash = hex(digest::digest(&digest::SHA256, canonical.as_bytes()).as_ref());
        let text = format!("AWS4-HMAC-SHA256\n{}\n{scope}\n{hash}", amz_date(self.at));
        let signature = hex(hmac::sign(&self.signing_key(), text.as_bytes()).as_ref());
        let id = self.access_key_id;
        format!(
            "AWS4-HMAC-SHA256 Credential={id}/{scope}, SignedHeaders={signed}, Signature={signature}"
        )
    }

    fn day(&self) -> String {
        amz_date(self.at).chars().take(8).collect()
    }

    fn scope(&self) -> String {
        format!("{}/{}/{}/aws4_request", self.day(), self.region, self.service)
    }

    fn signing_key(&self) -> hmac::Key {
        let first = [b"AWS4", self.secret_access_key.expose()].concat();
        let first = Secret::new(first);
        let mut key = hmac::Key::new(hmac::HMAC_SHA256, first.expose());
        for part in [self.day().as_str(), self.region, self.service, "aws4_request"] {
            let tag = hmac::sign(&key, part.as_bytes());
            key = hmac::Key::new(hmac::HMAC_SHA256, tag.as_ref());
        }
        key
    }
}

/// `20150830T123600Z`.
pub(super) fn amz_date(at: Timestamp) -> String {
    let text = at.to_string();
    let seconds = text.split_once('.').map_or(text.as_str(), |(seconds, _)| seconds);
    let plain: String = seconds.chars().filter(|it| !matches!(it, '-' | ':')).collect();
    plain + "Z"
}

/// The names of the signed headers, and the request in the form both sides hash.
fn canonical(request: &Request<'_>) -> (String, String) {
    let mut query: Vec<(String, String)> =
        request.query.iter().map(|(name, value)| (escaped(name), escaped(value))).collect();
    query.sort();
    let query: Vec<String> = query.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let mut headers: Vec<(&str, String)> =
        request.headers.iter().map(|(name, value)| (*name, single_spaced(value))).collect();
    headers.sort_by_key(|(name, _)| *name);
    let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
    let names = names.join(";");
    let lines: String = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    let body = hex(digest::digest(&digest::SHA256, request.body).as_ref());
    let Request { method, path, .. } = request;
    let canonical = format!("{method}\n{path}\n{}\n{lines}\n{names}\n{body}", query.join("&"));
    (names, canonical)
}

fn single_spaced(value: &str) -> String {
    value.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Percent-encoding of all but the unreserved characters (RFC 3986 §2.3).
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of the examples AWS publishes for Signature Version 4.
    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
    const AT: Timestamp = Timestamp(1_440_938_160_000);

    fn signature(service: &str, region: &str, request: &Request<'_>) -> String {
        let secret_access_key = &Secret::from(SECRET.to_owned());
        let signer =
            Signer { access_key_id: "AKIDEXAMPLE", secret_access_key, region, service, at: AT };
        let text = signer.authorization(request);
        let scope = format!("Credential=AKIDEXAMPLE/20150830/{region}/{service}/aws4_request");
        assert!(text.contains(&scope), "{text}");
        text.rsplit_once("Signature=").unwrap().1.to_owned()
    }

    #[test]
    fn the_published_examples_are_signed_as_published() {
        const DATE: (&str, &str) = ("x-amz-date", "20150830T123600Z");
        let host = ("host", "example.amazonaws.com");
        let plain = [host, DATE];
        let bare = Request { method: "GET", path: "/", query: &[], headers: &plain, body: b"" };
        let form = "application/x-www-form-urlencoded";
        let cases: [(&str, Request<'_>, &str); 6] = [
            (
                "get-vanilla",
                bare,
                "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
            ),
            (
                "post-vanilla",
                Request { method: "POST", ..bare },
                "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
            ),
            (
                "get-vanilla-query-order-key-case",
                Request { query: &[("Param2", "value2"), ("Param1", "value1")], ..bare },
                "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
            ),
            (
                "get-vanilla-empty-query-key",
                Request { query: &[("Param1", "value1")], ..bare },
                "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb",
            ),
            (
                "post-x-www-form-urlencoded",
                Request {
                    method: "POST",
                    headers: &[("content-type", form), host, DATE],
                    body: b"Param1=value1",
                    ..bare
                },
                "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
            ),
            (
                "get-header-value-trim",
                Request {
                    headers: &[
                        host,
                        ("my-header1", " value1"),
                        ("my-header2", " \"a   b   c\""),
                        DATE,
                    ],
                    ..bare
                },
                "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
            ),
        ];
        for (name, request, expected) in cases {
            assert_eq!(signature("service", "us-east-1", &request), expected, "{name}");
        }
    }

    #[test]
    fn the_worked_example_of_the_documentation_is_signed_as_there() {
        let form = "application/x-www-form-urlencoded; charset=utf-8";
        let request = Request {
            method: "GET",
            path: "/",
            query: &[("Action", "ListUsers"), ("Version", "2010-05-08")],
            headers: &[
                ("content-type", form),
                ("host", "iam.amazonaws.com"),
                ("x-amz-date", "20150830T123600Z"),
            ],
            body: b"",
        };
        let expected = "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7";
        assert_eq!(signature("iam", "us-east-1", &request), expected);
    }
}
