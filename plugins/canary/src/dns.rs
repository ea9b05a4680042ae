//! Data in the name of a DNS token: `<base32>.<base32>.G<two digits>.<token>`.
//! <https://docs.canarytokens.org/guide/dns-token.html>

/// RFC 4648.
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// The longest name that DNS allows, without the final dot.
const MAX_NAME: usize = 253;
const MAX_LABEL: usize = 63;

/// `.G` and two digits, and the dot before the token.
const GENERIC: usize = 5;

/// A token's name without a final dot.
///
/// # Errors
/// If it is no domain name, or leaves no room for data.
pub(crate) fn check_token(name: &str) -> Result<String, String> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let is_label = |label: &str| {
        (1..=MAX_LABEL).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    if !name.contains('.') || !name.split('.').all(is_label) {
        return Err(format!(
            "dns: `{name}` is not a host name: write the token's, like `pz21qtyfsidipvrsuzs9n2udi.canarytokens.com`"
        ));
    }
    if capacity(name) < 16 {
        return Err(format!("dns: `{name}` is too long: less than 16 bytes of data would fit beside it"));
    }
    Ok(name.to_owned())
}

/// The name that carries as much of `data` as fits. The two digits are `count`'s last: resolvers remember
/// names, and a name that is remembered does not reach the token's server.
pub(crate) fn name(data: &str, count: u64, token: &str) -> String {
    let data = data.get(..data.floor_char_boundary(capacity(token))).unwrap_or_default();
    let encoded = base32(data.as_bytes());
    let mut name = String::with_capacity(MAX_NAME);
    for (position, digit) in encoded.chars().enumerate() {
        if position > 0 && position % MAX_LABEL == 0 {
            name.push('.');
        }
        name.push(digit);
    }
    if !name.is_empty() {
        name.push('.');
    }
    name.push_str(&format!("G{:02}.{token}", count % 100));
    name
}

/// How many bytes of data fit into a name with this token.
fn capacity(token: &str) -> usize {
    let room = MAX_NAME.saturating_sub(GENERIC + token.len());
    // A full label takes 64 characters with the dot that follows; the last has none.
    let digits = room / (MAX_LABEL + 1) * MAX_LABEL + room % (MAX_LABEL + 1);
    digits * 5 / 8
}

/// Without padding.
fn base32(data: &[u8]) -> String {
    let mut text = String::with_capacity(data.len().div_ceil(5) * 8);
    for chunk in data.chunks(5) {
        let mut bits = [0u8; 8];
        for (place, byte) in bits.iter_mut().skip(3).zip(chunk) {
            *place = *byte;
        }
        let bits = u64::from_be_bytes(bits);
        for digit in 0..(chunk.len() * 8).div_ceil(5) {
            let index = (bits >> (35 - 5 * digit)) & 31;
            text.extend(BASE32.get(index as usize).map(|digit| char::from(*digit)));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn example_of_the_documentation() {
        let data = "I am a teapot, hear me pour! Glug, glug, glug.";
        assert_eq!(
            name(data, 72, "pz21qtyfsidipvrsuzs9n2udi.canarytokens.com"),
            "JEQGC3JAMEQHIZLBOBXXILBANBSWC4RANVSSA4DPOVZCCICHNR2WOLBAM5WHKZZ.MEBTWY5LHFY.G72.\
             pz21qtyfsidipvrsuzs9n2udi.canarytokens.com"
        );
    }

    #[test]
    fn base32_of_rfc_4648() {
        let cases = [
            ("", ""),
            ("f", "MY"),
            ("fo", "MZXQ"),
            ("foo", "MZXW6"),
            ("foob", "MZXW6YQ"),
            ("fooba", "MZXW6YTB"),
            ("foobar", "MZXW6YTBOI"),
        ];
        for (data, expected) in cases {
            assert_eq!(base32(data.as_bytes()), expected, "{data}");
        }
    }

    #[test]
    fn names_are_as_long_as_they_may_be_and_no_longer() {
        for (length, bytes) in [(32, 133), (42, 126), (45, 125)] {
            let token = format!("{}.io", "t".repeat(length - 3));
            assert_eq!(capacity(&token), bytes, "token of {length}");
        }
        for length in 4..120 {
            let token = format!("{}.{}.io", "a".repeat(length / 2), "b".repeat(length - length / 2));
            let full = name(&"x".repeat(400), 7, &token);
            let one_more = base32(&vec![0; capacity(&token) + 1]).len();
            let with_one_more = one_more + (one_more - 1) / MAX_LABEL + GENERIC + token.len();
            assert!(
                full.len() <= MAX_NAME && with_one_more > MAX_NAME,
                "token of {}: {}",
                token.len(),
                full.len()
            );
            assert!(full.split('.').all(|label| (1..=MAX_LABEL).contains(&label.len())), "{full}");
        }
    }

    #[test]
    fn data_is_cut_between_characters() {
        let token = "pz21qtyfsidipvrsuzs9n2udi.canarytokens.com";
        let whole = name(&"ä".repeat(63), 0, token);
        assert_eq!(name(&"ä".repeat(64), 0, token), whole);
        assert_eq!(name("", 5, token), format!("G05.{token}"));
    }

    #[test]
    fn tokens_are_checked() {
        assert_eq!(check_token("a.b.io.").unwrap(), "a.b.io");
        for token in ["", "localhost", "a..io", "a b.io", "-.ä.io", &format!("{}.io", "a".repeat(64))] {
            assert!(check_token(token).unwrap_err().contains("is not a host name"), "{token}");
        }
        let long = ["a".repeat(60), "b".repeat(60), "c".repeat(60), "d".repeat(50)].join(".");
        assert!(check_token(&long).unwrap_err().contains("too long"));
    }
}
