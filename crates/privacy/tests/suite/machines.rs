//! What looks like personal data and is none: numbers of orders, builds, parcels and machines.

use haechi_privacy::{Detector, DetectorConfig};

const CLEAN: [&str; 10] = [
    r#"{"version": "10.2.3.4", "build": "20240501", "created_at": "2024-05-01T12:00:00Z", "size": 123456789}"#,
    r#"{"order_id": "4111111111111111", "invoice": "INV-2024-000123", "tracking_number": "1Z999AA10123456784"}"#,
    r#"{"timestamp": 1700000000000, "duration_ms": 1234567, "user_count": 5551234}"#,
    r#"{"path": "src/main.rs", "files": ["README.md", "package.json", "lib/node.js"], "updated_at": "2024-05-01"}"#,
    r#"{"model": "XR-500-2210", "serial": "SN20240501887", "ean": "4006381333931", "price": 12.99}"#,
    r#"{"booking": "AC20250705001", "flight": "KE123", "seat": "12A", "departure": "10:30"}"#,
    "Build 1.2.3.4 passed in 3.14s; commit 9fceb02d0ae598e95dc970b74767f19372d61af8.",
    "Tracking 9400 1000 0000 0000 0000 00, ISBN 978-3-16-148410-0, version 2.4.10",
    "6f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0 and da39a3ee5e6b4b0d3255bfef95601890afd80709",
    "std::abs(x), logger.info(y), a::b, 1920x1080, 12:30:45, 3.5e-10",
];

#[test]
fn what_machines_call_things_stays() {
    let detector =
        Detector::new(&DetectorConfig { names: false, ..DetectorConfig::default() }).unwrap();
    for text in CLEAN {
        let findings = detector.scan(text);
        assert!(findings.is_empty(), "{text}: {findings:?}");
    }
}
