//! Whether `htu` names the address that was called (RFC 9449 §4.3).

use url::Url;

/// The longest `htu`, in bytes.
const MAX_URL_BYTES: usize = 2048;

/// Whether `stated` is one of `known` after the normalisation of RFC 3986 §6.2.2 and §6.2.3; query
/// and fragment are not compared.
pub(super) fn is_one_of(stated: &str, known: &[String]) -> bool {
    if stated.len() > MAX_URL_BYTES {
        return false;
    }
    let Some(stated) = Target::parse(stated) else { return false };
    known.iter().filter_map(|known| Target::parse(known)).any(|known| known == stated)
}

#[derive(PartialEq, Eq)]
struct Target {
    scheme: String,
    host: String,
    port: Option<u16>,
    path: String,
}

impl Target {
    /// `None` for what is no address of a web server, and where a name or password stands in it.
    fn parse(text: &str) -> Option<Self> {
        let plain = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
        let url = Url::parse(text).ok().filter(|_| plain)?;
        let web = matches!(url.scheme(), "http" | "https");
        let anonymous = url.username().is_empty() && url.password().is_none();
        if !web || !anonymous {
            return None;
        }
        Some(Self {
            scheme: url.scheme().to_owned(),
            host: url.host_str()?.to_owned(),
            port: url.port_or_known_default(),
            path: normal_path(url.path()),
        })
    }
}

/// Escapes of what needs none are undone, and hexadecimal digits made upper case (RFC 3986 §6.2.2.1,
/// §6.2.2.2).
fn normal_path(path: &str) -> String {
    let mut normal = String::with_capacity(path.len());
    let mut rest = path.chars();
    while let Some(next) = rest.next() {
        if next != '%' {
            normal.push(next);
            continue;
        }
        let ahead = rest.clone();
        let digits: Vec<u32> = ahead.take(2).filter_map(|digit| digit.to_digit(16)).collect();
        let [high, low] = *digits else {
            normal.push(next);
            continue;
        };
        rest.nth(1);
        match u8::try_from(high * 16 + low).ok().map(char::from).filter(is_unreserved) {
            Some(plain) => normal.push(plain),
            None => normal.push_str(&format!("%{high:X}{low:X}")),
        }
    }
    normal
}

const fn is_unreserved(char: &char) -> bool {
    char.is_ascii_alphanumeric() || matches!(char, '-' | '.' | '_' | '~')
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &str = "https://mcp.example/files/mcp";

    #[test]
    fn an_address_is_known_in_each_of_its_spellings() {
        for stated in [
            KNOWN,
            "HTTPS://MCP.example/files/mcp",
            "https://mcp.example:443/files/mcp",
            "https://mcp.example:/files/mcp",
            "https://mcp.example/files/mcp?query=1",
            "https://mcp.example/files/mcp#fragment",
            "https://mcp.example/x/../files/./mcp",
            "https://mcp.example/%66iles/mcp",
            "https://mcp.example/%66iles/%6dc%70",
        ] {
            assert!(is_one_of(stated, &[KNOWN.to_owned()]), "{stated}");
        }
        assert!(is_one_of("https://a.example/%C3%A9", &["https://a.example/%c3%a9".to_owned()]));
        let root = ["https://a.example".to_owned()];
        assert!(is_one_of("https://a.example/", &root), "an empty path is `/`");
    }

    #[test]
    fn another_address_is_another() {
        let long = format!("https://mcp.example/files/mcp?{}", "a".repeat(MAX_URL_BYTES));
        for stated in [
            "",
            "/files/mcp",
            "mcp.example/files/mcp",
            "http://mcp.example/files/mcp",
            "https://mcp.example:8443/files/mcp",
            "https://mcp.example.evil/files/mcp",
            "https://evil.example/files/mcp",
            "https://mcp.example/files/mcp/",
            "https://mcp.example/FILES/mcp",
            "https://mcp.example/files%2Fmcp",
            "https://mcp.example/crm/mcp",
            "https://mcp.example@evil.example/files/mcp",
            "https://user@mcp.example/files/mcp",
            "https://user:secret@mcp.example/files/mcp",
            "https:\\\\mcp.example\\files\\mcp",
            " https://mcp.example/files/mcp",
            "https://mcp.example/fi\tles/mcp",
            "ftp://mcp.example/files/mcp",
            &long,
        ] {
            assert!(!is_one_of(stated, &[KNOWN.to_owned()]), "{stated}");
        }
        assert!(!is_one_of(KNOWN, &[]));
    }
}
