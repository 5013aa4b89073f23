//! A QR picture (ISO/IEC 18004) as the path of an inline SVG: no image file, no style.

use std::fmt::Write as _;

use qrcodegen::{QrCode, QrCodeEcc};

/// Modules of white around it (ISO/IEC 18004 §5.3.8).
const QUIET: i32 = 4;

/// Width and path of the picture of `text`; `None` when it is too long.
pub(super) fn picture(text: &str) -> Option<(i32, String)> {
    let code = QrCode::encode_text(text, QrCodeEcc::Medium).ok()?;
    let mut path = String::new();
    for y in 0..code.size() {
        for x in 0..code.size() {
            if code.get_module(x, y) {
                write!(path, "M{} {}h1v1h-1z", x + QUIET, y + QUIET).ok()?;
            }
        }
    }
    Some((code.size() + 2 * QUIET, path))
}
