//! Where a client may have its answers sent (RFC 6749 §3.1.2, RFC 8252 §7, RFC 9700 §2.1).

use url::Url;

use crate::ensure::ensure;

/// The longest redirection, in bytes.
pub(crate) const MAX_REDIRECT_URI_BYTES: usize = 2048;
/// The most redirections of one client.
pub(crate) const MAX_REDIRECT_URIS: usize = 16;
/// This machine, as redirections call it. Nothing else is taken for it.
const LOOPBACK_HOSTS: [&str; 3] = ["127.0.0.1", "[::1]", "localhost"];

/// A redirection that a client registered. Its text is kept as it came and compared so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedirectUri {
    text: String,
    kind: RedirectKind,
}

/// Where a redirection leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RedirectKind {
    /// To a web server.
    Https,
    /// To this machine, over http.
    Loopback,
    /// To a program, by a scheme of its own (RFC 8252 §7.1).
    PrivateUse,
}

/// Why a redirection cannot be registered. No variant carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RedirectUriError {
    /// Longer than allowed.
    #[error("a redirection is longer than {MAX_REDIRECT_URI_BYTES} bytes")]
    TooLong,
    /// White space, control characters, quotes, backslashes or letters beyond ASCII.
    #[error("a redirection holds characters that do not belong into an address")]
    Characters,
    /// Not an absolute address.
    #[error("a redirection is not an absolute address")]
    NotAbsolute,
    /// `*` is no wildcard here, and is not taken for a letter either.
    #[error("a redirection holds `*`: each is compared exactly")]
    Wildcard,
    /// RFC 6749 §3.1.2.
    #[error("a redirection has a fragment")]
    Fragment,
    /// `user@` in front of the host.
    #[error("a redirection names a user")]
    Credentials,
    /// Not https, not http to this machine, not a scheme of the program's own.
    #[error(
        "a redirection is neither https, nor http to this machine, nor a scheme with a dot in it"
    )]
    Scheme,
    /// Not written as it is understood: other spellings are how two readers see two hosts.
    #[error("the host of a redirection is not written plainly in lower case")]
    Host,
    /// A port that nobody can listen at.
    #[error("the port of a redirection is not written plainly")]
    Port,
}

impl RedirectUri {
    /// Reads a redirection that is to be registered.
    ///
    /// # Errors
    ///
    /// Every [`RedirectUriError`].
    pub fn parse(text: &str) -> Result<Self, RedirectUriError> {
        ensure(text.len() <= MAX_REDIRECT_URI_BYTES, RedirectUriError::TooLong)?;
        ensure(text.bytes().all(is_of_address), RedirectUriError::Characters)?;
        ensure(!text.contains('*'), RedirectUriError::Wildcard)?;
        ensure(!text.contains('#'), RedirectUriError::Fragment)?;
        let (scheme, rest) = text.split_once(':').ok_or(RedirectUriError::NotAbsolute)?;
        let url = Url::parse(text).map_err(|_| RedirectUriError::NotAbsolute)?;
        let named = !url.username().is_empty() || url.password().is_some();
        ensure(!named, RedirectUriError::Credentials)?;
        let kind = match scheme {
            "https" => {
                check_host(&url, rest)?;
                RedirectKind::Https
            }
            "http" if Loopback::read(text).is_some() => RedirectKind::Loopback,
            own if is_private_use(own) => RedirectKind::PrivateUse,
            _ => return Err(RedirectUriError::Scheme),
        };
        Ok(Self { text: text.to_owned(), kind })
    }

    /// As it was registered.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// Where it leads.
    pub(crate) const fn kind(&self) -> RedirectKind {
        self.kind
    }

    /// Whether a request may ask for `asked` (RFC 9700 §2.1): the same, byte for byte; towards this
    /// machine the port may be any (RFC 8252 §7.3).
    pub(crate) fn covers(&self, asked: &str) -> bool {
        if self.text == asked {
            return true;
        }
        self.kind == RedirectKind::Loopback
            && asked.len() <= MAX_REDIRECT_URI_BYTES
            && asked.bytes().all(is_of_address)
            && Loopback::read(&self.text).is_some_and(|own| {
                Loopback::read(asked)
                    .is_some_and(|asked| (own.host, own.rest) == (asked.host, asked.rest))
            })
    }
}

/// An http address of this machine, taken apart without interpreting anything.
struct Loopback<'a> {
    host: &'static str,
    rest: &'a str,
}

impl<'a> Loopback<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let after = text.strip_prefix("http://")?;
        let (host, rest) = LOOPBACK_HOSTS
            .into_iter()
            .find_map(|host| after.strip_prefix(host).map(|rest| (host, rest)))?;
        let rest = match rest.strip_prefix(':') {
            Some(port) => {
                let digits = port.bytes().take_while(u8::is_ascii_digit).count();
                let (port, rest) = port.split_at_checked(digits)?;
                let plain = !port.starts_with('0') && port.parse::<u16>().is_ok();
                plain.then_some(rest)?
            }
            None => rest,
        };
        (rest.is_empty() || rest.starts_with(['/', '?'])).then_some(Self { host, rest })
    }
}

/// Checks that the text of an https address says nothing else than what is understood.
fn check_host(url: &Url, rest: &str) -> Result<(), RedirectUriError> {
    let host = url.host_str().ok_or(RedirectUriError::Host)?;
    let after = rest.strip_prefix("//").and_then(|rest| rest.strip_prefix(host));
    let after = after.ok_or(RedirectUriError::Host)?;
    let port = url.port().map(|port| format!(":{port}"));
    let after = match port {
        Some(port) => after.strip_prefix(&port).ok_or(RedirectUriError::Port)?,
        None => after,
    };
    let ends = after.is_empty() || after.starts_with(['/', '?']);
    ensure(
        ends,
        if after.starts_with(':') { RedirectUriError::Port } else { RedirectUriError::Host },
    )?;
    Ok(())
}

/// A domain name in reverse (RFC 8252 §7.1), so that no two programs take the same by chance and
/// none takes `javascript`, `data` or `file`.
fn is_private_use(scheme: &str) -> bool {
    let word = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
            && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    scheme.contains('.')
        && scheme.starts_with(|c: char| c.is_ascii_lowercase())
        && scheme.split('.').all(word)
}

/// Letters of an address (RFC 3986 §2), without those that some reader takes for others.
const fn is_of_address(byte: u8) -> bool {
    byte.is_ascii_graphic()
        && !matches!(byte, b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}')
}

#[cfg(test)]
mod tests;
