//! Which start of the machine this is: it parts a kill from a power cut.

/// Another one after each start of the machine; `None` where there is none.
pub(crate) fn boot_id() -> Option<String> {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let text = text.trim();
    (text.len() == 36).then(|| text.to_owned())
}
