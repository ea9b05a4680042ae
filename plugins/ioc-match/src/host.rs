//! The host in a text.

/// The host that a text names: of a URL, of `user@host`, of `host:port`, or the text itself.
pub(crate) fn of(text: &str) -> Option<&str> {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    if let Some(bracketed) = host.strip_prefix('[') {
        return bracketed.split_once(']').map(|(host, _)| host);
    }
    // More than one colon: an IPv6 address without brackets.
    let host = match host.split_once(':') {
        Some((name, port)) if !port.contains(':') => name,
        _ => host,
    };
    (host.contains(['.', ':'])).then_some(host)
}

/// Labels of letters, digits, `-` and `_`, of which there are at least two.
pub(crate) fn is_domain(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    text.len() <= 253 && text.contains('.') && text.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn hosts() {
        for (text, host) in [
            ("https://evil.example/x?y", Some("evil.example")),
            ("http://user:pw@evil.example:8080", Some("evil.example")),
            ("root@192.0.2.1", Some("192.0.2.1")),
            ("192.0.2.1:22", Some("192.0.2.1")),
            ("[2001:db8::1]:22", Some("2001:db8::1")),
            ("2001:db8::1", Some("2001:db8::1")),
            ("evil.example", Some("evil.example")),
            ("-v", None),
            ("/etc/a.b", None),
            ("", None),
            ("[", None),
        ] {
            assert_eq!(of(text), host, "{text}");
        }
    }
}
