//! The fingerprint of weak RSA keys made by certain smart cards (ROCA, CVE-2017-15361).
//!
//! Their primes are `k·M + (65537^a mod M)` for a product `M` of small primes, so their modulus is
//! a power of 65537 modulo every one of those primes. Few other numbers are: about 1 in 2^27.

/// The small primes; 2 and those that 65537 generates fully tell nothing, and do no harm.
const PRIMES: [u32; 38] = [
    3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97,
    101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
];

/// Whether `modulus` (big-endian) bears the fingerprint.
pub(super) fn has_fingerprint(modulus: &[u8]) -> bool {
    PRIMES.iter().all(|&prime| is_power_of_65537(remainder(modulus, prime), prime))
}

fn remainder(modulus: &[u8], prime: u32) -> u32 {
    modulus.iter().fold(0, |rest, &byte| (rest * 256 + u32::from(byte)) % prime)
}

fn is_power_of_65537(residue: u32, prime: u32) -> bool {
    let generator = 65_537 % prime;
    let mut power = 1 % prime;
    for _ in 0..prime {
        if power == residue {
            return true;
        }
        power = power * generator % prime;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 65537^128: odd, 2049 bits, and by its making a power of 65537 modulo every prime.
    fn power_of_65537() -> Vec<u8> {
        let mut number = vec![1_u8];
        for _ in 0..128 {
            let mut shifted = number.clone();
            shifted.splice(0..0, [0, 0]);
            let mut carry = 0_u16;
            for (at, digit) in shifted.iter_mut().enumerate() {
                let sum =
                    u16::from(*digit) + u16::from(number.get(at).copied().unwrap_or(0)) + carry;
                *digit = (sum & 0xff) as u8;
                carry = sum >> 8;
            }
            number = shifted;
            if carry > 0 {
                number.push(1);
            }
        }
        number.reverse();
        number
    }

    #[test]
    fn a_modulus_made_the_weak_way_is_known_by_its_fingerprint() {
        let weak = power_of_65537();
        assert!(has_fingerprint(&weak));
        let mut other = weak;
        *other.last_mut().unwrap() ^= 2;
        assert!(!has_fingerprint(&other));
    }
}
