//! What computers and wallets are called: addresses, domains, coordinates.

use std::net::IpAddr;

use sha2::{Digest as _, Sha256};
use sha3::{Digest as _, Keccak256};

use super::Validator;

/// The checks of this family by name.
pub(super) const TABLE: &[(&str, Validator)] = &[
    ("ip_address", ip_address),
    ("domain", domain),
    ("email", email),
    ("bic", bic),
    ("coordinates", coordinates),
    ("base58check", base58check),
    ("bech32", bech32),
    ("eth_address", eth_address),
];

/// Countries and territories of ISO 3166-1 and the reserved codes that are in use.
const COUNTRIES: &str = "AC AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO \
    BQ BR BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH \
    ER ES ET EU FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE \
    IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD \
    ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG \
    PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SU SV SX SY \
    SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UK UM US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA \
    ZM ZW";

/// Top-level domains that are not countries, as far as people meet them.
const DOMAINS: &str = "academy accountant actor agency ai airforce apartments app archi art asia associates auction \
    audio auto autos baby band bank bar bargains beauty beer best bet bid bike bingo bio biz black blog blue boats \
    bond boo boutique broker build builders business buzz cab cafe camera camp capital car cards care careers casa \
    cash casino cat catering center charity chat cheap church city claims cleaning click clinic clothing cloud club \
    codes coffee college com community company computer condos construction consulting contact contractors cooking \
    cool coop country coupons courses credit creditcard cricket cruises cyou dance date dating day deals degree \
    delivery democrat dental dentist design dev diamonds diet digital direct directory discount doctor dog domains \
    download earth edu education email energy engineer engineering enterprises equipment estate eus events exchange \
    expert exposed express fail faith family fan farm fashion film finance financial fish fishing fit fitness \
    flights florist flowers fm football forsale forum foundation fun fund furniture futbol fyi gallery game games \
    garden gay gift gifts gives glass global gmbh gold golf gov graphics gratis green gripe group guide guitars \
    guru hair haus health healthcare help hiphop hockey holdings holiday homes horse hospital host hosting house how \
    icu immo industries info ink institute insurance insure int international investments irish jetzt jewelry jobs \
    juegos kids kim kitchen land law lawyer lease legal lgbt life lighting limited limo link live loan loans lol \
    london love ltd luxury maison makeup management market marketing mba media memorial men menu miami mil mobi moda \
    moe mom money monster mortgage motorcycles museum name navy net network news ngo ninja nyc observer one ong onl \
    online org organic page partners parts party pet phone photo photography photos pics pictures pink pizza place \
    plumbing plus poker porn post press pro productions promo properties property pub quest realty recipes red rehab \
    rent rentals repair report republican rest restaurant review reviews rich rip rocks rodeo run sale salon sarl \
    school schule science security services sex sexy shoes shop shopping show singles site ski skin soccer social \
    software solar solutions space sport storage store stream studio style sucks supplies supply support surf \
    surgery systems tattoo tax taxi team tech technology tel tennis theater tickets tienda tips tires today tokyo \
    tools top tours town toys trade trading training travel tube university vacations vegas ventures vet viajes \
    video villas vin vip vision vodka vote voyage wang watch webcam website wedding wiki win wine work works world \
    wtf xxx xyz yoga zone";

/// An address of version 4 or 6, in brackets or with a zone or prefix length or not.
fn ip_address(text: &str) -> bool {
    let plain = text.trim_matches(['[', ']']);
    let (address, prefix) = plain.split_once('/').unwrap_or((plain, "0"));
    let (address, _) = address.split_once('%').unwrap_or((address, ""));
    let most = if address.contains(':') { 128 } else { 32 };
    // `a::b` is a path in a program more often than an address.
    let is_path = address.contains(':') && !address.contains(|c: char| c.is_ascii_digit());
    !is_path
        && address.parse::<IpAddr>().is_ok()
        && prefix.parse::<u8>().is_ok_and(|bits| bits <= most)
}

