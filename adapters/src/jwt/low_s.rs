//! The one form of an ECDSA signature over P-256.
//!
//! Where (r, s) verifies, so does (r, n - s): anyone could write a second spelling of a token. The lower `s` is signed
//! and the other refused. Every verifier of ES256 takes the lower one.

/// Order of the group of P-256 (SEC 2, section 2.4.2).
const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa,
    0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];
/// Half of it, rounded down.
const HALF: [u8; 32] = [
    0x7f, 0xff, 0xff, 0xff, 0x80, 0x00, 0x00, 0x00, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xde, 0x73, 0x7d,
    0x56, 0xd3, 0x8b, 0xcf, 0x42, 0x79, 0xdc, 0xe5, 0x61, 0x7e, 0x31, 0x92, 0xa8,
];

/// Whether a signature of fixed length (r, s) has the lower `s`.
pub fn is_low(signature: &[u8]) -> bool {
    signature.split_at_checked(32).is_some_and(|(_, s)| s.len() == 32 && s <= HALF.as_slice())
}

/// Gives a signature of fixed length (r, s) the lower `s`.
pub fn lower(signature: &mut [u8]) {
    if is_low(signature) {
        return;
    }
    let Some((_, s)) = signature.split_at_mut_checked(32) else { return };
    let mut borrow = false;
    for (digit, order) in s.iter_mut().rev().zip(ORDER.iter().rev()) {
        let (difference, first) = order.overflowing_sub(*digit);
        let (difference, second) = difference.overflowing_sub(u8::from(borrow));
        *digit = difference;
        borrow = first || second;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signature(s: [u8; 32]) -> Vec<u8> {
        [[9; 32], s].concat()
    }

    #[test]
    fn the_half_is_half() {
        let doubled = HALF.iter().rev().fold((Vec::new(), 0_u16), |(mut digits, carry), digit| {
            let sum = u16::from(*digit) * 2 + carry;
            digits.insert(0, sum as u8);
            (digits, sum >> 8)
        });
        let mut odd = doubled.0;
        odd[31] += 1;
        assert_eq!(odd, ORDER);
    }

    #[test]
    fn the_higher_form_becomes_the_lower_one_and_back() {
        let mut one = [0; 32];
        one[31] = 1;
        let mut highest = ORDER;
        highest[31] -= 1;
        let mut text = signature(highest);
        assert!(!is_low(&text));
        lower(&mut text);
        assert_eq!(text, signature(one));
        assert!(is_low(&text));
        lower(&mut text);
        assert_eq!(text, signature(one), "the lower form stays");
        assert!(is_low(&signature(HALF)));
        let mut above = HALF;
        above[31] += 1;
        let mut text = signature(above);
        assert!(!is_low(&text));
        lower(&mut text);
        assert_eq!(text, signature(HALF));
    }

    #[test]
    fn other_lengths_are_not_low() {
        for length in [0, 31, 32, 63, 65] {
            assert!(!is_low(&vec![0; length]));
        }
    }
}
