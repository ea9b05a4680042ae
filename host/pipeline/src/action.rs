//! An action as a plugin requests it, made into what the canary engine takes.

use serin_event::action::{Action, Method};

use crate::bindings::serin::plugin::types;
use crate::grants::Refusal;
use crate::{MAX_BODY, MAX_HEADER, MAX_HEADERS, MAX_KEY, MAX_URL};

/// Checks all that does not depend on what is granted.
pub(crate) fn native(action: types::Action) -> Result<Action, Refusal> {
    let request = match action {
        types::Action::Dns(text) => return Ok(look_up(text)),
        types::Action::Http(request) => request,
    };
    let types::HttpRequest { method, url, headers, body } = request;
    let method = match method {
        types::Method::Get if !body.is_empty() => {
            return Err(Refusal::Malformed("a GET request with a body".to_owned()));
        }
        types::Method::Get => Method::Get,
        types::Method::Post => Method::Post,
    };
    if url.len() > MAX_URL || body.len() > MAX_BODY {
        return Err(Refusal::Malformed(format!("a URL above {MAX_URL} bytes or a body above {MAX_BODY}")));
    }
    check_headers(&headers)?;
    Ok(Action::Http { method, url, headers, body })
}

/// A name, or a record and a name: `TXT a.example`. No name has a space, so plugins that know nothing of records mean what
/// they did, and none has to be compiled anew.
fn look_up(text: String) -> Action {
    match text.split_once(' ').map(|(record, name)| (record.parse(), name)) {
        Some((Ok(record), name)) => Action::Dns { name: name.to_owned(), record: Some(record) },
        _ => Action::Dns { name: text, record: None },
    }
}

/// What the connection itself needs, or what would change where the request ends: never a plugin's to write.
const RESERVED: [&str; 11] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "upgrade",
    "expect",
    "proxy-authorization",
    "proxy-connection",
];

/// <https://www.rfc-editor.org/rfc/rfc9110#name-field-names>, of which lower-case letters, digits, `-` and `_` are enough.
fn check_headers(headers: &[(String, String)]) -> Result<(), Refusal> {
    if headers.len() > MAX_HEADERS {
        return Err(Refusal::Malformed(format!("{} headers, of at most {MAX_HEADERS}", headers.len())));
    }
    for (name, value) in headers {
        let letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_');
        let named = (1..=MAX_KEY).contains(&name.len()) && name.bytes().all(letter);
        if !named || RESERVED.contains(&name.as_str()) {
            return Err(Refusal::Malformed(format!("`{}` as a header", name.escape_debug())));
        }
        // No line break, and so no further header, can be written into a value.
        let printable = value.bytes().all(|b| matches!(b, b' '..=b'~'));
        if value.len() > MAX_HEADER || !printable {
            return Err(Refusal::Malformed(format!(
                "a value of {name} that is too long or not visible ASCII"
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serin_event::action::{Action, RecordType};

    use super::{MAX_HEADER, MAX_HEADERS, check_headers, look_up};

    #[test]
    fn a_look_up_names_its_record_or_not() {
        for (text, name, record) in [
            ("a.test", "a.test", None),
            ("A a.test", "a.test", Some(RecordType::A)),
            ("AAAA a.test", "a.test", Some(RecordType::Aaaa)),
            ("TXT a.test", "a.test", Some(RecordType::Txt)),
            // Which are no names, so that no grant is for them.
            ("MX a.test", "MX a.test", None),
            ("TXT  a.test", " a.test", Some(RecordType::Txt)),
            ("txt a.test", "txt a.test", None),
        ] {
            assert_eq!(look_up(text.to_owned()), Action::Dns { name: name.to_owned(), record });
        }
    }

    #[test]
    fn headers() {
        let long = "x".repeat(MAX_HEADER + 1);
        for (name, value, fine) in [
            ("authorization", "Bearer abc", true),
            ("x-token_2", "", true),
            ("", "x", false),
            ("X-Token", "x", false),
            ("host", "other.example", false),
            ("content-length", "0", false),
            ("x", "a\r\nhost: other.example", false),
            ("x: y", "z", false),
            ("x", "ä", false),
            ("x", &long, false),
        ] {
            let checked = check_headers(&[(name.to_owned(), value.to_owned())]);
            assert_eq!(checked.is_ok(), fine, "{name}: {value}: {checked:?}");
        }
        assert!(check_headers(&vec![("x".to_owned(), String::new()); MAX_HEADERS + 1]).is_err());
    }
}