/// Labels under a top-level domain that people meet; the text may go on with a port or path.
fn domain(text: &str) -> bool {
    let host = text.split(['/', ':', '?', '#']).next().unwrap_or_default();
    let Some((labels, top)) = host.rsplit_once('.') else { return false };
    let top = top.to_ascii_lowercase();
    let known = DOMAINS.split_whitespace().any(|known| known == top)
        || COUNTRIES.split_whitespace().any(|known| known.eq_ignore_ascii_case(&top));
    let label = |label: &str| {
        (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
    };
    known && labels.split('.').all(label)
}

/// An address whose host can exist: the top-level domains of RFC 2606 §2 belong to nobody.
fn email(text: &str) -> bool {
    let Some((mailbox, host)) = text.rsplit_once('@') else { return false };
    let top = host.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    !mailbox.is_empty() && !matches!(&*top, "" | "invalid" | "test" | "example" | "localhost")
}

/// Institution, country of ISO 3166-1, location, and a branch or none (ISO 9362).
fn bic(text: &str) -> bool {
    let country = text.get(4..6);
    let known = COUNTRIES.split_whitespace().any(|known| Some(known) == country);
    let plain = text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    known && plain && matches!(text.len(), 8 | 11)
}

/// Latitude and longitude, in degrees, both with a fraction.
fn coordinates(text: &str) -> bool {
    let numbers = text.split([',', ';', ' ']).filter(|part| !part.is_empty());
    let numbers: Option<Vec<f64>> = numbers.map(|part| part.parse().ok()).collect();
    matches!(numbers.as_deref(), Some([latitude, longitude])
        if latitude.abs() <= 90.0 && longitude.abs() <= 180.0)
}

/// Version, payload and four bytes of a double SHA-256 in base 58 (Bitcoin, Litecoin, Tron).
fn base58check(text: &str) -> bool {
    const ALPHABET: &str = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    if !(26..=35).contains(&text.len()) {
        return false;
    }
    let mut bytes = [0_u8; 25];
    for letter in text.chars() {
        let Some(value) = ALPHABET.chars().position(|known| known == letter) else { return false };
        let mut carry = u32::try_from(value).unwrap_or(0);
        for byte in bytes.iter_mut().rev() {
            carry += u32::from(*byte) * 58;
            let [low, rest @ ..] = carry.to_le_bytes();
            *byte = low;
            carry = u32::from_le_bytes([rest[0], rest[1], rest[2], 0]);
        }
        if carry != 0 {
            return false;
        }
    }
    bytes
        .split_last_chunk::<4>()
        .is_some_and(|(payload, check)| Sha256::digest(Sha256::digest(payload)).starts_with(check))
}

/// Human-readable part, 1, data and six characters of a BCH code (BIP 173, BIP 350).
fn bech32(text: &str) -> bool {
    const ALPHABET: &str = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
    const GENERATORS: [u32; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
    let lower = text.to_ascii_lowercase();
    if lower != text && text.to_ascii_uppercase() != text || !(14..=90).contains(&text.len()) {
        return false;
    }
    let Some((prefix, payload)) = lower.rsplit_once('1') else { return false };
    let value =
        |c| ALPHABET.chars().position(|known| known == c).and_then(|at| u32::try_from(at).ok());
    let Some(values) = payload.chars().map(value).collect::<Option<Vec<u32>>>() else {
        return false;
    };
    let prefix = prefix.as_bytes();
    let high = prefix.iter().map(|byte| u32::from(byte >> 5));
    let low = prefix.iter().map(|byte| u32::from(byte & 31));
    let step = |check: u32, value: u32| {
        let taken = GENERATORS.iter().enumerate().filter(|(bit, _)| check >> (25 + bit) & 1 == 1);
        taken.fold(((check & 0x01ff_ffff) << 5) ^ value, |sum, (_, generator)| sum ^ generator)
    };
    let check = high.chain([0]).chain(low).chain(values).fold(1, step);
    matches!(check, 1 | 0x2bc8_30a3) && !prefix.is_empty() && payload.len() > 6
}

/// Twenty bytes in hexadecimal; mixed case carries a checksum (EIP-55).
fn eth_address(text: &str) -> bool {
    let Some(digits) = text.strip_prefix("0x").filter(|digits| digits.len() == 40) else {
        return false;
    };
    let lower = digits.to_ascii_lowercase();
    let mixed = digits != lower && digits != digits.to_ascii_uppercase();
    let hash = Keccak256::digest(lower.as_bytes());
    let nibbles = hash.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let right = |(letter, nibble): (char, u8)| {
        letter.is_ascii_digit() || letter.is_ascii_uppercase() == (nibble > 7)
    };
    digits.bytes().all(|b| b.is_ascii_hexdigit())
        && (!mixed || digits.chars().zip(nibbles).all(right))
}
